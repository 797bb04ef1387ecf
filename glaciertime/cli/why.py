"""``glaciertime why``: where a number, an image or a file comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from glaciertime.cli.common import ArchiveOption, JsonOption, note, print_json_value
from glaciertime.errors import one_line

__all__ = ["why"]

_FILES_SHOWN = 12
_SENTENCES_SHOWN = 6
_WIDTH = 11
_OF_FORECASTS = ("model", "cutoff", "quantile", "horizon", "metric", "kind", "level")


def why(
    what: Annotated[
        str, typer.Argument(metavar="ROW|IMAGE|FILE", help="A row's name, an image, a file read or written, or a run.")
    ],
    archive: ArchiveOption = Path("glaciertime.gpkg"),
    as_json: JsonOption = False,
) -> None:
    """Say where it comes from: the files with their SHA-256, the command, versions, ruler, model, flags and notes.

    Rows have names in the column row of glaciertime export, series --json and table --json.

    Examples:

    glaciertime why o3fa9c1d2e07b

    glaciertime why masks/crane_2003-08-19.tif

    glaciertime why Crane.html
    """
    from glaciertime.archive import Archive
    from glaciertime.pipeline.why import explain

    found = explain(what, Archive(archive, tell=note))
    if as_json:
        print_json_value(found)
        return
    for number, told in enumerate(found):
        if number:
            typer.echo()
        for line in _lines(told):
            typer.echo(line)


def _lines(told: dict[str, Any]) -> list[str]:
    lines = [_headline(told)]
    if told.get("warning"):
        lines.append(_line("WARNING", told["warning"]))
    image, row = told.get("image"), told.get("row", {})
    if image:
        lines.append(_line("image", f"{image['image_id']} of {image['glacier']}, {image['dataset']}"))
    if row:
        lines.append(_line("flags", row.get("quality") or row.get("QualFlag") or row.get("status") or "none"))
    files = told.get("files") or []
    lines += [_line("" if number else "read", text) for number, text in enumerate(_files(files))]
    for one in told.get("series") or []:
        lines.append(_line("series", f"{one['rows']} rows, sha256 {one['sha256']}; {one['now']}"))
        lines += [
            _line(
                "", f"{each['rows']} rows, {each['first']} to {each['last']}, by run {each['run']}: {each['command']}"
            )
            for each in one["runs"][:_FILES_SHOWN]
        ]
    run = told.get("run")
    if run is None:
        known = f"; the archive names the file {image['input']}" if image and image.get("input") else ""
        return [
            *lines,
            _line("run", f"not known: stored by an earlier release{known}; run the command again to know it"),
        ]
    lines += _run_lines(run)
    rows = told.get("rows") or []
    lines += [_line("" if number else "gave", _row_text(row)) for number, row in enumerate(rows)]
    if told.get("stored"):
        counts = ", ".join(f"{count} of {table}" for table, count in told["stored"].items())
        lines.append(_line("stored", f"rows that are still there: {counts}"))
    return lines


def _headline(told: dict[str, Any]) -> str:
    row, head = told.get("row"), told["is"]
    if told.get("file"):
        return f"{head}: {one_line(told['file'])}\n{_line('sha256', told['sha256'])}"
    if row is None:
        return f"{head} {told.get('name', '')}".strip()
    which = ("glacier", "GlacierID", "variable", "method", "footprint", "front_of", "dataset")
    when = [str(row[name]) for name in ("date", "Date", "target_date", "source") if row.get(name)]
    what = [f"{name} {row[name]}" for name in _OF_FORECASTS if row.get(name) not in (None, "")]
    value, sigma = row.get("value", row.get("half_width_m")), row.get("sigma")
    number = "" if value is None else f" = {_number(value)}{'' if sigma is None else f' +- {_number(sigma, 6)}'}"
    unit = f" {row['unit']}" if number and row.get("unit") else ""
    named = ", ".join(str(row[name]) for name in which if row.get(name))
    return one_line(f"{head} {told['name']}: {named}{number}{unit}; {', '.join([*when, *what])}")


def _number(value: object, digits: int = 10) -> str:
    """Return a number as text; a damaged archive may hold something else in its place."""
    return f"{value:.{digits}g}" if isinstance(value, int | float) else str(value)


def _line(name: str, text: object) -> str:
    return f"  {name:<{_WIDTH}}{one_line(str(text))}"


def _files(files: list[dict[str, Any]]) -> list[str]:
    out = []
    for one in files[:_FILES_SHOWN]:
        size = "" if one.get("bytes") is None else f", {one['bytes']:,} bytes"
        now = f"; {one['now']}" if one.get("now") else ""
        late = "; changed after the run began" if "after the run began" in (one.get("modified") or "") else ""
        out.append(f"{one['input']}: sha256 {one['sha256'] or 'none, no file'}{size}{now}{late}")
        if before := one.get("written_by"):
            read = ", ".join(f"{each['input']} (sha256 {each['sha256']})" for each in before["inputs"])
            out.append(f"    written by run {before['run']}: {before.get('command', '')}; it read {read or 'nothing'}")
    if len(files) > _FILES_SHOWN:
        out.append(f"and {len(files) - _FILES_SHOWN} more; --json lists them all")
    return out


def _run_lines(run: dict[str, Any]) -> list[str]:
    when = f", {run['started']} to {run.get('finished', '')}" if "started" in run else ""
    lines = [_line("run", f"{run['run']}{when}")]
    lines.append(_line("command", run.get("command", "")))
    if run.get("folder"):
        lines.append(_line("in", run["folder"]))
    versions = run.get("versions") or {}
    lines.append(
        _line("versions", ", ".join(f"{name} {text}" for name, text in versions.items()) or run.get("version"))
    )
    for text in run.get("ruler") or []:
        lines.append(_line("ruler", text))
    models = run.get("models") or {}
    for name, card in models.items() if isinstance(models, dict) else ():
        told = "; ".join(f"{key}: {value}" for key, value in card.items() if key not in ("name", "scores") and value)
        lines.append(_line("model", f"{name}; {told}"))
    if isinstance(models, list):
        lines.append(_line("models", ", ".join(map(str, models))))
    environment = run.get("environment") or {}
    if environment:
        lines.append(_line("with", ", ".join(f"{name}={text}" for name, text in environment.items())))
    for name, title in (("decided", "settings"), ("notes", "said"), ("refused", "refused"), ("failed", "failed")):
        held = run.get(name) or []
        lines += [_line("" if number else title, text) for number, text in enumerate(held[:_SENTENCES_SHOWN])]
        if len(held) > _SENTENCES_SHOWN:
            lines.append(_line("", f"and {len(held) - _SENTENCES_SHOWN} more; --json lists them all"))
    return lines


def _row_text(row: dict[str, Any]) -> str:
    value = "" if row.get("value") is None else f" = {_number(row['value'])} {row.get('unit', '')}"
    what = ", ".join(str(row[name]) for name in ("date", "Date", "variable", "method", "footprint") if row.get(name))
    return f"{row['row']} {row['table']}: {what}{value}; {row.get('quality') or row.get('QualFlag') or ''}"
