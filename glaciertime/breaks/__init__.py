"""One account of breaks, for reports, products and every forecaster."""

from glaciertime.breaks.changes import Break, find_breaks
from glaciertime.breaks.hazard import HAZARD_COLUMNS, hazard_table, hazard_text, hazards_of, watched
from glaciertime.breaks.records import is_dense, record_breaks
from glaciertime.breaks.tables import CHANGE_COLUMNS, SEGMENT_COLUMNS, change_table, segment_table

__all__ = [
    "CHANGE_COLUMNS",
    "HAZARD_COLUMNS",
    "SEGMENT_COLUMNS",
    "Break",
    "change_table",
    "find_breaks",
    "hazard_table",
    "hazard_text",
    "hazards_of",
    "is_dense",
    "record_breaks",
    "segment_table",
    "watched",
]
