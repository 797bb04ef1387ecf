"""What ``glaciertime compare`` does around the trainings: its files, and published tables."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from glaciertime.cli.common import note, print_json_value
from glaciertime.cli.run_notes import check_note, write_note
from glaciertime.cli.running import the_run
from glaciertime.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from glaciertime.pipeline.comparison.conducting import Conducted
    from glaciertime.pipeline.comparison.plan import ComparisonPlan

__all__ = ["check_places", "print_published", "told_of", "write_all"]

_KINDS = (".parquet", ".json", ".md", ".html", ".tex")
_PICTURES = ("scores", "differences", "ranks")


def _targets(config: Path, out: Path) -> dict[str, Path]:
    named = {kind: out / f"{config.stem}{kind}" for kind in _KINDS}
    return {**named, **{name: out / f"{config.stem}_{name}.png" for name in _PICTURES}}


def check_places(config: Path, out: Path, *, overwrite: bool) -> None:
    """Refuse, before any work, places that must not be written to, and results of another file of the same name.

    Raises
    ------
    UsageError
    """
    from glaciertime.writing import Target, check_target

    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is no folder; name one for results and trainings")
    if not out.is_dir():
        return
    targets = _targets(config, out)
    for path in targets.values():
        check_target(Target(path, "--out", _is_own), inputs=[config], overwrite=overwrite)
        check_note(path, overwrite=overwrite)
    held = targets[".json"]
    if held.is_file() and not overwrite:
        other = _file_of(held)
        if other and Path(other) != config.resolve():
            raise UsageError(
                f"{held} holds the results of {other}; name another --out, or add --overwrite to replace them"
            )


def _file_of(path: Path) -> str:
    try:
        return str(json.loads(path.read_bytes()).get("file", ""))
    except (OSError, ValueError, AttributeError, RecursionError):
        return ""


def _is_own(path: Path) -> bool:
    from glaciertime.report.trainings_content import MARK
    from glaciertime.writing.marks import made_by

    with path.open("rb") as stream:
        head = stream.read(200)
    return MARK.encode() in head or made_by(MARK)(path)


def write_all(
    config: Path, out: Path, plan: ComparisonPlan, conducted: Conducted, found: dict[str, Any], *, overwrite: bool
) -> list[Path]:
    """Write rows, findings, report and pictures, each with the note of its run; return where."""
    from glaciertime.provenance import sidecar
    from glaciertime.report import trainings_pictures as pictured
    from glaciertime.report.trainings_content import content_of
    from glaciertime.report.trainings_text import html_text, latex_text, markdown_text
    from glaciertime.writing import write_bytes

    out.mkdir(parents=True, exist_ok=True)
    targets = _targets(config, out)
    drawn = {
        "scores": pictured.score_picture(found), "differences": pictured.difference_picture(found),
        "ranks": pictured.rank_picture(found),
    }  # fmt: skip
    pictures = {name: content for name, content in drawn.items() if content is not None}
    sections = content_of(found, tables=filled_tables(plan, conducted))
    title = f"Comparison {config.stem}"
    made_by = the_run().record(
        files={"comparison": config},
        settings={"decided": [f"{name}: {value}" for name, value in plan.model_dump(mode="json").items()],
                  "notes": list(conducted.told), "failed": [one["reason"] for one in found["failed"]]},
    )  # fmt: skip
    texts = {
        ".json": json.dumps({**found, "file": str(config.resolve())}, indent=1, allow_nan=False) + "\n",
        ".md": markdown_text(sections, title=title, pictures=[targets[name].name for name in pictures]),
        ".tex": latex_text(sections, title=title),
        ".html": html_text(sections, title=title, pictures=pictures, tag=made_by.tag()),
    }
    contents = {
        ".parquet": _parquet(conducted), **{kind: text.encode("utf-8", "backslashreplace")
                                            for kind, text in texts.items()}, **pictures,
    }  # fmt: skip
    written = []
    for kind, content in contents.items():
        write_bytes(targets[kind], content, own=_is_own, inputs=[config], overwrite=overwrite)
        write_note(targets[kind], made_by, overwrite=overwrite)
        written.append(targets[kind])
    for name in _PICTURES:
        # A picture of results that are no longer there would be taken for one of these.
        if name not in pictures and targets[name].is_file() and _is_own(targets[name]):
            targets[name].unlink()
    for folder in sorted(set(conducted.rows.loc[conducted.rows["status"] == "ok", "run"])):
        for path in (out / "runs" / folder / "weights.safetensors", out / "runs" / folder / "scores.json"):
            note_of = sidecar(path)
            # What an earlier run has made keeps the note of that run.
            if path.is_file() and not (note_of.is_file() and note_of.stat().st_mtime_ns >= path.stat().st_mtime_ns):
                write_note(path, made_by, overwrite=True)
    the_run().stored.append(f"results in {targets['.parquet']}")
    return written


def _parquet(conducted: Conducted) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    from glaciertime.report.trainings_content import MARK

    table = pa.Table.from_pandas(conducted.rows, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), b"generator": MARK.encode()})
    made = io.BytesIO()
    parquet.write_table(table, made)
    return made.getvalue()


def filled_tables(plan: ComparisonPlan, conducted: Conducted) -> list[Any]:
    """Return the published tables that are asked for, with what was found in columns of its own."""
    from glaciertime.pipeline.comparison.filling import filled
    from glaciertime.report.published_tables import section_of, tables_named

    sections = []
    for table in tables_named(plan.tables):
        retreat = _retreat(table, plan) if table.of.get("statistic") == "retreat" else None
        cells = filled(table, plan=plan, rows=conducted.rows, choices=conducted.choices, retreat=retreat)
        sections.append(section_of(table, cells.ours, told=cells.told))
    return sections


def _retreat(table: Any, plan: ComparisonPlan) -> pd.DataFrame | None:
    """Return the retreat of the glaciers of a table out of an archive, between the years that it names."""
    if plan.archive is None:
        return None
    import pandas as pd

    from glaciertime.cli.common import open_archive
    from glaciertime.errors import GlacierTimeError
    from glaciertime.track import retreat_table

    store = open_archive(plan.archive)
    found = []
    for where in table.wheres:
        observations = store.read("observations", glacier=[where["glacier"]], variable="area_km2")
        if observations.empty:
            continue
        held = set(observations["footprint"])
        try:
            found.append(
                retreat_table(
                    observations,
                    date_from=f"{where['from']}-07-01",
                    date_to=f"{where['to']}-07-01",
                    max_gap_days=183,
                    footprint=next((one for one in ("box", "common", "image") if one in held), "box"),
                    footprints=store.read("footprints", glacier=[where["glacier"]]),
                )
            )
        except GlacierTimeError as error:
            note(f"table {table.name}: {where['glacier']}: {error}")
    return pd.concat(found, ignore_index=True) if found else None


def told_of(found: dict[str, Any]) -> str:
    """Return what is printed: what was found, and the scores."""
    from glaciertime.report.trainings_content import content_of
    from glaciertime.report.trainings_text import terminal_text

    return terminal_text(content_of(found)[:2])


def print_published(name: str, *, form: str, as_json: bool) -> None:
    """Print one published table, or the names of all.

    Raises
    ------
    UsageError
    """
    from glaciertime.report.published_tables import published_table, section_of, table_names
    from glaciertime.report.retreat_text import check_form
    from glaciertime.report.trainings_text import section_text

    check_form(form)
    if name == "list":
        tables = [published_table(one) for one in table_names()]
        if as_json:
            print_json_value([{"table": one.name, "title": one.title, "document": one.document} for one in tables])
        else:
            typer.echo("\n".join(f"{one.name}: {one.title}" for one in tables))
        return
    table = published_table(name)
    section = section_of(table)
    if as_json:
        print_json_value({
            "table": table.name, "document": table.document, "title": table.title, "notes": list(table.notes),
            "columns": list(table.head), "rows": [list(row) for row in table.rows],
        })  # fmt: skip
        return
    typer.echo(section_text(section, form=form), nl=False)
    for line in (section.title, *section.notes):
        note(line)
