"""What a report says of a glacier or a region, without any layout; HTML, PDF, Markdown and JSON only lay it out."""

from glaciertime.report.content.glacier import TABLES_SHOWN, glacier_content, glacier_headlines
from glaciertime.report.content.parts import Content
from glaciertime.report.content.region import region_content

__all__ = ["TABLES_SHOWN", "Content", "glacier_content", "glacier_headlines", "region_content"]
