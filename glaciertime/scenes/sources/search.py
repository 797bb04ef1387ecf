"""A STAC catalogue asked for the scenes over a box: every page, each item once, nothing endless."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import shapely
from shapely.geometry import shape

from glaciertime import limits
from glaciertime.documents import parse_json
from glaciertime.errors import InputError, MissingExtraError
from glaciertime.meridian import joined_at_180
from glaciertime.scenes.sources.disk import is_on_disk, place_on_disk, reader
from glaciertime.scenes.sources.place import within_180
from glaciertime.scenes.sources.web import Web, asset_address, shown
from glaciertime.scenes.transfer import check_url
from glaciertime.walls import wall

__all__ = ["EARTH_SEARCH", "StacItem", "search", "walked"]

#: Asked where no other catalogue is named; the commands print which they ask.
EARTH_SEARCH = "https://earth-search.aws.element84.com/v1"
_PAGE_ITEMS = 100
_REMEDY = "is it the address of a STAC API, such as " + EARTH_SEARCH + "?"


@dataclass(frozen=True, kw_only=True)
class StacItem:
    """One scene as a catalogue describes it.

    ``base`` is the address that relative ones of its files count from; ``footprint`` is in degrees, None where the
    catalogue has none; ``properties`` and ``assets`` are what the catalogue says.
    """

    id: str
    collection: str
    acquired: dt.datetime
    base: str
    #: The folder that its files must lie in, where the catalogue is on disk.
    root: str = ""
    properties: Mapping[str, Any] = field(default_factory=dict)
    assets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    footprint: shapely.Geometry | None = None

    @property
    def date(self) -> dt.date:
        """The day of acquisition in UTC."""
        return self.acquired.date()

    def text(self, *names: str) -> str:
        """Return the first of some properties that is there, as a text; empty where none is."""
        for name in names:
            value = self.properties.get(name)
            if value is not None and str(value).strip():
                return str(value).strip()
        return ""

    def number(self, name: str) -> float | None:
        """Return a property that is a number, else None."""
        value = self.properties.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def search(
    address: str,
    *,
    boxes: Sequence[tuple[float, float, float, float]],
    since: dt.date,
    until: dt.date,
    collections: Sequence[str],
    web: Web,
) -> tuple[list[StacItem], list[str]]:
    """Return the items of a catalogue that may show a box between two dates, and why others cannot be used.

    Parameters
    ----------
    address : str
        Of the catalogue.
    boxes : sequence of (west, south, east, north)
        Degrees, none across the 180th meridian: a box there is two.
    since, until : date
        Days in UTC, both included.
    collections : sequence of str
        Names in the catalogue.
    web : Web

    Raises
    ------
    MissingExtraError
        Where pystac-client is not installed.
    DataNotFoundError, InputError
        Where the catalogue does not answer, or with something else than items; where it names more items than
        ``--limit scenes`` takes.
    """
    on_disk = is_on_disk(address)
    root = str(Path(address).resolve().parent) if on_disk else ""
    if not on_disk:
        check_url(address)
    found: dict[tuple[str, str], StacItem] = {}
    problems: dict[str, None] = {}
    others: set[str] = set()
    for box in boxes:
        answers = _on_disk(address) if on_disk else _answers(address, box, since, until, collections, web)
        for raw, base in answers:
            try:
                item = _item(raw, base=base, root=root)
            except InputError as error:
                problems[str(error)] = None
                continue
            if not since <= item.date <= until:
                continue  # some servers count the day in their own time
            if collections and item.collection not in collections:
                others.add(item.collection or "no collection")  # some servers give all they have
                continue
            found.setdefault((item.collection, item.id), item)
            limits.check("scenes", len(found), shown(address), advice="ask for fewer days")
    if others and not found:
        problems[f"It has scenes of {', '.join(sorted(others))}: name what is wanted with --collection"] = None
    return sorted(found.values(), key=lambda item: (item.acquired, item.id)), list(problems)


def _answers(
    address: str,
    box: tuple[float, float, float, float],
    since: dt.date,
    until: dt.date,
    collections: Sequence[str],
    web: Web,
) -> Iterator[tuple[Mapping[str, Any], str]]:
    try:
        import pystac_client
    except ImportError as error:
        raise MissingExtraError("searching a STAC catalogue", "stac") from error
    with wall(f"{shown(address)} cannot be searched", _REMEDY), warnings.catch_warnings():
        # What the library doubts about a catalogue is checked here item by item.
        warnings.simplefilter("ignore")
        io = _io(web, address=address)
        first = io.read_json(address)
        if not _can_search(first):
            yield from walked(first, address, read=io.read_json, follow=asset_address)
            return
        io.landing = first
        client = pystac_client.Client.open(address, stac_io=io)
        client.add_conforms_to("ITEM_SEARCH")
        ways = {str(link.extra_fields.get("method", "GET")).upper() for link in client.get_links("search")}
        asked = client.search(
            method="GET" if ways == {"GET"} else "POST",
            collections=list(collections) or None,
            bbox=box,
            datetime=f"{since.isoformat()}T00:00:00Z/{until.isoformat()}T23:59:59.999Z",
            limit=_PAGE_ITEMS,
        )
        pages = io.get_pages(asked.url, asked.method, asked.get_parameters())
        for raw in (raw for page in pages for raw in page["features"]):
            if not isinstance(raw, dict):
                raise InputError(f"{shown(address)} answers with something else than items")
            yield raw, _self_of(raw, otherwise=asked.url)


def _on_disk(address: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    place = Path(address).resolve()
    read = reader(place.parent)
    yield from walked(read(str(place)), str(place), read=read, follow=partial(place_on_disk, root=place.parent))


def _can_search(first: Mapping[str, Any]) -> bool:
    """Return whether a catalogue says of itself that it can be searched, and is not files that lead to each other."""
    told = first.get("conformsTo")
    conforms = [str(each) for each in told] if isinstance(told, list) else []
    return any(link.get("rel") == "search" for link in _links(first)) or any("item-search" in each for each in conforms)


def walked(
    first: Mapping[str, Any],
    address: str,
    *,
    read: Callable[[str], Mapping[str, Any]],
    follow: Callable[..., str],
) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield the items of a catalogue that is files: those that its first one leads to, each once, or holds itself.

    Parameters
    ----------
    first : mapping
        What the first file holds: a catalogue, a collection, a list of items, or one item.
    address : str
        Where it is.
    read : callable
        Given an address, returns what the file there holds.
    follow : callable
        Given what a file names and, as ``base``, where that file is, returns the address meant, or raises.

    Raises
    ------
    InputError
        Where it is none of these, leads off the web, or to more files than ``--limit scenes`` takes.
    """
    waiting = [(first, address)]
    seen = {address}
    while waiting:
        held, where = waiting.pop(0)
        kind = held.get("type")
        if kind == "FeatureCollection" and isinstance(held.get("features"), list):
            yield from ((raw, where) for raw in held["features"] if isinstance(raw, dict))
        elif kind == "Feature":
            yield held, where
        elif isinstance(held.get("links"), list):
            for link in _links(held):
                if link.get("rel") in ("child", "item"):
                    there = _followed(link.get("href"), base=where, follow=follow)
                    if there not in seen:
                        seen.add(there)
                        limits.check("scenes", len(seen), shown(address), advice="name one of its collections instead")
                        waiting.append((read(there), there))
        else:
            raise InputError(f"{shown(where)} is no catalogue, no collection and no item; {_REMEDY}")


