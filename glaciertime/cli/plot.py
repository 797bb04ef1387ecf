"""``glaciertime plot``: one picture of a glacier, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glaciertime.cli.common import (
    ArchiveOption,
    DatasetOption,
    FootprintOption,
    FrontOfOption,
    MethodOption,
    OverwriteOption,
    VariableOption,
    keep_run,
    note,
    open_archive,
)
from glaciertime.cli.run_notes import check_note, write_note
from glaciertime.cli.running import the_run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from glaciertime.provenance import RunRecord
    from glaciertime.record import GlacierRecord

__all__ = ["plot"]

MARK = "glaciertime plot"
_SUFFIXES = (".svg", ".png", ".pdf")
_SIZES = {"fronts": (8.6, 6.6), "series": (9.0, 3.6), "retreat": (9.0, 3.6), "fan": (6.4, 4.2), "seasonal": (6.4, 4.2)}
_TABLES = {"fronts": ("fronts", "fronts_local", "footprints", "centrelines"), "fan": ("observations", "forecasts",
           "scores")}  # fmt: skip
_SOURCES = ("observed", "simulated")


def plot(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="fronts, series, fan, retreat, seasonal or confusion.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The picture: .svg, .png or .pdf.")],
    glacier: Annotated[
        str | None, typer.Option("--glacier", metavar="NAME", help="A glacier, by any of its names.")
    ] = None,
    evaluation: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="For confusion: the JSON that glaciertime evaluate wrote."),
    ] = None,
    variable: VariableOption = None,
    method: MethodOption = None,
    footprint: FootprintOption = None,
    dataset: DatasetOption = None,
    front_of: FrontOfOption = None,
    model: Annotated[str | None, typer.Option("--model", help="For fan: the forecaster.")] = None,
    source: Annotated[
        str | None, typer.Option(help="observed or simulated; by default what was observed, where there is some.")
    ] = None,
    archive: ArchiveOption = Path("glaciertime.gpkg"),
    overwrite: OverwriteOption = False,
) -> None:
    """Draw one picture: fronts, series, fan, retreat, seasonal, or the confusion matrix of an evaluation.

    Axes have their units, errors are one standard deviation, and what is simulated is marked.

    Examples:

    glaciertime plot fronts --glacier Crane --out crane_fronts.svg

    glaciertime plot retreat --glacier Crane --out crane_retreat.png
    """
    from glaciertime.errors import UsageError, nearest_names
    from glaciertime.plot import KINDS
    from glaciertime.writing import Target, check_target, write_bytes
    from glaciertime.writing.marks import made_by

    if kind not in KINDS:
        near = nearest_names(kind, KINDS)
        hint = f", did you mean {near[0]}?" if near else ""
        raise UsageError(f"no plot '{kind}'{hint}; there are {', '.join(KINDS)}")
    if out.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"--out {out}: a picture is a file that ends in {', '.join(_SUFFIXES)}")
    series = {"variable": variable, "method": method, "footprint": footprint, "dataset": dataset, "front_of": front_of}
    asked = {name: value for name, value in {**series, "model": model, "source": source}.items() if value is not None}
    _refuse_unused(kind, asked, glacier=glacier, evaluation=evaluation)
    own = made_by(MARK)
    inputs = [] if evaluation is None else [evaluation]
    check_target(Target(out, "--out", own), archive=archive, inputs=inputs, overwrite=overwrite)
    check_note(out, overwrite=overwrite)
    store = None
    if evaluation is not None:
        figure, kept = _of_evaluation(evaluation, out)
    else:
        store = open_archive(archive)
        figure, kept = _of_glacier(kind, _record(store, str(glacier)), asked, out)
    write_bytes(out, _content(figure, out.suffix.lower()), own=own, archive=archive, inputs=inputs,
                overwrite=overwrite)  # fmt: skip
    write_note(out, kept, overwrite=overwrite)
    the_run().stored.append(f"the picture {out}")
    if store is not None:
        keep_run(store, kept)
    typer.echo(out)


def _refuse_unused(kind: str, asked: dict[str, str], *, glacier: str | None, evaluation: Path | None) -> None:
    from glaciertime.errors import UsageError

    known = {"fronts": {"source"}, "confusion": set()}.get(kind, {*asked} - ({"model"} if kind != "fan" else set()))
    unused = [f"--{name.replace('_', '-')}" for name in asked if name not in known]
    if kind == "confusion":
        unused += ["--glacier"] if glacier else []
        if evaluation is None:
            raise UsageError("confusion is drawn of an evaluation: give --evaluation FILE.json")
    else:
        unused += ["--evaluation"] if evaluation else []
        if glacier is None:
            raise UsageError(f"{kind} is drawn of a glacier: give --glacier NAME")
    if unused:
        raise UsageError(f"{' and '.join(unused)}: the plot {kind} does not use {'it' if len(unused) == 1 else 'them'}")
    if asked.get("source") not in (None, *_SOURCES):
        raise UsageError(f"--source '{asked['source']}' is not known; known are {', '.join(_SOURCES)}")


def _record(store: Any, glacier: str) -> GlacierRecord:
    from glaciertime.record import read_record

    return read_record(store, glacier)


def _of_glacier(kind: str, record: GlacierRecord, asked: dict[str, str], out: Path) -> tuple[Figure, RunRecord]:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from glaciertime import plot as plots
    from glaciertime.cli.configuration import shown_units
    from glaciertime.pipeline.runs import run_of_tables
    from glaciertime.plot.canvas import STYLE
    from glaciertime.plot.drawn_units import draw_in_units

    units = shown_units()
    if "source" not in asked and len(record.sources) > 1:
        note(f"{record.glacier}: drawn is what was observed; give --source simulated for what was not")
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=_SIZES[kind], layout="constrained")
        ax = getattr(plots, kind)(record, ax=figure.add_subplot(), **asked)
        draw_in_units(ax, units)
    kept = run_of_tables(the_run(), record, _TABLES.get(kind, ("observations",)), settings={"output": str(out)})
    return figure, kept


def _of_evaluation(path: Path, out: Path) -> tuple[Figure, RunRecord]:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from glaciertime import plot as plots
    from glaciertime.documents import read_json
    from glaciertime.plot.canvas import STYLE

    found = read_json(
        path, what=f"the evaluation {path.name}", remedy="give what glaciertime evaluate --out FILE.json wrote"
    )
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(6.4, 6.0), layout="constrained")
        plots.confusion(found, ax=figure.add_subplot())
    return figure, the_run().record(files={"evaluation": path}, settings={"output": str(out)})


def _content(figure: Figure, suffix: str) -> bytes:
    """Return a figure as a file's bytes, the same whenever it is drawn."""
    import io

    import matplotlib as mpl

    from glaciertime.plot.canvas import STYLE

    buffer = io.BytesIO()
    marks: dict[str, dict[str, Any]] = {
        ".svg": {"Date": None, "Creator": MARK},
        ".png": {"Software": MARK},
        ".pdf": {"CreationDate": None, "Creator": MARK},
    }
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure.savefig(buffer, format=suffix[1:], dpi=200, metadata=marks[suffix])
    return buffer.getvalue()
