"""What every command shares while it runs: its log, its place in the archive, and what Ctrl-C says."""

from __future__ import annotations

import functools
import inspect
import logging
import os
import typing
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glaciertime.cli.logs import LEVELS, logging_to
from glaciertime.cli.quiet import be_quiet, is_quiet
from glaciertime.errors import GlacierTimeError, one_line

if TYPE_CHECKING:
    from glaciertime.provenance import Run

__all__ = ["as_command", "begin", "the_run"]

_LOG = logging.getLogger("glaciertime")
_RUN: ContextVar[Run | None] = ContextVar("run", default=None)

LogLevelOption = Annotated[
    str, typer.Option("--log-level", metavar="LEVEL", help=f"What goes to the log: {', '.join(LEVELS)}.")
]
LogFileOption = Annotated[
    Path | None,
    typer.Option("--log-file", metavar="FILE", help="Add to this file what was decided, for a bug report."),
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", help="Say nothing beside the result: no notes, no progress; what failed is said.")
]


def begin(arguments: Sequence[str]) -> Run:
    """Begin a run with the arguments of the command line."""
    from glaciertime.provenance import Run

    run = Run(arguments=without_log_options(arguments))
    _RUN.set(run)
    return run


def the_run() -> Run:
    """Return the run that this process is doing."""
    return _RUN.get() or begin(())


def without_log_options(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return arguments without those that change no result: the log's, and how much is said."""
    kept: list[str] = []
    given = iter(arguments)
    for argument in given:
        if argument in ("--log-level", "--log-file"):
            next(given, None)
        elif argument == "--quiet":
            continue
        elif not argument.startswith(("--log-level=", "--log-file=")):
            kept.append(argument)
    return tuple(kept)


#: Commands whose numbers keep the units that their columns name.
_KEEP_UNITS = ("table", "series", "forecast", "backtest", "export")


def _tell_units(command: str) -> None:
    """Say that units which are set are those of reports and plots alone, where somebody could take numbers for them."""
    if os.environ.get("GLACIERTIME_UNITS") and command in _KEEP_UNITS and not is_quiet():
        typer.echo(f"the units that are set are those of reports and plots; {command} keeps m and km2", err=True)


def as_command(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command with ``--log-level``, ``--log-file`` and ``--quiet``, that says what it stored if broken off."""

    wants_context = "context" in inspect.signature(function).parameters

    @functools.wraps(function)
    def command(
        *,
        context: typer.Context | None = None,
        log_level: str = "",
        log_file: Path | None = None,
        quiet: bool = False,
        **given: Any,
    ) -> Any:
        run = the_run()
        be_quiet(quiet)
        with logging_to(log_file, level=log_level):
            _LOG.info("command: %s", run.command)
            _tell_settings(context, given)
            _tell_units(function.__name__)
            if wants_context:
                given["context"] = context
            try:
                ended = function(**given)
            except KeyboardInterrupt:
                text = _broken_off(run)
                typer.echo(text, err=True)
                _LOG.warning(text, extra={"told": True})
                raise typer.Exit(130) from None
            except typer.Exit as stop:
                _LOG.info("exit code %d", stop.exit_code)
                if quiet and stop.exit_code:
                    typer.echo(f"glaciertime: exit code {stop.exit_code}: something failed; without --quiet, or with "
                               "--log-file FILE, it says what", err=True)  # fmt: skip
                raise
            except GlacierTimeError as error:
                _LOG.error(one_line(str(error)), extra={"told": True}, exc_info=_LOG.isEnabledFor(logging.DEBUG))
                raise
            except OSError as error:
                _LOG.error("%s: %s", error.filename, error, extra={"told": True})
                raise
            except Exception:
                _LOG.critical("a defect of the program", exc_info=True, extra={"told": True})
                raise
            _LOG.info("exit code 0")
            return ended

    hints = typing.get_type_hints(function, include_extras=True)
    parameters = [
        one.replace(annotation=hints.get(name, one.annotation), kind=inspect.Parameter.KEYWORD_ONLY)
        for name, one in inspect.signature(function).parameters.items()
        if name != "context"
    ]
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters += [
        inspect.Parameter("context", kind, annotation=typer.Context),
        inspect.Parameter("log_level", kind, default="", annotation=LogLevelOption),
        inspect.Parameter("log_file", kind, default=None, annotation=LogFileOption),
        inspect.Parameter("quiet", kind, default=False, annotation=QuietOption),
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    added = {one.name: one.annotation for one in parameters[-4:]}
    command.__annotations__ = {**hints, **added}
    return command


def _tell_settings(context: typer.Context | None, given: dict[str, Any]) -> None:
    """Say which of what a command works with was not typed but set: in the environment, or in a file of settings."""
    from glaciertime.cli.common import note

    for name in ("archive", "model"):
        source = None if context is None or name not in given else context.get_parameter_source(name)
        if source is not None and source.name == "ENVIRONMENT":
            value = given[name]
            told = ",".join(value) if isinstance(value, list | tuple) else value
            note(f"{name}: {told}, as set by the environment or glaciertime.toml")


def _broken_off(run: Run) -> str:
    """Return what has been stored by a run that was broken off, and how to go on."""
    if not run.stored:
        return "glaciertime: stopped by Ctrl-C; nothing was stored or changed: run the same command again"
    held = "; ".join(run.stored[-3:])
    more = f"{len(run.stored)} steps done, the last: " if len(run.stored) > 3 else ""
    return f"glaciertime: stopped by Ctrl-C; stored whole before: {more}{held}; to go on, {run.next}"