def _links(raw: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    links = raw.get("links")
    return [link for link in links if isinstance(link, dict)] if isinstance(links, list) else []


def _self_of(raw: Mapping[str, Any], *, otherwise: str) -> str:
    """Return the address of an item itself, where it is one on the server that was asked."""
    for link in _links(raw):
        if link.get("rel") == "self":
            with contextlib.suppress(InputError):
                href = asset_address(link.get("href"), base=otherwise)
                if urlsplit(href).netloc == urlsplit(otherwise).netloc:
                    return href
    return otherwise


def _io(web: Web, *, address: str) -> Any:
    """Return what pystac-client asks servers through: our own requests, every page, and none twice."""
    from pystac.link import Link
    from pystac_client.stac_api_io import StacApiIO

    class Confined(StacApiIO):  # type: ignore[misc]
        #: What the catalogue's own address gave, where that was asked for already.
        landing: dict[str, Any] | None = None

        def request(
            self,
            href: str,
            method: str | None = None,
            headers: dict[str, str] | None = None,
            parameters: dict[str, Any] | None = None,
        ) -> str:
            where = _followed(href, base=address)
            if where == address and self.landing is not None and not parameters:
                return json.dumps(self.landing)
            method = (method or "GET").upper()
            if method not in ("GET", "POST"):
                raise InputError(f"{shown(where)} is to be asked by {method[:20]!r}; GET or POST expected")
            sent = {"Accept": "application/geo+json, application/json"}
            body = None
            if method == "POST":
                body = json.dumps(parameters or {}).encode()
                sent["Content-Type"] = "application/json"
            elif parameters:
                where = f"{where}{'&' if '?' in where else '?'}{urlencode(parameters)}"
            most_bytes = int(limits.limit("document-mb") * 1e6)
            return web.get(where, body=body, headers=sent, most_bytes=most_bytes).content.decode("utf-8")

        def read_text(self, source: Any, *args: Any, **kwargs: Any) -> str:
            _followed(str(getattr(source, "href", source)), base=address)
            return str(super().read_text(source, *args, **kwargs))

        def json_loads(self, txt: str, *_: Any, **__: Any) -> dict[str, Any]:
            found = parse_json(txt, what=f"the answer of {shown(address)}", remedy=_REMEDY)
            if not isinstance(found, dict):
                raise InputError(f"the answer of {shown(address)} is no object of JSON; {_REMEDY}")
            return found

        def get_pages(
            self, url: str, method: str | None = None, parameters: dict[str, Any] | None = None
        ) -> Iterator[dict[str, Any]]:
            # The library's own ends at the first empty page, and never where pages lead in a circle.
            page = self.read_json(url, method=method, parameters=parameters)
            seen: set[str] = set()
            while True:
                if not isinstance(page.get("features"), list):
                    raise InputError(f"the answer of {shown(url)} holds no list of items; {_REMEDY}")
                yield page
                links = [
                    link for link in page.get("links") or () if isinstance(link, dict) and link.get("rel") == "next"
                ]
                if not links:
                    return
                asked = json.dumps(links[0], sort_keys=True)
                if asked in seen:
                    raise InputError(f"{shown(url)}: its pages lead in a circle; ask for fewer days")
                seen.add(asked)
                limits.check("scenes", len(seen), f"{shown(url)}, pages", advice="ask for fewer days")
                link = {**links[0], "href": _followed(str(links[0].get("href", "")), base=url)}
                page = self.read_json(Link.from_dict(link), parameters=parameters)

    return Confined(max_retries=None)


def _followed(href: object, *, base: str, follow: Callable[..., str] = asset_address) -> str:
    try:
        return follow(href, base=base)
    except InputError as error:
        raise InputError(f"{shown(base)} leads on to {str(href)[:100]!r}: {error}") from error


def _item(raw: Mapping[str, Any], *, base: str, root: str) -> StacItem:
    """Return an item of what a catalogue says.

    Raises
    ------
    InputError
        Where it says no id, no date or no files.
    """
    name = str(raw.get("id") or "").strip()
    properties, assets = raw.get("properties"), raw.get("assets")
    if not name or not name.isprintable() or len(name) > 250:
        raise InputError(f"an item without a name that can be used ({name[:50]!r}); left out")
    if not isinstance(properties, dict) or not isinstance(assets, dict):
        raise InputError(f"{name}: the catalogue says nothing of its properties or its files; left out")
    footprint = None
    if isinstance(raw.get("geometry"), dict):
        with wall(f"{name}: its outline cannot be read", "left out"):
            footprint = within_180(joined_at_180(shapely.make_valid(shape(raw["geometry"]))))
        if footprint.area == 0:
            footprint = None  # a point, or a line, says nothing of what was seen
    return StacItem(
        id=name,
        collection=str(raw.get("collection") or ""),
        acquired=_acquired(name, properties),
        base=base,
        root=root,
        properties=properties,
        assets={str(key): asset for key, asset in assets.items() if isinstance(asset, dict)},
        footprint=footprint,
    )


def _acquired(name: str, properties: Mapping[str, Any]) -> dt.datetime:
    """Return the moment of acquisition in UTC: ``datetime``, or the middle of start and end where these are near."""
    told = properties.get("datetime")
    if told is not None:
        return _moment(name, told)
    first, last = properties.get("start_datetime"), properties.get("end_datetime")
    if first is None or last is None:
        raise InputError(f"{name}: the catalogue says no date of it; left out")
    begin, end = _moment(name, first), _moment(name, last)
    if not dt.timedelta(0) <= end - begin <= dt.timedelta(hours=1):
        raise InputError(f"{name}: made of what was seen from {begin.date()} to {end.date()}, no day; left out")
    return begin + (end - begin) / 2


def _moment(name: str, told: object) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(str(told).strip().replace("Z", "+00:00"))
    except ValueError as error:
        raise InputError(f"{name}: its date '{str(told)[:40]}' is none; left out") from error
    if moment.tzinfo is None:
        # STAC wants UTC written; who leaves it out means it.
        return moment.replace(tzinfo=dt.UTC)
    return moment.astimezone(dt.UTC)
