"""Optical sensors: the bands of their usual stacks by name, and what makes their numbers surface reflectances."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glaciertime.errors import InputError, UsageError, nearest_names

__all__ = ["BANDS", "Sensor", "band_numbers", "sensor_named", "sensor_names"]

BANDS = ("blue", "green", "red", "nir", "swir1", "swir2")
_OLI = ("coastal", "blue", "green", "red", "nir", "swir1", "swir2")
_TM = ("blue", "green", "red", "nir", "swir1", "swir2")
_ALIASES = {"b": "blue", "g": "green", "r": "red", "near infrared": "nir", "swir 1": "swir1", "swir 2": "swir2"}


@dataclass(frozen=True)
class Sensor:
    """An optical sensor.

    Attributes
    ----------
    name : str
    stacks : tuple of tuple of str
        Names of the bands of files with as many bands, in order.
    scale, offset : float
        ``reflectance = stored * scale + offset`` of the surface reflectance that its agency distributes.
    """

    name: str
    stacks: tuple[tuple[str, ...], ...]
    scale: float
    offset: float

    def named(self, descriptions: tuple[str | None, ...]) -> tuple[str, ...]:
        """Return which bands those are that a file calls by this sensor's numbers (SR_B4, B8A); () if it does not.

        Examples
        --------
        >>> sensor_named("landsat-8").named(("SR_B4", "SR_B2")), sensor_named("landsat-8").named(("B2", "x"))
        (('red', 'blue'), ())
        """
        found = [_NUMBERED.match((text or "").strip().casefold()) for text in descriptions]
        numbers = _NUMBERS["sentinel-2" if self.name.startswith("sentinel-2") else _generation(self.name)]
        return tuple(numbers.get(each[1], each[0]) for each in found if each) if all(found) else ()


_MSI_12 = ("coastal", "blue", "green", "red", "re1", "re2", "re3", "nir", "nir narrow", "vapour", "swir1", "swir2")
_MSI_13 = (*_MSI_12[:10], "cirrus", *_MSI_12[10:])
_NUMBERED = re.compile(r"(?:sr_)?b0?(\d{1,2}a?)\b")
_NUMBERS = {
    "tm": {"1": "blue", "2": "green", "3": "red", "4": "nir", "5": "swir1", "7": "swir2"},
    "oli": dict(zip("1234567", _OLI, strict=True)),
    "sentinel-2": {"2": "blue", "3": "green", "4": "red", "8": "nir", "8a": "nir narrow", "11": "swir1", "12": "swir2"},
}
_LANDSAT = (0.0000275, -0.2)  # Collection 2, level 2
_SENSORS = {
    **{f"landsat-{number}": Sensor(f"landsat-{number}", (_TM,), *_LANDSAT) for number in (4, 5, 7)},
    **{f"landsat-{number}": Sensor(f"landsat-{number}", (_OLI, _TM), *_LANDSAT) for number in (8, 9)},
    # Baseline 04.00, since 2022-01-25, adds 1000 to every number; earlier ones do not.
    "sentinel-2": Sensor("sentinel-2", (_MSI_12, _MSI_13, _TM), 0.0001, -0.1),
    "sentinel-2-before-2022": Sensor("sentinel-2-before-2022", (_MSI_12, _MSI_13, _TM), 0.0001, 0.0),
}


def _generation(landsat: str) -> str:
    return "oli" if landsat in ("landsat-8", "landsat-9") else "tm"


def sensor_names() -> list[str]:
    """Return the names that :func:`sensor_named` knows."""
    return sorted(_SENSORS)


def sensor_named(name: str) -> Sensor:
    """Return a sensor.

    Raises
    ------
    UsageError
        If there is none of that name.

    Examples
    --------
    >>> sensor_named("landsat-8").offset
    -0.2
    """
    key = name.strip().casefold().replace(" ", "-").replace("_", "-")
    if key not in _SENSORS:
        near = nearest_names(key, _SENSORS) or sensor_names()
        raise UsageError(f"--sensor '{name}' is not known; nearest: {', '.join(near)}")
    return _SENSORS[key]


def band_numbers(
    path: Path,
    wanted: tuple[str, ...],
    *,
    descriptions: tuple[str | None, ...],
    sensor: Sensor | None,
    told: str | None,
) -> tuple[int, ...]:
    """Return the numbers of bands, from 1, that hold what is wanted.

    Parameters
    ----------
    path : Path
        Named in messages.
    wanted : tuple of str
        Out of :data:`BANDS`.
    descriptions : tuple of str or None
        What the file calls its bands.
    sensor : Sensor, optional
    told : str, optional
        ``--bands``: what the bands of the file are, in order, by name; or the numbers of the bands wanted, in order.

    Raises
    ------
    InputError
        If a band is not found, or not known which it is.
    """
    names: tuple[str, ...]
    if told is not None and all(part.strip().isdigit() for part in told.split(",")):
        numbers = tuple(int(part) for part in told.split(","))
        if len(numbers) != len(wanted):
            raise UsageError(f"--bands {told}: {len(wanted)} numbers expected, for {', '.join(wanted)}")
        return numbers
    if told is not None:
        names = tuple(_plain(part) for part in told.split(","))
        if len(names) != len(descriptions):
            raise UsageError(f"--bands {told}: {path.name} has {len(descriptions)} bands, name each of them, in order")
    elif any(_plain(text or "") in BANDS for text in descriptions):
        names = tuple(_plain(text or "") for text in descriptions)
    else:
        stacks = () if sensor is None else sensor.stacks
        stack = next((stack for stack in stacks if len(stack) == len(descriptions)), ())
        names = () if sensor is None else sensor.named(descriptions)
        if names and stack and _only_counts(descriptions) and _places(names, wanted) != _places(stack, wanted):
            raise InputError(
                f"{path.name} calls its bands {descriptions[0]} to {descriptions[-1]}: it is not certain whether these "
                f"are the sensor's numbers; name all of them in order with --bands {','.join(stack)}"
            )
        names = names or stack
    missing = [band for band in wanted if band not in names]
    if missing:
        raise InputError(
            f"{path.name} does not say which of its {len(descriptions)} bands are {', '.join(missing)}: name all "
            f"of them in order with --bands {','.join(BANDS[: len(descriptions)] or BANDS)}, or say --sensor"
        )
    return tuple(1 + names.index(band) for band in wanted)


def _only_counts(descriptions: tuple[str | None, ...]) -> bool:
    """Return whether bands are called B1, B2 and so on in order, as programs do that know no more of them."""
    return [text.strip().casefold() for text in descriptions if text] == [f"b{1 + i}" for i in range(len(descriptions))]


def _places(names: tuple[str, ...], wanted: tuple[str, ...]) -> list[int]:
    return [names.index(band) if band in names else -1 for band in wanted]


def _plain(text: str) -> str:
    word = text.strip().casefold().replace("_", " ").replace("-", " ")
    word = _ALIASES.get(word, word)
    return word.replace("swir ", "swir")


def looks_like_reflectance(sample: np.ndarray) -> bool:
    """Return whether values can be reflectances: nearly all from -0.3 to 1.6, and brighter than a hundredth.

    Examples
    --------
    >>> looks_like_reflectance(np.array([0.02, 0.5])), looks_like_reflectance(np.array([7300.0, 21000.0]))
    (True, False)
    """
    known = sample[np.isfinite(sample)]
    if not known.size:
        return False
    return bool(((known > -0.3) & (known < 1.6)).mean() > 0.98 and np.percentile(known, 90) > 0.01)
