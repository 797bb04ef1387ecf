"""What a manifest says: a glacier, or a data set, before any image is opened."""

from __future__ import annotations

import datetime as dt
import re
from itertools import pairwise
from typing import Annotated, Literal

import pyproj
import shapely
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from glaciertime.errors import InputError
from glaciertime.front_kinds import front_kind
from glaciertime.rgi_regions import REGIONS
from glaciertime.units import crs_on_earth

__all__ = [
    "DataFile",
    "DataSet",
    "FrontPeriod",
    "Glacier",
    "Line",
    "Region",
    "Source",
    "is_surging",
]

Coordinates = Annotated[list[tuple[float, float]], Field(min_length=2)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False, extra="forbid")


class Region(_Entry):
    """A polygon in the glacier's coordinate system, and where it comes from."""

    coordinates: Annotated[list[tuple[float, float]], Field(min_length=4)]
    drawn_by: str

    @property
    def polygon(self) -> shapely.Polygon:
        """The polygon."""
        return shapely.Polygon(self.coordinates)

    @model_validator(mode="after")
    def _is_valid(self) -> Region:
        if not self.polygon.is_valid:
            raise ValueError(f"the polygon is not simple: {shapely.is_valid_reason(self.polygon)}")
        return self


class Line(_Entry):
    """A centreline in the glacier's coordinate system, from inland to the sea, and where it comes from."""

    coordinates: Coordinates
    drawn_by: str

    @property
    def linestring(self) -> shapely.LineString:
        """The line; distance along it grows towards the sea."""
        return shapely.LineString(self.coordinates)


class FrontPeriod(_Entry):
    """What the fronts of a source are made of between two dates, both included; without one, for all time."""

    front_of: str = Field(alias="is")
    since: dt.date | None = Field(default=None, alias="from")
    until: dt.date | None = None

    @field_validator("since", "until", mode="before")
    @classmethod
    def _is_a_day(cls, value: object) -> object:
        if value is None or (isinstance(value, dt.date) and not isinstance(value, dt.datetime)):
            return value
        raise ValueError(f"'{value}' is no day; write it as 2002-03-15")

    @field_validator("front_of")
    @classmethod
    def _is_known(cls, word: str) -> str:
        try:
            return front_kind(word)
        except InputError as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _is_in_order(self) -> FrontPeriod:
        if self.since is not None and self.until is not None and self.since > self.until:
            raise ValueError(f"from {self.since} lies after until {self.until}")
        return self

    def holds(self, date: dt.date) -> bool:
        """Return whether a date lies in it."""
        return (self.since is None or self.since <= date) and (self.until is None or date <= self.until)


class Event(_Entry):
    """What is known to have happened on a day, of which a record that ends before it cannot tell."""

    date: dt.date
    what: str = Field(min_length=1)
    doi: str = ""

    @field_validator("date", mode="before")
    @classmethod
    def _is_a_day(cls, value: object) -> object:
        if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
            return value
        raise ValueError(f"'{value}' is no day; write it as 2002-03-15")


class Source(_Entry):
    """One place a glacier's scenes can come from.

    ``path`` is relative to the folder of data that the user names. ``layer``, ``boxes_layer`` and
    ``centreline_layer`` name layers of a vector file; ``code`` is the glacier's name inside the source.
    """

    dataset: str
    format: Literal["outlines", "traces", "caffe", "masks", "images", "landsat-fronts", "simulation"]
    path: str = ""
    layer: str = ""
    boxes_layer: str = ""
    centreline_layer: str = ""
    #: Whether the centreline of the source runs from the sea inland and has to be turned round.
    centreline_runs_inland: bool = False
    code: str = ""
    #: One standard deviation of the position of a boundary that was drawn, and of the image it was drawn on.
    delineation_sigma_m: float | None = Field(default=None, gt=0)
    georeferencing_sigma_m: float | None = Field(default=None, ge=0)
    resolution_m: float | None = Field(default=None, gt=0)
    flags: dict[str, str] = Field(default_factory=dict)
    #: What its fronts are made of: one word, or periods, between which it is not known.
    front_of: tuple[FrontPeriod, ...] = ()

    @field_validator("front_of", mode="before")
    @classmethod
    def _is_a_word_or_periods(cls, value: object) -> object:
        return [{"is": value}] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _periods_are_apart(self) -> Source:
        periods = sorted(self.front_of, key=lambda period: period.since or dt.date.min)
        for earlier, later in pairwise(periods):
            if earlier.until is None or later.since is None or later.since <= earlier.until:
                raise ValueError(
                    f"front_of says twice of some days what the front is ({earlier.front_of}, {later.front_of}); give "
                    "every period its from and until"
                )
        return self

    def front_on(self, date: dt.date) -> str:
        """Return what a front of a date is made of; empty where that is not known."""
        return next((period.front_of for period in self.front_of if period.holds(date)), "")


