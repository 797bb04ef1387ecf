"""How much of an input is taken: each limit with its reason, its option and its environment variable, in one place.

What lies beyond a limit is told as the row or the sentence of that input, before the work that it would cost; the text
names the option and the variable that raise it. The defaults hold the needs of the largest inputs of the field, and
keep a small file that claims to be large from taking the machine.
"""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from glaciertime.errors import InputError, UsageError, nearest_names

__all__ = [
    "LIMITS", "Limit", "as_table", "check", "given", "limit", "parse_limits", "positive", "raster_bytes", "timed",
    "unpacked_bytes",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One limit.

    Attributes
    ----------
    name : str
        What ``--limit`` calls it.
    default : float
    unit : str
        What it counts.
    reason : str
        Why there is one, and why this.
    """

    name: str
    default: float
    unit: str
    reason: str

    @property
    def variable(self) -> str:
        """The environment variable that raises it."""
        return f"GLACIERTIME_MAX_{self.name.upper().replace('-', '_')}"

    @property
    def option(self) -> str:
        """The option that raises it."""
        return f"--limit {self.name}=N"


LIMITS: dict[str, Limit] = {
    each.name: each
    for each in (
        Limit(
            name="raster-gb", default=5, unit="GB of memory for one step on one raster",
            reason="a mask is measured whole, at 9 bytes a pixel or more: 555 million pixels, four of Sentinel-2 "
            "at 10 m; told from the header, since a sparse file of 8 kB can claim any size",
        ),
        Limit(
            name="raster-ratio", default=4000, unit="pixels claimed for each byte of the file",
            reason="a mask of one class deflates to a thousandth; a file of fewer bytes than that, and of more than "
            "16 million pixels, holds nothing but its claim",
        ),
        Limit(
            name="unpacked-mb", default=600, unit="MB that one read of a raster unpacks",
            reason="a PNG, a JPEG, a GIF and a WebP are unpacked from their beginning whatever is read, a strip "
            "or tile of a TIFF as a whole: one picture of 40,000 x 40,000 pixels can be 9 MB that take 1.6 GB",
        ),
        Limit(
            name="bands", default=2000, unit="bands of a raster",
            reason="a hyperspectral scene has some hundred; each is opened, and 500 bytes can claim 65,535",
        ),
        Limit(
            name="vertices", default=2_000_000, unit="vertices of one outline or trace",
            reason="the whole ice edge of Greenland at 15 m has fewer; unions and buffers take their square at worst",
        ),
        Limit(
            name="crossings", default=10_000, unit="crossings of an outline with itself",
            reason="an outline is mended by taking it apart at each; a drawn one has a handful, and 1,500 vertices in "
            "disorder have 300,000, which take minutes",
        ),
        Limit(
            name="document-mb", default=20, unit="MB of a YAML or JSON file that is read as a whole",
            reason="a manifest has some kB; the readers hold 30 times the text in memory",
        ),
        Limit(
            name="document-depth", default=64, unit="levels inside each other in YAML or JSON",
            reason="a manifest has five; the readers call themselves for each",
        ),
        Limit(
            name="document-items", default=1_000_000, unit="values in YAML or JSON, references as often as used",
            reason="a few hundred bytes of references to references stand for billions of values",
        ),
        Limit(
            name="table-mb", default=200, unit="MB of a table of a series, unpacked",
            reason="cells are held as text and as numbers, at ten times the file",
        ),
        Limit(
            name="cells", default=20_000_000, unit="cells of a table or of a vector layer",
            reason="the glaciers of the world with 30 columns are 8 million; Parquet can claim any number in a few kB",
        ),
        Limit(
            name="fields", default=5000, unit="names of columns in a GeoJSON, KML or GML",
            reason="a layer has some dozen; their reader looks each up among all others: 40,000 take 10 seconds, "
            "200,000 minutes",
        ),
        Limit(
            name="text-cells", default=2_000_000, unit="lines and cells of a table of text",
            reason="each is looked at for what it may be, at 15 seconds and 1.2 GB a million; a glacier measured every "
            "day of a century has 36,525 lines",
        ),
        Limit(
            name="files", default=100_000, unit="files of one folder that are looked at",
            reason="a century of daily scenes has 36,525; each is opened",
        ),
        Limit(
            name="scenes", default=20_000, unit="scenes or pages that a catalogue answers with",
            reason="a glacier at 80 degrees north is seen ten times a day; an answer without an end would not end",
        ),
        Limit(
            name="image-seconds", default=1800, unit="seconds that one image is measured for",
            reason="a scene that is cut to one glacier takes seconds; one that does not end keeps the others waiting",
        ),
        Limit(
            name="upload-mb", default=500, unit="MB of one file that is brought to the dashboard",
            reason="a Sentinel-2 tile cut to a glacier has some MB, a whole Landsat band 100; larger ones are read "
            "from where they lie by the commands",
        ),
        Limit(
            name="session-mb", default=2000, unit="MB that one session of the dashboard brings",
            reason="a stack of a hundred cut scenes; ten users fill a disk of 20 GB",
        ),
        Limit(
            name="download-gb", default=50, unit="GB of a download whose size no manifest says",
            reason="more than the largest file of any data set here (2.9 GB), less than most disks: an answer without "
            "an end would fill them; also `data fetch --max-gb`",
        ),
        Limit(
            name="unpacked-gb", default=200, unit="GB that an archive unpacks to",
            reason="as much as a large data set holds; also `data fetch --max-unpacked-gb`",
        ),
        Limit(
            name="unpacked-ratio", default=200, unit="times its own size that an archive unpacks to",
            reason="306 kB can unpack to any number of bytes; masks pack to a hundredth; asked from 100 MB on",
        ),
    )
}  # fmt: skip


def as_table() -> str:
    """Return all limits as a table in Markdown, as the README shows it."""
    lines = ["| limit | default | of what | raised with | why |", "|---|---|---|---|---|"]
    lines += [
        f"| {name} | {known.default:,.6g} | {known.unit} | `{known.option}`, `{known.variable}` | {known.reason} |"
        for name, known in LIMITS.items()
    ]
    return "\n".join(lines)


def limit(name: str) -> float:
    """Return a limit as it holds now: the default, or what its environment variable says.

    Raises
    ------
    UsageError
        Where the variable is no positive number.
    """
    known = LIMITS[name]
    text = os.environ.get(known.variable, "").strip()
    return positive(text, known.variable) if text else known.default


def positive(text: str, where: str) -> float:
    """Return the number that a text gives a limit.

    Parameters
    ----------
    text : str
    where : str
        The option or the variable that it stands in.

    Raises
    ------
    UsageError
        Where it is no positive number.
    """
    try:
        value = float(text.replace("_", ""))
    except ValueError:
        value = math.nan
    if not value > 0:
        raise UsageError(f"{where}: '{text}' given, a positive number expected; without it the default holds")
    return value


def check(name: str, found: float, what: str, *, advice: str = "") -> None:
    """Refuse what lies beyond a limit.

    Parameters
    ----------
    name : str
        Of the limit.
    found : float
        How much there is, in the limit's unit.
    what : str
        Whose it is, as the subject of the sentence.
    advice : str
        What else can be done than to raise the limit.

    Raises
    ------
    InputError
        Where there is more than the limit; the text names the option and the variable.
    """
    allowed = limit(name)
    if found <= allowed:
        return
    known = LIMITS[name]
    instead = f"{advice}, or raise" if advice else "raise"
    raise InputError(
        f"{what}: {found:,.6g} {known.unit}, at most {allowed:,.6g} taken; {instead} the limit with {known.option} or "
        f"{known.variable}"
    )


def raster_bytes(*, pixels: float, bytes_per_pixel: float, file_bytes: float | None, what: str, advice: str) -> None:
    """Refuse a raster whose pixels a step cannot hold in memory, or that holds next to nothing but a claim of pixels.

    Raises
    ------
    InputError
    """
    check("raster-gb", pixels * bytes_per_pixel / 1e9, f"{what} ({pixels:,.0f} pixels)", advice=advice)
    if file_bytes is not None and pixels > _SMALL_PIXELS:
        check("raster-ratio", pixels / max(file_bytes, 1), f"{what} ({pixels:,.0f} pixels)", advice=advice)


#: So many take no time, whatever the file's size: 4096 x 4096.
_SMALL_PIXELS = 1 << 24


def unpacked_bytes(size: int, *, packed: int, what: str) -> None:
    """Refuse an archive that unpacks to more than a disk holds, or to more than data do.

    Parameters
    ----------
    size : int
        Bytes that its members claim together.
    packed : int
        Bytes of the archive itself.
    what : str
        Whose they are, as the subject of the sentence.

    Raises
    ------
    InputError
    """
    what = f"{what} of {packed:,} bytes"
    check("unpacked-gb", size / 1e9, what)
    if size > _HARMLESS_BYTES:
        check("unpacked-ratio", size / max(packed, 1), what)


#: So much fits everywhere, however well it packs.
_HARMLESS_BYTES = 100_000_000


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Break off what takes longer than one image may.

    Only in the main thread of a process, where the system has an alarm; a call into a library ends before.

    Raises
    ------
    InputError
        The text names the option and the variable.
    """
    seconds = limit("image-seconds")
    main = threading.current_thread() is threading.main_thread()
    if not main or not hasattr(signal, "setitimer") or any(signal.getitimer(signal.ITIMER_REAL)):
        yield
        return

    def late(_number: int, _frame: object) -> None:
        check("image-seconds", math.nextafter(seconds, math.inf), what)

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def parse_limits(texts: Iterable[str]) -> dict[str, float]:
    """Return limits given as ``NAME=VALUE``.

    Examples
    --------
    >>> parse_limits(["raster-gb=12", "vertices=5e6"])
    {'raster-gb': 12.0, 'vertices': 5000000.0}
    """
    found: dict[str, float] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        name = name.strip()
        if name not in LIMITS or not sign:
            near = nearest_names(name, LIMITS) or sorted(LIMITS)
            raise UsageError(f"--limit '{text}': NAME=VALUE expected, with a name such as {', '.join(near)}")
        if name in found:
            raise UsageError(f"--limit {name} is given twice; give it once")
        found[name] = positive(value.strip(), f"--limit {name}")
    return found


@contextmanager
def given(limits: dict[str, float]) -> Iterator[None]:
    """Let limits hold for a while, in this process and in those that it starts."""
    before = {LIMITS[name].variable: os.environ.get(LIMITS[name].variable) for name in limits}
    os.environ.update({LIMITS[name].variable: repr(value) for name, value in limits.items()})
    try:
        yield
    finally:
        for variable, text in before.items():
            if text is None:
                os.environ.pop(variable, None)
            else:
                os.environ[variable] = text
