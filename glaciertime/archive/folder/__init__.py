"""The archive as a folder: GeoParquet by table, region and glacier, which DuckDB, geopandas and QGIS open."""
