"""Where results live: a GeoPackage file, a folder of GeoParquet or a PostGIS server, safe for many writers at once."""

from __future__ import annotations

from glaciertime.lazy import names_on_first_use

__all__ = ["Archive", "Place", "place_of"]

__getattr__, __dir__ = names_on_first_use(__name__, {"archive": ("Archive",), "places": ("Place", "place_of")})
