"""What ``--dry-run`` prints of work: its tasks, those that are done, and what the others cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from glaciertime.cli.common import note, print_json_value
from glaciertime.naming import counted

if TYPE_CHECKING:
    from glaciertime.archive import Archive
    from glaciertime.pipeline import TrackRequest

__all__ = ["print_plan"]


def print_plan(requests: Sequence[TrackRequest], archive: Archive, *, jobs: int, scheduler: str, as_json: bool) -> None:
    """Print what tracking some glaciers would do; nothing is stored."""
    from glaciertime.pipeline.plan import cost_of, planned

    plans = list(planned(requests, jobs=jobs, scheduler=scheduler))
    left = [plan for plan in plans if not (plan.is_done or plan.error)]
    scenes, size = sum(plan.scenes for plan in left), sum(plan.bytes for plan in left)
    cost = cost_of(requests, plans, archive) if left else None
    hours = scenes * cost.cpu_seconds / 3600 if cost else 0.0
    stored = scenes * cost.archive_bytes if cost else 0.0
    if as_json:
        rows = [
            {"glacier": plan.glacier, "scenes": plan.scenes, "bytes": plan.bytes, "done": plan.is_done,
             "error": plan.error}
            for plan in plans
        ]  # fmt: skip
        known = {
            "cpu_hours": hours, "hours": None if scheduler else hours / jobs, "bytes_to_read": size,
            "bytes_to_store": stored, "known_from": cost.known_from if cost else "",
        }  # fmt: skip
        finite = {name: None if value != value else value for name, value in known.items()}
        print_json_value({"tasks": rows, "done": sum(plan.is_done for plan in plans), "left": len(left), **finite})
        return
    for plan in plans:
        state = "cannot be done" if plan.error else "done" if plan.is_done else "to do"
        typer.echo(f"{plan.glacier}: {state}, {counted(plan.scenes, 'scenes')}, {plan.bytes / 1e6:,.1f} MB")
        if plan.error:
            note(f"{plan.glacier}: {plan.error}")
    failed = len([plan for plan in plans if plan.error])
    done = len(plans) - len(left) - failed
    typer.echo(f"{counted(len(plans), 'glaciers')}: {done} done, {len(left)} to do, {failed} that cannot be")
    if cost is None:
        return
    if hours != hours:
        typer.echo(f"to do: {counted(scenes, 'scenes')}, {size / 1e6:,.1f} MB to read; what they cost is not known")
        return
    spread = "" if scheduler or jobs == 1 else f", {_time(hours / jobs)} with {jobs} processes"
    held = "" if stored != stored else f", about {stored / 1e6:,.1f} MB in the archive"
    typer.echo(
        f"to do: {counted(scenes, 'scenes')}, {size / 1e6:,.1f} MB to read, {_time(hours)} of one "
        f"processor{spread}{held}"
    )
    each = "" if stored != stored else f" and {cost.archive_bytes / 1e3:.3g} kB"
    typer.echo(f"by {cost.known_from}: {cost.cpu_seconds:.3g} s{each} a scene")


def _time(hours: float) -> str:
    """Return a time in the unit that a person would use.

    Examples
    --------
    >>> _time(0.01), _time(0.5), _time(36.0)
    ('36 s', '30 min', '36 hours')
    """
    seconds = 3600 * hours
    return f"{seconds:.3g} s" if seconds < 120 else f"{seconds / 60:.3g} min" if hours < 2 else f"{hours:,.3g} hours"
