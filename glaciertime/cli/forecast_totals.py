"""What several glaciers are forecast to be together, below their own forecasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from glaciertime.cli.common import note

if TYPE_CHECKING:
    from glaciertime.archive import Archive
    from glaciertime.pipeline.selection import Chosen
    from glaciertime.region.forecasts import ForecastsHeld

__all__ = ["check_totals", "print_totals"]


def check_totals(correlation: float | None, *, is_many: bool, is_contour: bool, as_json: bool) -> None:
    """Refuse a correlation that nothing would use, or that is none."""
    from glaciertime.errors import UsageError
    from glaciertime.region.totals import check_correlation

    if correlation is None:
        return
    check_correlation(correlation)
    if not is_many or is_contour:
        raise UsageError("--correlation is of the total of several glaciers: give --all, --region or --rgi with it")
    if as_json:
        raise UsageError(
            "--correlation is of totals, and the rows of --json are of single glaciers; glaciertime report --all "
            "--correlation NUMBER --out FILE.json holds the totals of what is stored"
        )


def print_totals(store: Archive, chosen: Chosen, held: ForecastsHeld, *, correlation: float | None) -> None:
    """Print the sums of the forecasts that were just made, of the glaciers that a region counts once."""
    from glaciertime.errors import InputError
    from glaciertime.pipeline.regional import region_reading
    from glaciertime.region.forecasts import sum_forecasts
    from glaciertime.report.sum_text import sum_text

    if not held.is_empty:
        try:
            reading, _ = region_reading(chosen, store, seen=held.watch, correlation=correlation)
        except InputError as error:
            note(f"no total: {error}")
            return
        for found in sum_forecasts(reading, held, correlation=correlation):
            typer.echo(sum_text(found), nl=False)
    if held.without_sum:
        note(f"no total of {', '.join(held.without_sum)}: of several glaciers they have no sum")
