"""``glaciertime compare``: trainings side by side, with tests over glaciers or scenes, and published tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glaciertime.cli.common import JsonOption, LimitOption, OverwriteOption, StrictOption, note, print_json_value
from glaciertime.cli.messages import by_kind, exit_code
from glaciertime.errors import UsageError

if TYPE_CHECKING:
    from glaciertime.pipeline.comparison.conducting import Conducted
    from glaciertime.pipeline.comparison.plan import ComparisonPlan

__all__ = ["compare"]


def compare(
    config: Annotated[
        Path | None, typer.Argument(metavar="[FILE.yaml]", help="What is compared; see --template-config.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Results, report, and a folder for each training; gone on with."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Trainings at the same time.")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be trained, and stop.")] = False,
    published: Annotated[
        str | None,
        typer.Option(metavar="TABLE", help="Print a published table, such as 5.3 or boundary:3, and stop; list: all."),
    ] = None,
    form: Annotated[str, typer.Option("--format", help="Of --published: text, csv, markdown or latex.")] = "text",
    template_config: Annotated[bool, typer.Option("--template-config", help="Print a commented file.")] = False,
    overwrite: OverwriteOption = False,
    strict: StrictOption = False,
    as_json: JsonOption = False,
    limit: LimitOption = None,
) -> None:
    """Train every combination that a file lists, once for each seed, and tell which differ.

    Tests (one-way ANOVA, Friedman, paired t, Wilcoxon; Holm and Bonferroni; Cohen's d) are over glaciers where five are
    tested on, else over scenes. Seeds show the noise of training alone. What is done already is not done again.

    Examples:

    glaciertime compare --template-config > compare.yaml

    glaciertime compare compare.yaml --out runs/compared --jobs 2

    glaciertime compare --published 5.3
    """
    from glaciertime.cli.comparing import check_places, print_published, told_of, write_all

    if template_config:
        from glaciertime.pipeline.comparison.plan import template

        typer.echo(template(), nl=False)
        return
    if published is not None:
        if config is not None or out is not None or dry_run:
            raise UsageError("--published prints a table and stops; leave the file, --out and --dry-run away")
        print_published(published, form=form, as_json=as_json)
        return
    if form != "text":
        raise UsageError("--format is of --published; a comparison writes Markdown, HTML and LaTeX")
    if config is None:
        raise UsageError("name a file that says what is compared; write one with --template-config")
    from glaciertime.pipeline.comparison.plan import read_plan

    plan = read_plan(config)
    if dry_run:
        _print_plan(plan, out or Path(config.stem), as_json=as_json)
        return
    if out is None:
        raise UsageError("--out is missing; give the folder for results and trainings")
    check_places(config, out, overwrite=overwrite)
    conducted = _conducted(plan, out, jobs)
    for sentence in conducted.told:
        note(sentence)
    from glaciertime.pipeline.comparison.verdicts import findings_of

    found = findings_of(plan, conducted)
    written = write_all(config, out, plan, conducted, found, overwrite=overwrite)
    if as_json:
        print_json_value(found)
    else:
        typer.echo(told_of(found), nl=False)
        for path in written:
            note(f"written: {path}")
    for count, problem in by_kind([f"{one['model']}: {one['reason']}" for one in found["failed"]]):
        note(problem + (f" (and {count - 1} more like it)" if count > 1 else ""))
    if not found["conditions"]:
        raise typer.Exit(1)
    if found["failed"]:
        raise typer.Exit(exit_code(stored=True, failed=True, strict=strict))


def _conducted(plan: ComparisonPlan, out: Path, jobs: int) -> Conducted:
    """Do what is missing, with a bar on stderr."""
    from rich.progress import Progress

    from glaciertime.cli.quiet import progress_console
    from glaciertime.cli.running import the_run
    from glaciertime.errors import MissingExtraError

    try:
        import lightning  # noqa: F401

        from glaciertime.pipeline.comparison.conducting import conduct
    except ModuleNotFoundError as error:
        raise MissingExtraError("comparing trainings", "train") from error
    run = the_run()
    run.next = "run the same command again: what is done is not done again"
    with Progress(console=progress_console(), transient=True) as bar:
        line = bar.add_task("compare", total=None)

        def told(done: int, total: int, task: Any, reason: str) -> None:
            bar.update(line, completed=done, total=total, description=task.run.name[:40])
            if not reason:
                run.stored.append(f"training {task.folder.name}")

        return conduct(plan, out=out, jobs=jobs, progress=told)


def _print_plan(plan: ComparisonPlan, out: Path, *, as_json: bool) -> None:
    """Print every training that is asked for, and whether it is done."""
    from glaciertime.pipeline.comparison.conducting import planned
    from glaciertime.pipeline.comparison.performing import held_rows

    wanted = planned(plan, out=out)
    for sentence in wanted.told:
        note(sentence)
    rows = [{"run": task.run.name, "images": len(task.train), "state": "done" if held_rows(task) else "to do"}
            for task in wanted.tasks]  # fmt: skip
    rows += [{"run": task.run.name, "images": 0, "state": f"refused: {reason}"} for task, reason in wanted.refused]
    if as_json:
        print_json_value(rows)
    else:
        _echo_plan(rows)
    if not wanted.tasks:
        raise typer.Exit(1)


def _echo_plan(rows: list[dict[str, Any]]) -> None:
    import pandas as pd

    from glaciertime.report.retreat_text import text_table

    typer.echo(text_table(pd.DataFrame(rows)), nl=False)
    missing = sum(row["state"] == "to do" for row in rows)
    done = sum(row["state"] == "done" for row in rows)
    typer.echo(f"{len(rows)} trainings: {missing} to do, {done} done, {len(rows) - missing - done} refused")
