"""Reports: tables as text, plots, and the self-contained HTML page of a glacier."""

from __future__ import annotations

from glaciertime.report.retreat_text import retreat_rows, retreat_text

__all__ = ["retreat_rows", "retreat_text"]
