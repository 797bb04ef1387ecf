"""What the commands of the page import, imported once for all of them (see ``workers``).

No name that is missing is an error here: the command that needs it says so.
"""

from __future__ import annotations

import contextlib
import importlib

__all__ = ["MODULES"]

#: Modules of the package bring the libraries that they stand on; what functions import late is named beside.
MODULES = (
    "glaciertime.cli",
    "glaciertime.cli.segmenting",
    "glaciertime.pipeline.zone_areas",
    "glaciertime.pipeline.zone_outlines",
    "glaciertime.scenes.image_listing",
    "glaciertime.scenes.raster_files",
    "glaciertime.segment.predict.engine",
    "glaciertime.segment.predict.framed",
    "glaciertime.segment.predict.merging",
    "glaciertime.record",
    "glaciertime.report.content",
    "glaciertime.report.wording",
    "geopandas",
    "onnxruntime",
    "pandas",
    "pyarrow",
    "pyogrio",
    "rasterio.features",
    "scipy.ndimage",
    "scipy.optimize",
    "scipy.stats",
)

for name in MODULES:
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
