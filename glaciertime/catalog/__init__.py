"""The catalog: what is known of a glacier and of a data set before any image is opened.

One YAML file per glacier or data set, in ``data_manifests`` (installed with the package) or given by the user.
A glacier has names, a coordinate system, a box, and where known a fjord, a centreline and sources in order of
preference; a data set has a citation, a licence and files to download with their checksums.
"""

from __future__ import annotations

from glaciertime.catalog.entries import DataFile, DataSet, FrontPeriod, Glacier, Line, Region, Source, is_surging
from glaciertime.catalog.known import (
    TEMPLATE,
    Catalog,
    catalog_with,
    load_catalog,
    manifest_folder,
    own_manifests,
    read_manifest,
)

__all__ = [
    "TEMPLATE",
    "Catalog",
    "DataFile",
    "DataSet",
    "FrontPeriod",
    "Glacier",
    "Line",
    "Region",
    "Source",
    "catalog_with",
    "is_surging",
    "load_catalog",
    "manifest_folder",
    "own_manifests",
    "read_manifest",
]
