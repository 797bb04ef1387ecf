"""What commands share that look for scenes in a catalogue: their options, and the request that these make."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glaciertime.cli.common import split_names
from glaciertime.errors import UsageError

if TYPE_CHECKING:
    from glaciertime.scenes.sources.stac import StacRequest

__all__ = [
    "CollectionOption",
    "MaxCloudsOption",
    "PerOption",
    "RefreshOption",
    "ScenesOption",
    "SieveOption",
    "SignOption",
    "SinceOption",
    "UntilOption",
    "scenes_request",
    "stac_request",
]

ScenesOption = Annotated[
    str | None,
    typer.Option(
        "--scenes", metavar="stac[:URL]",
        help="Read windows over the box out of a STAC catalogue; default that of GLACIERTIME_STAC, else Earth Search.",
    ),
]  # fmt: skip
SinceOption = Annotated[str | None, typer.Option("--from", metavar="DATE", help="First day of scenes, in UTC.")]
UntilOption = Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last day of scenes, in UTC.")]
CollectionOption = Annotated[
    list[str] | None,
    typer.Option("--collection", metavar="NAME", help="Of the catalogue; may be repeated. Default sentinel-2-l2a."),
]
PerOption = Annotated[
    str | None, typer.Option("--per", metavar="month", help="Only the clearest scene of the box of each month.")
]
MaxCloudsOption = Annotated[
    float | None,
    typer.Option("--max-clouds", min=0, max=100, metavar="PERCENT", help="Of the box, by the product's cloud layer."),
]
SieveOption = Annotated[
    float | None,
    typer.Option(
        "--sieve", min=0, max=100, metavar="PERCENT",
        help="Scenes that the catalogue calls cloudier as a whole are not looked at; default 95.",
    ),
]  # fmt: skip
SignOption = Annotated[
    str | None,
    typer.Option(
        "--sign", metavar="URL", envvar="GLACIERTIME_STAC_SIGN",
        help="Where tokens for the files of the catalogue are had: planetary-computer, or an address.",
    ),
]  # fmt: skip
RefreshOption = Annotated[
    bool, typer.Option("--refresh", help="Ask the servers whether the files of windows that are kept have changed.")
]


def _day(text: str | None, option: str) -> dt.date:
    try:
        if text is not None:
            return dt.date.fromisoformat(text.strip())
    except ValueError:
        pass
    raise UsageError(f"{option} {text or ''}".rstrip() + ": a day such as 2020-08-01 expected")


def stac_request(
    address: str | None,
    *,
    since: str | None,
    until: str | None,
    collections: list[str] | None,
    bands: tuple[str, ...] = (),
    per: str | None,
    most_clouds: float | None,
    sieve: float | None,
    refresh: bool,
    sign: str | None,
) -> StacRequest:
    """Return what options ask of a catalogue.

    Raises
    ------
    UsageError
        Where a day is missing or none, or the address is no web address.
    """
    from glaciertime.errors import InputError
    from glaciertime.scenes.sources.disk import is_on_disk
    from glaciertime.scenes.sources.stac import StacRequest
    from glaciertime.scenes.transfer import check_url

    where = (address or "").strip()
    tokens = (sign or "").strip()
    try:
        if where and is_on_disk(where):
            if not Path(where).is_file():
                raise UsageError(
                    f"the catalogue {where}: an address that begins with https:// or http://, or the first file of a "
                    "catalogue on disk, expected"
                )
            where = str(Path(where).resolve())
        elif where:
            check_url(where)
        if tokens and tokens != "planetary-computer":
            check_url(tokens.replace("{collection}", "x"))
    except InputError as error:
        raise UsageError(f"--stac, --scenes or --sign: {error}") from error
    return StacRequest(
        address=where,
        sign=tokens,
        since=_day(since, "--from"),
        until=_day(until, "--to"),
        collections=tuple(dict.fromkeys(collections)) if collections else ("sentinel-2-l2a",),
        bands=bands,
        per=per or "",
        most_clouds=1.0 if most_clouds is None else most_clouds / 100,
        sieve=0.95 if sieve is None else sieve / 100,
        refresh=refresh,
    )


def scenes_request(
    scenes: str | None,
    *,
    data: Path | None,
    since: str | None,
    until: str | None,
    collections: list[str] | None,
    bands: str | None,
    per: str | None,
    most_clouds: float | None,
    sieve: float | None,
    refresh: bool,
    sign: str | None,
    others: Mapping[str, object],
) -> StacRequest | None:
    """Return what ``--scenes`` asks of a catalogue, or None where it is not given.

    ``others`` are options that speak of files of one's own, with their values.

    Raises
    ------
    UsageError
        Where the options contradict each other.
    """
    if scenes is None:
        given = {
            "--from": since, "--to": until, "--collection": collections, "--per": per, "--max-clouds": most_clouds,
            "--sieve": sieve, "--refresh": refresh or None,
        }  # fmt: skip
        # The environment variable of --sign may stand for other commands.
        if named := [option for option, value in given.items() if value is not None]:
            raise UsageError(f"{', '.join(named)}: belong to --scenes stac; give it, or leave them out")
        return None
    kind, _, address = scenes.partition(":")
    if kind != "stac":
        raise UsageError(f"--scenes {scenes}: stac, or stac:URL with the address of a STAC API, expected")
    if data is not None:
        raise UsageError("--data and --scenes: give one of them")
    if named := [option for option, value in others.items() if value not in (None, "", False)]:
        raise UsageError(f"{', '.join(named)}: of files of your own, not of scenes of a catalogue; leave it out")
    return stac_request(
        address or os.environ.get("GLACIERTIME_STAC"), since=since, until=until, collections=collections, sign=sign,
        bands=tuple(split_names([bands] if bands else None)), per=per, most_clouds=most_clouds, sieve=sieve,
        refresh=refresh,
    )  # fmt: skip
