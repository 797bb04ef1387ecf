"""The commands, one short module each. Importing them imports nothing heavy: that waits until a command runs."""

from __future__ import annotations

from typing import Annotated

import typer

from glaciertime.cli.adapt import adapt
from glaciertime.cli.archive import archive_app
from glaciertime.cli.backtest import backtest
from glaciertime.cli.catalog import catalog
from glaciertime.cli.compare import compare
from glaciertime.cli.dashboard import dashboard
from glaciertime.cli.data import data_app
from glaciertime.cli.demo import demo
from glaciertime.cli.doctor import doctor
from glaciertime.cli.evaluate import evaluate
from glaciertime.cli.explain import explain
from glaciertime.cli.explain_forecast import explain_forecast
from glaciertime.cli.export import export
from glaciertime.cli.export_masks import export_masks
from glaciertime.cli.export_model import export_model
from glaciertime.cli.forecast import forecast
from glaciertime.cli.forget import forget
from glaciertime.cli.import_series import import_series
from glaciertime.cli.inventories import inventories
from glaciertime.cli.models import models
from glaciertime.cli.plot import plot
from glaciertime.cli.report import report
from glaciertime.cli.running import as_command
from glaciertime.cli.scenes import scenes
from glaciertime.cli.segment import segment
from glaciertime.cli.series import series
from glaciertime.cli.table import table
from glaciertime.cli.track import track
from glaciertime.cli.train import train
from glaciertime.cli.train_forecaster import train_forecaster
from glaciertime.cli.why import why

__all__ = ["app"]

app = typer.Typer(
    name="glaciertime",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="From dated satellite scenes to glacier areas, calving fronts, time series and forecasts, with uncertainties.",
    epilog="Examples:  glaciertime track --glacier Crane   |   glaciertime report --glacier Crane --out crane.html",
)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(version("glaciertime"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


for command, summary in (
    (track, "Measure areas and calving fronts, and store them."),
    (table, "Print what was lost between two dates."),
    (inventories, "Compare two inventories of outlines."),
    (series, "Print means, cycles, rates and breaks."),
    (forecast, "Forecast the series, with intervals."),
    (backtest, "Score past forecasts on what came."),
    (report, "Write one HTML page that tells it all."),
    (plot, "Draw one picture of a glacier."),
    (export, "Write a table for another program."),
    (export_masks, "Write dated masks for another program."),
    (forget, "Take images out of the archive."),
    (catalog, "List the glaciers known by name."),
    (scenes, "List the scenes of a catalogue, and fetch them."),
    (segment, "Turn an image into a mask of zones."),
    (train, "Train a segmentation model."),
    (adapt, "Adapt a model to one glacier."),
    (evaluate, "Score a model on labelled images."),
    (compare, "Compare trainings, with tests and published tables."),
    (explain, "Draw which pixels and bands a model's answer hangs on."),
    (explain_forecast, "Draw which observations a forecast hangs on."),
    (train_forecaster, "Teach a forecaster from series."),
    (models, "List the segmentation architectures."),
    (export_model, "Write a model as ONNX."),
    (dashboard, "Serve a page to do all this in the browser."),
    (why, "Say where a number, an image or a file comes from."),
    (demo, "Show it all on a simulated glacier."),
    (doctor, "Print versions, what works and what is missing."),
):
    app.command(short_help=summary)(as_command(command))
app.command("import", short_help="Read a table of dated values into the archive.")(as_command(import_series))
app.add_typer(archive_app, name="archive")
app.add_typer(data_app, name="data")