class Glacier(_Entry):
    """A glacier as the catalog knows it. All coordinates are in ``crs``."""

    kind: Literal["glacier"] = "glacier"
    name: str
    aliases: tuple[str, ...] = ()
    region: str = ""
    #: First or first and second order region of the RGI, such as 11 or 11-01.
    rgi_region: str = ""
    hemisphere: Literal["north", "south"] | None = None
    terminus_type: Literal["ice shelf", "tidewater", "land"] | None = None
    #: Whether the glacier is known to surge (see :func:`is_surging`): no advance of it is called an error.
    surging: bool = False
    crs: str | None = None
    box: tuple[float, float, float, float] | None = None
    fjord: Region | None = None
    centreline: Line | None = None
    #: The STAC API that scenes of it are looked for in; empty for the default.
    stac: str = ""
    notes: str = ""
    #: What is known of it beyond what was measured: told where a record ends before it.
    events: tuple[Event, ...] = ()
    sources: tuple[Source, ...] = ()

    @field_validator("rgi_region")
    @classmethod
    def _is_a_region(cls, value: str) -> str:
        if value and value not in REGIONS:
            raise ValueError(f"'{value}' is no region of the RGI; write 11, or 11-01")
        return value

    @field_validator("crs")
    @classmethod
    def _crs_exists(cls, value: str | None) -> str | None:
        if value is not None:
            crs_on_earth(value, what=f"'{value}'")
        return value

    @field_validator("stac")
    @classmethod
    def _stac_is_web_address(cls, url: str) -> str:
        if url and not re.match(r"https?://[^/\s]", url):
            raise ValueError(f"'{url[:200]}': an address that begins with https:// or http:// expected")
        return url

    @model_validator(mode="after")
    def _geometry_has_a_crs(self) -> Glacier:
        if self.crs is None and (self.box or self.fjord or self.centreline):
            raise ValueError("box, fjord and centreline are coordinates: name their coordinate system in 'crs'")
        if self.box is not None and not (self.box[0] < self.box[2] and self.box[1] < self.box[3]):
            raise ValueError(f"box is x_min, y_min, x_max, y_max in {self.crs}; given {list(self.box)}")
        return self

    @property
    def box_polygon(self) -> shapely.Polygon | None:
        """The box as a polygon."""
        return None if self.box is None else shapely.box(*self.box)

    @property
    def projection(self) -> pyproj.CRS | None:
        """The coordinate system."""
        return None if self.crs is None else pyproj.CRS.from_user_input(self.crs)


def is_surging(code: object) -> bool:
    """Return whether an attribute ``Surging`` (RGI 5, 6) or ``surge_type`` (RGI 7) speaks of a surge.

    0 is no evidence, 1 a possible, 2 a probable and 3 an observed surge, 9 unknown. A possible one counts: a surge
    that is taken for an error is lost, an error on such a glacier is seen in the record.

    Examples
    --------
    >>> [is_surging(code) for code in (0, 1, "3", 2.0, 9, None, "")]
    [False, True, True, True, False, False, False]
    """
    try:
        return int(float(str(code))) in (1, 2, 3)
    except (ValueError, OverflowError):
        return False


class DataFile(_Entry):
    """One file of a data set: where it is downloaded from and what it must then be."""

    url: str
    #: Where it goes, relative to the folder of downloads.
    path: str
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    md5: str | None = Field(default=None, pattern="^[0-9a-f]{32}$")
    size_bytes: int | None = Field(default=None, gt=0)
    #: Whether it is a zip archive whose content is what is wanted.
    unpack: bool = False

    @field_validator("url")
    @classmethod
    def _is_web_address(cls, url: str) -> str:
        if not re.match(r"https?://[^/\s]", url):
            raise ValueError(f"'{url[:200]}': an address that begins with https:// or http:// expected")
        return url

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        parts = re.split(r"[/\\]", path)
        if "\\" in path or ":" in path or not path.isprintable() or any(part in ("", ".", "..") for part in parts):
            raise ValueError(f"'{path[:200]}': a path inside the folder of downloads expected, such as set/file.zip")
        return path


class DataSet(_Entry):
    """A data set: citation, licence, files, and how to get it where no direct download exists."""

    kind: Literal["dataset"]
    name: str
    aliases: tuple[str, ...] = ()
    title: str
    citation: str
    doi: str = ""
    licence: str
    #: Whether what is made of it may be passed on as the data themselves may be.
    redistributable: bool = True
    #: What has to be done by hand, where a file cannot be downloaded without an account.
    by_hand: str = ""
    files: tuple[DataFile, ...] = ()
