"""``glaciertime explain-forecast``: what a forecast hangs on, each past observation and each input."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glaciertime.cli.common import (
    ArchiveOption,
    DatasetOption,
    FootprintOption,
    FrontOfOption,
    JsonOption,
    LimitOption,
    MethodOption,
    OverwriteOption,
    VariableOption,
    limit_threads,
    note,
    open_archive,
    print_json_value,
)
from glaciertime.cli.forecasting import WeightsOption, chosen_front, files_of, own_networks
from glaciertime.cli.run_notes import check_note, write_note
from glaciertime.cli.running import the_run
from glaciertime.cli.selecting import chosen_held, selection_of

if TYPE_CHECKING:
    from glaciertime.forecast.judged.influence import Influence

__all__ = ["explain_forecast"]

_SHOWN = 10


def explain_forecast(
    glacier: Annotated[str, typer.Option(metavar="NAME", help="A glacier of the archive.")],
    until: Annotated[str, typer.Option(metavar="YEAR", help="Year, or date, whose forecast is explained.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The picture, .png.")],
    model: Annotated[str, typer.Option(metavar="NAME", help="The forecaster; of gbm its inputs are told too.")] = (
        "kalman"
    ),
    last: Annotated[
        int, typer.Option(min=1, metavar="N", help="Leave out so many observations in turn, the latest.")
    ] = 60,
    cutoff: Annotated[
        str | None, typer.Option(metavar="DATE", help="See no value after it; default the last observation.")
    ] = None,
    variable: VariableOption = None,
    method: MethodOption = None,
    footprint: FootprintOption = None,
    dataset: DatasetOption = None,
    front_of: FrontOfOption = None,
    weights: WeightsOption = None,
    archive: ArchiveOption = Path("glaciertime.gpkg"),
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    limit: LimitOption = None,
) -> None:
    """Draw what a forecast hangs on: by how much it moves where one observation had not been made.

    Each observation is left out in turn and all is done again without it; printed is how far the median and the width
    of the 90 % interval of the last date move. Of gbm, each input is set to what it usually is. Nothing is stored.

    Examples:

    glaciertime explain-forecast --glacier Crane --until 2026 --variable area_km2 --footprint box --out why.png

    glaciertime explain-forecast --glacier Crane --until 2026 --method centreline --model drift --out why.png
    """
    limit_threads()
    from glaciertime.cli.quiet import working
    from glaciertime.errors import UsageError
    from glaciertime.forecast.models import get_models
    from glaciertime.pipeline.influence import InfluenceRequest, explain_glacier
    from glaciertime.report.influence_picture import MARK, influence_picture
    from glaciertime.writing import Target, check_target, write_bytes
    from glaciertime.writing.marks import made_by

    get_models([model])
    own = own_networks(weights, models=[model])
    if out.suffix.lower() != ".png":
        raise UsageError(f"--out {out}: .png expected")
    store = open_archive(archive)
    names = chosen_held(store, selection_of([glacier])).names
    if len(names) != 1:
        raise UsageError(f"--glacier {glacier}: {len(names)} glaciers named; the forecast of one is explained")
    inputs = [path for path in (archive, *(weights or ())) if isinstance(path, Path)]
    check_target(Target(out, "--out", made_by(MARK)), inputs=inputs, overwrite=overwrite)
    check_note(out, overwrite=overwrite)
    request = InfluenceRequest(
        archive=store, glacier=names[0], until=until, model=model, cutoff=cutoff, latest=last, variable=variable,
        method=method, footprint=footprint, dataset=dataset, front_of=chosen_front(front_of), weights=own,
    )  # fmt: skip
    with working("leaving out each observation in turn"):
        found, read = explain_glacier(request)
    write_bytes(out, influence_picture(found), option="--out", own=made_by(MARK), overwrite=overwrite)
    settings = {"model": model, "date": str(found.date), "cutoff": cutoff, "left_out": len(found.observations)}
    made = read.run(the_run(), glacier=names[0], files=files_of(weights), settings=settings)
    write_note(out, made, overwrite=overwrite)
    the_run().stored.append(f"the picture {out}")
    for text in found.told:
        note(f"{found.series.label}: {text}")
    if as_json:
        print_json_value(_as_json(found, out))
    else:
        _print(found, out)


def _as_json(found: Influence, out: Path) -> dict[str, Any]:
    def plain(rows: Any) -> list[dict[str, Any]]:
        return [
            {key: None if value != value else str(value.date()) if key == "date" else value
             for key, value in row.items()}
            for row in rows.to_dict("records")
        ]  # fmt: skip

    series = found.series
    return {
        "glacier": series.glacier, "variable": series.variable, "unit": series.unit, "source": series.source,
        "model": found.model, "date": str(found.date), "median": found.median, "width_90": found.width,
        "picture": str(out), "observations": plain(found.observations), "inputs": plain(found.inputs),
        "told": list(found.told),
    }  # fmt: skip


def _print(found: Influence, out: Path) -> None:
    from glaciertime.units import column_decimals

    series, unit = found.series, found.series.unit
    places = column_decimals(found.width / 2)
    typer.echo(
        f"{out}: {series.label} ({series.dataset}, {series.source}), {found.date} by {found.model}: "
        f"{found.median:,.{places}f} {unit}, 90 % interval {found.width:,.{places}f} wide"
    )
    rows = found.observations
    order = rows["moves_median"].abs().sort_values(ascending=False).index[:_SHOWN]
    typer.echo(
        f"  observation        value    moves median     moves width   [{unit}], of {len(rows)} left out in turn"
    )
    for row in rows.loc[order].itertuples():
        moved = f"  {row.status}"
        if row.status == "ok":
            moved = f"{row.moves_median:>+16,.{places}f}{row.moves_width:>+16,.{places}f}"
        typer.echo(f"  {row.date:%Y-%m-%d}  {row.value:>12,.{places}f}{moved}")
    if len(found.inputs):
        typer.echo(f"  input, against what it usually is: moves median [{unit}]")
        for row in found.inputs.head(_SHOWN).itertuples():
            typer.echo(f"  {row.input:<40}{row.moves_median:>+12,.{places}f}")
