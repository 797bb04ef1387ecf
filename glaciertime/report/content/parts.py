"""What a report is made of: numbers with unit and sigma, sentences, tables, plots as data. No layout, no language.

A text is a :class:`Phrase`: the key of a sentence and what stands in its gaps. How it reads is in a file per language
(:mod:`glaciertime.report.wording`). A plain ``str`` is a name or a text of somebody's data, and is shown as it is.
"""

from __future__ import annotations

import datetime as dt
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from itertools import compress

import pandas as pd

from glaciertime.known_dates import KnownDate
from glaciertime.plot.points import Point

__all__ = [
    "Block",
    "Card",
    "Cards",
    "Column",
    "Content",
    "Fan",
    "FanPlot",
    "Heading",
    "Item",
    "Line",
    "Link",
    "Listing",
    "MapPlot",
    "Number",
    "Outline",
    "Paragraph",
    "Phrase",
    "Point",
    "RegionMap",
    "Section",
    "SeriesPlot",
    "Table",
    "Trace",
    "Unit",
    "count",
    "day",
    "say",
    "typed",
]


@dataclass(frozen=True)
class Number:
    """A number as it is said.

    Attributes
    ----------
    value : float
    unit : str
        By its name in ``units`` (``km2``, ``m``, ``km2 a-1``); empty for a count.
    sigma : float
        One standard deviation, in the unit; NaN where it is not known.
    low, high, level : float
        An interval, and the probability that it is meant to hold; NaN without.
    bound : str
        ``at least`` or ``at most`` where the truth lies on that side of it.
    is_change : bool
        Whether its sign is always shown.
    digits : int
        Significant ones, where no sigma and no interval says how far it is known.
    """

    value: float
    _: KW_ONLY
    unit: str = ""
    sigma: float = math.nan
    low: float = math.nan
    high: float = math.nan
    level: float = math.nan
    bound: str = ""
    is_change: bool = False
    digits: int = 4


@dataclass(frozen=True)
class Link:
    """A text that leads somewhere: a DOI, a page beside this one."""

    text: str
    address: str


@dataclass(frozen=True)
class Unit:
    """A unit by its name, said without a number."""

    name: str


@dataclass(frozen=True)
class Phrase:
    """The key of a sentence, and what stands in its gaps."""

    key: str
    values: Mapping[str, Item] = field(default_factory=dict)


Item = Number | dt.date | KnownDate | str | Phrase | Link | Unit | tuple["Item", ...]


def say(key: str, **values: Item) -> Phrase:
    """Return a phrase.

    Examples
    --------
    >>> say("lead.dates", n=count(3)).values["n"].value
    3.0
    """
    return Phrase(key, values)


def typed(name: str) -> str:
    """Return a name as a command line takes it.

    Examples
    --------
    >>> typed("Crane"), typed("Drygalski Ice Tongue")
    ('Crane', "'Drygalski Ice Tongue'")
    """
    return shlex.quote(name)


def count(value: float) -> Number:
    """Return a number of things."""
    return Number(float(value), digits=15)


def day(value: object) -> dt.date:
    """Return a date of a table as a day."""
    return pd.Timestamp(value).date()  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A heading within a section."""

    text: Phrase


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """Sentences that stand together. ``tone``: plain, lead, note, caution, simulated or verdict."""

    sentences: tuple[Item, ...]
    tone: str = "plain"


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Points of a list."""

    items: tuple[Item, ...]


@dataclass(frozen=True, kw_only=True)
class Card:
    """One number that a reader looks for first."""

    label: Item
    number: Number
    note: Item


@dataclass(frozen=True, kw_only=True)
class Cards:
    """Numbers side by side."""

    cards: tuple[Card, ...]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table; with a unit its cells do not repeat it. ``kind``: text, number or date."""

    head: Phrase
    kind: str = "text"
    unit: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under heads, without columns that are empty. Rows past ``shown`` are folded in where a medium can."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Item, ...], ...]
    shown: int = 0

    def __post_init__(self) -> None:
        told = [any(row[index] != "" for row in self.rows) for index in range(len(self.columns))]
        object.__setattr__(self, "columns", tuple(compress(self.columns, told)))
        object.__setattr__(self, "rows", tuple(tuple(compress(row, told)) for row in self.rows))


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A series as it is drawn."""

    label: Item
    points: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class _Plot:
    title: Phrase
    caption: tuple[Item, ...]
    source: str


@dataclass(frozen=True, kw_only=True)
class SeriesPlot(_Plot):
    """Series of one variable against date, a panel for each that stands on a scale of its own."""

    label: Item
    unit: str
    panels: tuple[tuple[Trace, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Fan:
    """A forecast: its quantiles at each date, 0 to 1."""

    label: Item
    dates: tuple[dt.date, ...]
    quantiles: Mapping[float, Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class FanPlot(_Plot):
    """What was observed, and forecasts of it, a panel each; ``last`` is what they start from."""

    label: Item
    unit: str
    seen: Trace
    last: Point | None
    fans: tuple[Fan, ...]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line on a map: pieces of (x, y), metres. ``rank`` is that of its date among those drawn, 0 to 1."""

    pieces: tuple[tuple[tuple[float, float], ...], ...]
    date: dt.date | None = None
    rank: float = math.nan
    is_dashed: bool = False
    label: Item = ""


@dataclass(frozen=True, kw_only=True)
class Outline:
    """A polygon on a map, or several: rings of (x, y), metres. ``share``: of a band, how much it should hold."""

    rings: tuple[tuple[tuple[float, float], ...], ...]
    label: Item
    kind: str
    share: float = math.nan


@dataclass(frozen=True, kw_only=True)
class MapPlot(_Plot):
    """Lines and outlines on a plane of metres; ``crs`` is its name, empty for a local frame."""

    crs: str
    lines: tuple[Line, ...]
    outlines: tuple[Outline, ...] = ()
    centreline: Line | None = None


@dataclass(frozen=True, kw_only=True)
class RegionMap(_Plot):
    """Glaciers at (longitude, latitude), each with what it does; NaN where that is not known."""

    unit: str
    points: Mapping[str, tuple[float, float]]
    values: Mapping[str, float]
    names: Mapping[str, str]


Block = Heading | Paragraph | Listing | Cards | Table | SeriesPlot | FanPlot | MapPlot | RegionMap


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a report. ``source`` is empty where it is of no one source."""

    key: str
    title: Phrase | None
    blocks: tuple[Block, ...]
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a report says. ``kind`` is glacier or region; ``title`` its name."""

    kind: str
    title: Item
    sections: tuple[Section, ...]

    @property
    def warnings(self) -> tuple[Paragraph, ...]:
        """Return what is said against the results."""
        blocks = (block for section in self.sections for block in section.blocks)
        return tuple(one for one in blocks if isinstance(one, Paragraph) and one.tone in ("caution", "simulated"))
