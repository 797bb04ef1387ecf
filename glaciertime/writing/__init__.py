"""The one way to write a file; everything that makes one goes through here."""

from glaciertime.writing.leftovers import remove_stale_drafts
from glaciertime.writing.replacement import draft, drafts, write_bytes
from glaciertime.writing.targets import Target, check_target, file_name, file_names

__all__ = ["Target", "check_target", "draft", "drafts", "file_name", "file_names", "remove_stale_drafts", "write_bytes"]
