"""``glaciertime segment --method``: ice and snow by the reflectance of single pixels, without a trained model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from glaciertime.cli.common import note
from glaciertime.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glaciertime.scenes.imagery import Imagery
    from glaciertime.scenes.pixel_values import PixelReading
    from glaciertime.scenes.sensors import Sensor

__all__ = ["open_reflectance", "reading_of_sensor", "said_of_reading", "zones_of_image"]

#: Numbers of Sentinel-2 below this show that the 1000 of baseline 04.00 is not in them.
_BASELINE = 600
#: Where the darkest of all bands lie above this, it is: no scene reflects a tenth everywhere and in every band.
_ABOVE = 950


def open_reflectance(
    source: Path | str,
    *,
    method: str,
    bands: str | None,
    sensor: str | None,
    values: PixelReading,
    scaled: bool,
    clouds: str = "none",
) -> Imagery:
    """Open an image whose bands, in the order the method needs them, read as surface reflectances.

    Parameters
    ----------
    source : Path or str
        A file, or an address.
    method : str
    bands, sensor : str, optional
        As they were typed.
    values : PixelReading
        What was told of nodata and scale.
    scaled : bool
        Whether a scale was told.
    clouds : str
        Where the cloud layer is, see :class:`.Imagery`.

    Raises
    ------
    InputError
        If it is not known which bands are which, or values are no reflectances and nothing says what makes them so.
    """
    from glaciertime.scenes.imagery import Imagery
    from glaciertime.scenes.sensors import band_numbers, looks_like_reflectance, sensor_named
    from glaciertime.segment.pixels.indices import needed_bands

    known = None if sensor is None else sensor_named(sensor)
    wanted = needed_bands(method)
    with Imagery(source) as whole:
        path = whole.path
        numbers = band_numbers(path, wanted, descriptions=whole.descriptions, sensor=known, told=bands)
        declared = whole.declared_scale
    pixels = Imagery(source, bands=numbers, values=values, clouds=clouds)
    try:
        sample = pixels.sample()
        if scaled or looks_like_reflectance(sample):
            used = values
        elif known is not None:
            used = reading_of_sensor(known, sample, name=path.name, values=values)
        elif declared is not None:
            used = replace(values, scale=declared[0], offset=declared[1])
        else:
            raise InputError(
                f"{path.name}: its values are no reflectances, and what they are is not said; give --sensor "
                "(landsat-8, sentinel-2, ...) or --scale FACTOR,OFFSET"
            )
        if used.offset < 0 and used.trust_header and not used.nodata:
            # Numbers with an offset start above zero: agencies fill with 0 what was not observed.
            used = replace(used, nodata=(0.0,))
        pixels.values = used
        if used is not values:
            note(said_of_reading(used, name=path.name))
        if not looks_like_reflectance(pixels.sample()):
            raise InputError(
                f"{path.name}: with x {used.scale:g} + {used.offset:g} its values are no reflectances; give --scale "
                "FACTOR,OFFSET, and --nodata if some were not observed"
            )
    except BaseException:
        pixels.close()
        raise
    return pixels


def reading_of_sensor(sensor: Sensor, sample: NDArray[np.float32], *, name: str, values: PixelReading) -> PixelReading:
    """Return how the numbers that a sensor's agency distributes are read as reflectances.

    Raises
    ------
    InputError
        If they are not those that the agency distributes.
    """
    import numpy as np

    if sensor.is_radar:
        raise InputError(f"{name}: {sensor.name} is a radar, its numbers are no reflectances")
    if sensor.name == "sentinel-2" and float((sample[np.isfinite(sample) & (sample != 0)] < _BASELINE).mean()) > 0.01:
        raise InputError(
            f"{name}: numbers below {_BASELINE} show that the offset of baseline 04.00 is not in them; say "
            "--sensor sentinel-2-before-2022, or --scale 0.0001,-0.1 if they are right"
        )
    known = sample[np.isfinite(sample) & (sample != 0)]
    if sensor.name == "sentinel-2-before-2022" and known.size and float(np.percentile(known, 0.5)) > _ABOVE:
        raise InputError(
            f"{name}: no numbers below {_ABOVE}, the 1000 of baseline 04.00 seems to be in them; say --sensor "
            "sentinel-2, or --scale 0.0001,0 if they are right"
        )
    fill = values.nodata
    if values.trust_header and not fill:
        # What these agencies fill with where nothing was observed, with an offset or without.
        fill = (0.0,)
    return replace(values, scale=sensor.scale, offset=sensor.offset, nodata=fill)


def said_of_reading(used: PixelReading, *, name: str) -> str:
    """Return the sentence that says how stored numbers were read."""
    filled = ", 0 is not observed" if used.nodata == (0.0,) else ""
    return f"{name}: reflectance = stored x {used.scale:g} + {used.offset:g}{filled}"


def zones_of_image(pixels: Imagery, *, method: str) -> NDArray[np.uint8]:
    """Return the zones of an opened image."""
    from glaciertime.segment.pixels.indices import needed_bands, zones_of_reflectance

    pixels.check_whole(bytes_per_pixel=40, step=f"segmented by {method}")
    bands = dict(zip(needed_bands(method), pixels.read_all(), strict=True))
    return zones_of_reflectance(bands, method=method)
