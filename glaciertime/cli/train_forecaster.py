"""``glaciertime train-forecaster``: a recurrent forecaster taught from one's own series up to a date."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glaciertime.cli.common import ArchiveOption, JsonOption, OverwriteOption, note, print_json_value, split_names
from glaciertime.cli.run_notes import check_note, write_note
from glaciertime.cli.running import the_run
from glaciertime.errors import InputError, MissingExtraError, UsageError

if TYPE_CHECKING:
    from glaciertime.forecast import Series
    from glaciertime.forecast.learned.taught import Taught

__all__ = ["train_forecaster"]

_MODELS = ("lstm", "mamba")
_ARCHIVE = Path("glaciertime.gpkg")


def train_forecaster(
    model: Annotated[str, typer.Option(help="lstm or mamba.")],
    until: Annotated[
        list[str],
        typer.Option("--until", metavar="DATE", help="Learn nothing after it; of several, a network each."),
    ],
    archive: ArchiveOption = _ARCHIVE,
    data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A table of series as for import, instead of the archive.")
    ] = None,
    variable: Annotated[
        list[str] | None, typer.Option(help="Learn from these variables only, together; default all.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE|FOLDER", help="The network, .onnx. [default: MODEL-DATE.onnx]")
    ] = None,
    steps: Annotated[int, typer.Option(min=2, help="Of the optimiser, whose rate rises from 0 and falls again.")] = 80,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    simulated: Annotated[bool, typer.Option("--simulated", help="Learn from simulated series too.")] = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Teach a forecaster what glaciers did up to a date; use it with forecast or backtest --model M --weights FILE.

    A forecast from a date before the training's is refused with it. How it fares on what came after its date is
    printed: of the whole it is no proof, a backtest with it is.

    Examples:

    glaciertime train-forecaster --data lengths.csv --model lstm --until 1990-01-01

    glaciertime train-forecaster --model mamba --until 1990 --until 2000 --out networks
    """
    from glaciertime.cli.quiet import working
    from glaciertime.dates import as_date, last_day

    if model not in _MODELS:
        raise UsageError(f"--model {model}: {' or '.join(_MODELS)} expected")
    if data is not None and archive != _ARCHIVE:
        raise UsageError("--archive and --data are both given; the series come from one of them: leave one out")
    try:
        from glaciertime.forecast.learned.neural_training import graph_of
        from glaciertime.forecast.learned.taught import teach
    except ModuleNotFoundError as error:
        raise MissingExtraError("teaching a forecaster", "train") from error
    dates = sorted({str(last_day(text)) for text in until})
    for text in until:
        as_date(text)
    targets = [_target(out, model, date, several=len(dates) > 1) for date in dates]
    from glaciertime.writing import Target, check_target

    for target in targets:
        check_target(Target(target, "--out"), inputs=[] if data is None else [data], overwrite=overwrite)
        check_note(target, overwrite=overwrite)
    series = _series(archive, data, variables=split_names(variable), simulated=simulated)
    found: list[dict[str, Any]] = []
    graph = None
    for date, target in zip(dates, targets, strict=True):
        with working(f"teaching {model} what was known until {date}"):
            taught = teach(series, model=model, until=date, steps=steps, seed=seed)
        if graph is None:
            graph = graph_of(taught.network)
        taught.export(target, graph=graph, overwrite=overwrite)
        _note_run(target, taught, series, data, overwrite=overwrite)
        found.append(_row(target, taught))
    if as_json:
        print_json_value(found)
    else:
        for row in found:
            _print(row)


def _target(out: Path | None, model: str, date: str, *, several: bool) -> Path:
    name = f"{model}-{date}.onnx"
    if out is None:
        return Path(name)
    if several or out.is_dir() or not out.suffix:
        if out.suffix.lower() == ".onnx":
            raise UsageError(f"--out {out}: of several dates each has its own file; name a folder")
        if not out.is_dir() and not out.parent.is_dir():
            raise UsageError(f"--out {out}: folder {out.parent} does not exist; create it first")
        out.mkdir(exist_ok=True)
        return out / name
    if out.suffix.lower() != ".onnx":
        raise UsageError(f"--out {out}: .onnx expected")
    return out


