"""Flags that say nothing against a value of a product, by what the product asks of a date."""

from __future__ import annotations

__all__ = ["PASSING", "PASSING_BOUNDS", "PASSING_MONTHS"]

#: Of what is made of several years: a date known to its year or its month does.
PASSING = ("year-only", "month-only", "unregistered")
#: Of what tells the months of a year apart: a year that stands as its first of January is no January.
PASSING_MONTHS = ("month-only", "unregistered")
#: A bound counts as one where the product can say so.
PASSING_BOUNDS = (*PASSING, "censored", "no-front")
