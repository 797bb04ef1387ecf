"""What other people's programs open: their formats, their forms for submissions, and the licences that go along."""

from __future__ import annotations

from glaciertime.lazy import names_on_first_use

__all__ = ["data_sources", "from_long", "licence_texts", "to_long"]

__getattr__, __dir__ = names_on_first_use(
    __name__,
    {"licences": ("data_sources", "licence_texts"), "long_tables": ("from_long", "to_long")},
)