def _series(archive: Any, data: Path | None, *, variables: list[str], simulated: bool) -> list[Series]:
    """Return the series that are learned from, and say what was left out."""
    from glaciertime.cli.common import open_archive
    from glaciertime.forecast import series_from_observations

    if data is None:
        rows = open_archive(archive).read("observations")
        whence = str(archive)
    else:
        from glaciertime.scenes.series import SeriesOptions, raw_table_from_file, series_of_table

        table = series_of_table(raw_table_from_file(data), SeriesOptions())
        for text in (*table.told.problems(), *table.told.remarks()):
            note(f"{data.name}: {text}")
        rows, whence = table.observations, str(data)
    held = sorted(set(rows["variable"]))
    for name in variables:
        if name not in held:
            raise InputError(f"{whence}: no observation with variable '{name}'; there are {', '.join(held)}")
    if variables:
        rows = rows[rows["variable"].isin(variables)]
    drawn = rows["source"] == "simulated"
    if drawn.any() and not simulated:
        note(f"{int(drawn.sum())} simulated values are not learned from; --simulated takes them in")
        rows = rows[~drawn]
    if not rows["value"].notna().any():
        raise InputError(f"{whence}: no observed value to learn from")
    found: list[Series] = series_from_observations(rows)
    return found


def _note_run(target: Path, taught: Taught, series: list[Series], data: Path | None, *, overwrite: bool) -> None:
    made_by = the_run().record(
        files={} if data is None else {"series": data},
        tables={f"{len(series)} series up to {taught.card['trained_until']}": taught.card["data"]},
        settings={"decided": [f"{name}: {value}" for name, value in taught.card.items()]},
    )
    write_note(target, made_by, overwrite=overwrite)
    the_run().stored.append(f"the network {target}")


def _row(target: Path, taught: Taught) -> dict[str, Any]:
    def plain(value: float) -> float | None:
        return None if value != value else value

    ratio = taught.error / taught.last_error if taught.last_error else float("nan")
    return {
        "weights": str(target), **{name: taught.card[name] for name in
        ("model", "trained_until", "series", "glaciers", "origins", "variables", "parameters", "seed", "data")},
        "later_targets": taught.later, "later_error_over_last": plain(ratio), "later_covered_90": plain(taught.covered),
        "later_scores": {
            variable: {name: plain(value) if isinstance(value, float) else value for name, value in held.items()}
            for variable, held in taught.scores.items()
        },
    }  # fmt: skip


def _print(row: dict[str, Any]) -> None:
    from glaciertime.units import column_decimals

    typer.echo(
        f"{row['weights']}: {row['model']}, {row['parameters']:,} parameters, from {row['origins']:,} origins of "
        f"{row['series']} series of {row['glaciers']} glaciers up to {row['trained_until']}"
    )
    if row["later_targets"]:
        typer.echo(
            f"  on {row['later_targets']:,} targets that came after: errs {row['later_error_over_last']:.2f} times as "
            f"much as the last value, {row['later_covered_90']:.0%} within its own 90 % interval"
        )
        for variable, held in row["later_scores"].items():
            percent = "no MAPE, its zero is arbitrary" if held["mape"] is None else f"MAPE {held['mape']:.1f} %"
            places = column_decimals([held["mae"], held["last_mae"]])
            typer.echo(
                f"  {variable}, {held['targets']:,} targets: MAE {held['mae']:,.{places}f} {held['unit']} (last value "
                f"{held['last_mae']:,.{places}f}), RMSE {held['rmse']:,.{places}f} ({held['last_rmse']:,.{places}f}), "
                f"{percent}"
            )
    else:
        typer.echo("  no target came after that: how it fares is not known")
