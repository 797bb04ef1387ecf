"""Sensors: the bands of their usual stacks by name, and what makes their numbers surface reflectances."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glaciertime.errors import InputError, UsageError, nearest_names

__all__ = ["BANDS", "KNOWN", "Sensor", "band_numbers", "model_bands", "names_of_bands", "sensor_named", "sensor_names"]

BANDS = ("blue", "green", "red", "nir", "swir1", "swir2")
_RADAR = ("vv", "vh", "hh", "hv")
KNOWN = (*BANDS, *_RADAR)
_OLI = ("coastal", "blue", "green", "red", "nir", "swir1", "swir2")
_TM = ("blue", "green", "red", "nir", "swir1", "swir2")
_ALIASES = {"b": "blue", "g": "green", "r": "red", "near infrared": "nir", "swir 1": "swir1", "swir 2": "swir2"}


@dataclass(frozen=True)
class Sensor:
    """A sensor.

    Attributes
    ----------
    name : str
    stacks : tuple of tuple of str
        Names of the bands of files with as many bands, in order.
    scale, offset : float
        ``reflectance = stored * scale + offset`` of the surface reflectance that its agency distributes; NaN of a
        radar.
    """

    name: str
    stacks: tuple[tuple[str, ...], ...]
    scale: float
    offset: float

    @property
    def is_radar(self) -> bool:
        """Return whether it sees no light."""
        return math.isnan(self.scale)

    @property
    def sees(self) -> frozenset[str]:
        """Return the bands, of those with a name of their own here, that any of its stacks has."""
        return frozenset(band for stack in self.stacks for band in stack if band in KNOWN)

    def named(self, descriptions: tuple[str | None, ...]) -> tuple[str, ...]:
        """Return which bands those are that a file calls by this sensor's numbers (SR_B4, B8A); () if it does not.

        Examples
        --------
        >>> sensor_named("landsat-8").named(("SR_B4", "SR_B2")), sensor_named("landsat-8").named(("B2", "x"))
        (('red', 'blue'), ())
        """
        found = [_NUMBERED.match((text or "").strip().casefold()) for text in descriptions]
        numbers = _NUMBERS.get("sentinel-2" if self.name.startswith("sentinel-2") else _generation(self.name), {})
        return tuple(numbers.get(each[1], each[0]) for each in found if each) if all(found) else ()


_MSI_12 = ("coastal", "blue", "green", "red", "re1", "re2", "re3", "nir", "nir narrow", "vapour", "swir1", "swir2")
_MSI_13 = (*_MSI_12[:10], "cirrus", *_MSI_12[10:])
_NUMBERED = re.compile(r"(?:sr_)?b0?(\d{1,2}[an]?)\b")
_NUMBERS = {
    "tm": {"1": "blue", "2": "green", "3": "red", "4": "nir", "5": "swir1", "7": "swir2"},
    "oli": dict(zip("1234567", _OLI, strict=True)),
    "sentinel-2": {"2": "blue", "3": "green", "4": "red", "8": "nir", "8a": "nir narrow", "11": "swir1", "12": "swir2"},
    # Of the six bands of ASTER beyond 1.7 micrometres none is as wide as the second one of the others.
    "aster": {"1": "green", "2": "red", "3n": "nir", "3": "nir", "4": "swir1"},
}
_LANDSAT = (0.0000275, -0.2)  # Collection 2, level 2
_SENSORS = {
    **{f"landsat-{number}": Sensor(f"landsat-{number}", (_TM,), *_LANDSAT) for number in (4, 5, 7)},
    **{f"landsat-{number}": Sensor(f"landsat-{number}", (_OLI, _TM), *_LANDSAT) for number in (8, 9)},
    # Baseline 04.00, since 2022-01-25, adds 1000 to every number; earlier ones do not.
    "sentinel-2": Sensor("sentinel-2", (_MSI_12, _MSI_13, _TM), 0.0001, -0.1),
    "sentinel-2-before-2022": Sensor("sentinel-2-before-2022", (_MSI_12, _MSI_13, _TM), 0.0001, 0.0),
    "planetscope": Sensor(
        "planetscope",
        (
            ("blue", "green", "red", "nir"),
            ("coastal", "blue", "green 1", "green", "yellow", "red", "red edge", "nir"),
        ),
        0.0001, 0.0,
    ),
    # AST_07XT; its calibrated radiances are no reflectances.
    "aster": Sensor(
        "aster", (("green", "red", "nir"), ("green", "red", "nir", "swir1", "b5", "b6", "b7", "b8", "b9")), 0.001, 0.0
    ),
    "sentinel-1": Sensor("sentinel-1", (("vv", "vh"), ("hh", "hv"), ("vv",), ("hh",)), math.nan, math.nan),
}  # fmt: skip


def _generation(landsat: str) -> str:
    if not landsat.startswith("landsat"):
        return landsat
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
    if told is not None and _are_numbers(told):
        numbers = tuple(int(part) for part in told.split(","))
        if len(numbers) != len(wanted):
            raise UsageError(f"--bands {told}: {len(wanted)} numbers expected, for {', '.join(wanted)}")
        if len(set(numbers)) != len(numbers):
            raise UsageError(f"--bands {told}: a band is named twice; {', '.join(wanted)} are different ones")
        return numbers
    if sensor is not None and (unseen := [band for band in wanted if band in KNOWN and band not in sensor.sees]):
        raise InputError(f"{sensor.name} has no {' and no '.join(unseen)}, which is needed here")
    names = names_of_bands(path, wanted, descriptions=descriptions, sensor=sensor, told=told)
    left_out = [] if told is None else [band for band in wanted if band not in map(_plain, told.split(","))]
    if left_out and not [band for band in wanted if band not in names]:
        raise UsageError(f"--bands {told}: {', '.join(left_out)} is needed too; name it, or leave --bands out")
    missing = [band for band in wanted if band not in names]
    if missing:
        raise InputError(
            f"{path.name} does not say which of its {len(descriptions)} bands are {', '.join(missing)}: "
            f"{_how_to_name(wanted, len(descriptions))}"
        )
    return tuple(1 + names.index(band) for band in wanted)


def model_bands(
    path: Path,
    wanted: tuple[str, ...],
    *,
    descriptions: tuple[str | None, ...],
    sensor: Sensor | None,
    told: str | None,
) -> tuple[int, ...] | None:
    """Return the numbers of bands, from 1, that a model gets; None for all of them as they come.

    Bands that the file, the sensor or ``--bands`` calls as the model does are found by these names, whatever their
    order. Of a model whose bands have no such names ``--bands`` names those to use, in its order, or their numbers.

    Parameters
    ----------
    path : Path
    wanted : tuple of str
        Those of the model.
    descriptions, sensor, told
        As of :func:`band_numbers`.

    Raises
    ------
    InputError
        If a band that was named is not found, or the file names its bands and has not all that the model needs.
    """
    if told is not None and _are_numbers(told):
        return tuple(int(part) for part in told.split(","))
    by_name = all(band in KNOWN for band in wanted)
    if told is None and (
        not by_name or (sensor is None and not any(_plain(text or "") in KNOWN for text in descriptions))
    ):
        return None
    if told is None or by_name:
        return band_numbers(path, wanted, descriptions=descriptions, sensor=sensor, told=told)
    given = tuple(_plain(part) for part in told.split(","))
    names = names_of_bands(path, given, descriptions=descriptions, sensor=sensor, told=told)
    missing = [band for band in given if band not in names]
    if missing:
        raise InputError(
            f"--bands {told}: {path.name} does not say which of its {len(descriptions)} bands are "
            f"{', '.join(missing)}; give their numbers, from 1, or say --sensor"
        )
    return tuple(1 + names.index(band) for band in given)


def names_of_bands(
    path: Path,
    wanted: tuple[str, ...],
    *,
    descriptions: tuple[str | None, ...],
    sensor: Sensor | None,
    told: str | None,
) -> tuple[str, ...]:
    """Return what the bands of a file are, in order, as it was told, as the file or the sensor says; () where unknown.

    Parameters and errors are those of :func:`band_numbers`.
    """
    told_names = () if told is None else tuple(_plain(part) for part in told.split(","))
    if len(set(told_names)) != len(told_names):
        raise UsageError(f"--bands {told}: a band is named twice")
    if any(_plain(text or "") in KNOWN for text in descriptions):
        own = tuple(_plain(text or "") for text in descriptions)
        if told_names and len(told_names) == len(own) and told_names != own and not set(told_names) <= set(own):
            raise InputError(
                f"--bands {told}: {path.name} itself calls its bands {', '.join(own)}; give the numbers of those to use"
            )
        return own
    stacks = () if sensor is None else sensor.stacks
    stack = next((stack for stack in stacks if len(stack) == len(descriptions)), ())
    names = () if sensor is None else sensor.named(descriptions)
    if told_names and len(told_names) == len(descriptions):
        return told_names
    if names and stack and _only_counts(descriptions) and _places(names, wanted) != _places(stack, wanted):
        raise InputError(
            f"{path.name} calls its bands {descriptions[0]} to {descriptions[-1]}: it is not certain whether these "
            f"are the sensor's numbers; name all of them in order with --bands {','.join(stack)}"
        )
    if told_names and not (names or stack):
        raise UsageError(f"--bands {told}: {path.name} has {len(descriptions)} bands, name each of them, in order")
    return names or stack


def _how_to_name(wanted: tuple[str, ...], count: int) -> str:
    """Return what to type where a file of so many bands does not say which are wanted: what can be typed is read.

    Examples
    --------
    >>> _how_to_name(("green", "nir", "swir1"), 6)
    'name all of them in order, such as --bands blue,green,red,nir,swir1,swir2, or say --sensor'
    >>> _how_to_name(("red", "swir1"), 1)
    'it needs 2 (red, swir1), give an image that holds them'
    """
    if count < len(wanted):
        return f"it needs {len(wanted)} ({', '.join(wanted)}), give an image that holds them"
    usual = next((stack for stack in (BANDS, wanted) if len(stack) == count and set(wanted) <= set(stack)), ())
    if usual:
        return f"name all of them in order, such as --bands {','.join(usual)}, or say --sensor"
    numbers = ",".join(str(1 + place) for place in range(len(wanted)))
    return f"give the numbers of {', '.join(wanted)}, in this order, such as --bands {numbers}, or say --sensor"


def _are_numbers(told: str) -> bool:
    return all(part.strip().isdigit() for part in told.split(","))


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
