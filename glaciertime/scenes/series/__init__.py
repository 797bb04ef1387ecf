"""A dated series of one's own: tables of lengths, areas, masses and more, in the forms of the field."""

from glaciertime.scenes.series.assembly import SeriesTable, read_series, series_of_table
from glaciertime.scenes.series.forms import SeriesOptions
from glaciertime.scenes.series.reading import RawTable, raw_table_from_file, raw_table_from_frame

__all__ = [
    "RawTable",
    "SeriesOptions",
    "SeriesTable",
    "raw_table_from_file",
    "raw_table_from_frame",
    "read_series",
    "series_of_table",
]
