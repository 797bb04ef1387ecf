"""Where results live: one GeoPackage per project, safe to write from many processes, readable by QGIS and by SQL."""

from __future__ import annotations

from glaciertime.archive.archive import Archive

__all__ = ["Archive"]
