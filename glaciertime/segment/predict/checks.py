"""An input is looked at before it is believed: undeclared nodata, decibels, constants, saturation, strange values."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glaciertime.errors import InputError
from glaciertime.scenes.pixel_values import PixelReading, suspected_nodata
from glaciertime.segment.description import ModelSpec

__all__ = ["Checked", "check_values", "unlike_reason"]

_NO_DATA_CLASS = "no data"
_SATURATED = 0.2
_UNOBSERVED = 0.7
#: An image that shows less than this share of the frame's field of view shows no front with what lies about it.
_LEAST_FRAME = 0.1
_LEAST_BLOCK = 0.01
_BEYOND = 0.2
#: Doubt above which a frame is no front that the model knows: four of 123 Landsat images lie above it, by models that
#: had not seen their glaciers.
_DOUBT = 0.42
#: Local spread over local mean: 0.194 at most in Landsat images, 0.19 to 0.4 in radar images with their speckle.
_ROUGHNESS = 0.2
_NEIGHBOURHOOD_PX = 5


@dataclass(frozen=True)
class Checked:
    """How the values of an image are to be read, and what is to be said of them.

    Attributes
    ----------
    values : PixelReading
    notes : tuple of str
        What was assumed, in sentences.
    doubts : tuple of str
        What is known against the image; kept with what is measured from it.
    """

    values: PixelReading
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def check_values(sample: NDArray[np.float32], *, spec: ModelSpec, values: PixelReading, name: str) -> Checked:
    """Return how an image is to be read for a model, by a sample of its values.

    Parameters
    ----------
    sample : (C, H, W) float32
        As ``values`` reads them, NaN where not observed.
    spec : ModelSpec
    values : PixelReading
        What was told.
    name : str
        Of the file.

    Raises
    ------
    InputError
        If the image is constant, or holds values that the model cannot mean.
    """
    notes: list[str] = []
    doubts: list[str] = []
    told = values
    if values.trust_header and not values.nodata and not values.decibels:
        stored = values.stored(sample)
        found = sorted({value for value in map(suspected_nodata, stored) if value is not None})
        if _NO_DATA_CLASS in spec.classes:
            # Such a model has learned what was not observed by its zeros, and has a class for it.
            found = [value for value in found if value != 0]
        if found:
            told = replace(told, nodata=tuple(found))
            shown = ", ".join(f"{value:g}" for value in found)
            notes.append(
                f"{name}: {shown} is taken for not observed, though the file does not say so; --nodata none keeps it"
            )
            sample = np.where(np.isin(stored, np.array(found, dtype=np.float32)), np.float32(np.nan), sample)
    seen = np.asarray(np.isfinite(sample).any(axis=0))
    if not seen.any():
        raise InputError(f"{name}: no pixel is observed (all nodata or NaN); there is nothing to segment")
    if _is_decibels(sample, spec):
        told = replace(told, decibels=True)
        notes.append(f"{name}: its values are decibels and were made linear, as the model expects")
        sample = np.power(np.float32(10), sample / 10)
    doubts += _constant_bands(sample, spec, name)
    if share := _share_saturated(sample):
        doubts.append(f"{share:.0%} of its pixels are saturated")
    block = _block_of_zeros(sample)
    if block > _LEAST_BLOCK and not values.nodata and values.trust_header and 0.0 not in told.nodata:
        notes.append(
            f"{name}: {block:.0%} of it is one block of zeros and taken as measured; where that was not observed, say "
            "--nodata 0"
        )
    if spec.frame.up == "any" and (share := _share_unobserved(seen)) > _UNOBSERVED:
        doubts.append(f"{share:.0%} of what it shows was not observed")
    _check_range(sample, spec, name)
    return Checked(told, tuple(notes), tuple(doubts))


def _share_unobserved(seen: NDArray[np.bool_]) -> float:
    """Return the share that was not observed between the outermost rows and columns that were."""
    rows, columns = (np.flatnonzero(seen.any(axis=axis)) for axis in (1, 0))
    return 1 - float(seen[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean()) if len(rows) else 1.0


def _constant_bands(sample: NDArray[np.float32], spec: ModelSpec, name: str) -> list[str]:
    """Return what is to be said of bands that hold one value and did not in training; refuse where all do."""
    known = [(label, band[np.isfinite(band)]) for band, label in zip(sample, spec.bands, strict=True)]
    shown = [(label, values) for label, values in known if values.size]
    flat = [(label, values[0]) for label, values in shown if values.min() == values.max()]
    if len(flat) == len(shown):
        label, value = flat[0]
        raise InputError(f"{name}: band '{label}' is {value:g} everywhere; there is nothing to be seen in it")
    # A band of quality, or a mode of the sensor, may be one number in all of a data set.
    always = {label for label, (low, high) in zip(spec.bands, spec.seen, strict=False) if low == high}
    return [f"band '{label}' is {value:g} everywhere" for label, value in flat if label not in always]


def _block_of_zeros(sample: NDArray[np.float32]) -> float:
    """Return the share of the pixels in the largest block that is zero in every band."""
    labels, count = ndimage.label((sample == 0).all(axis=0))
    return float(np.bincount(labels.ravel())[1:].max() / labels.size) if count else 0.0


def unlike_reason(image: NDArray[np.float32], *, doubt: float, spec: ModelSpec) -> str:
    """Return why an image is unlike those that a front model was trained on, or ``""``.

    Parameters
    ----------
    image : (C, h, w) float32
        In the frame of the model, NaN where not observed.
    doubt : float
        See :func:`.orientation.doubt_about`.
    spec : ModelSpec
        ``scores`` may hold a limit of its own, ``doubt_limit``.
    """
    seen = np.asarray(np.isfinite(image).any(axis=0))
    if (share := _share_unobserved(seen)) > _UNOBSERVED:
        return f"unlike the images {spec.name} was trained on: {share:.0%} of its frame was not observed"
    frame = spec.frame
    usual = frame.height_px * frame.width_px
    if usual and (shown := float(seen.sum()) / usual) < _LEAST_FRAME:
        return f"unlike the images {spec.name} was trained on: it shows {shown:.0%} of the ground that these do"
    limit = spec.scores.get("doubt_limit", _DOUBT)
    if doubt > limit:
        return f"unlike the images {spec.name} was trained on: it is unsure all over ({doubt:.2f}, usually 0.1)"
    roughness = _roughness(image[0])
    if roughness > _ROUGHNESS:
        return (
            f"unlike the images {spec.name} was trained on: as grainy as radar ({roughness:.2f} of the brightness, "
            "usually 0.10)"
        )
    return ""


def _roughness(band: NDArray[np.float32]) -> float:
    """Return the median of the local spread over the local mean of a band."""
    seen = np.isfinite(band)
    if not seen.any():
        return 0.0
    values = np.where(seen, band, 0).astype(np.float64)
    count = np.maximum(ndimage.uniform_filter(seen.astype(np.float64), _NEIGHBOURHOOD_PX), 1e-9)
    mean = ndimage.uniform_filter(values, _NEIGHBOURHOOD_PX) / count
    square = ndimage.uniform_filter(values**2, _NEIGHBOURHOOD_PX) / count
    spread = np.sqrt(np.maximum(square - mean**2, 0))[seen]
    least = 0.05 * abs(float(values[seen].mean()))
    return float(np.median(spread / np.maximum(np.abs(mean[seen]), least))) if least > 0 else 0.0


def _is_decibels(sample: NDArray[np.float32], spec: ModelSpec) -> bool:
    """Return whether values are decibels where the model saw linear ones: negative nearly all, within 80."""
    if spec.seen and min(low for low, _ in spec.seen) < 0:
        return False
    rule = spec.normalisation
    if rule.kind == "fixed" and not rule.log and not any(rule.log_bands) and min(rule.mean) < 0:
        return False
    if rule.low and min(rule.low) < 0 and not any(rule.log_bands):
        return False
    known = sample[np.isfinite(sample)]
    return bool(np.median(known) < 0 and (known < 0).mean() > 0.75 and known.min() > -80 and known.max() < 40)


def _share_saturated(sample: NDArray[np.float32]) -> float:
    """Return the share of pixels at the largest value of their band, 0 where it is small."""
    shares = []
    for band in sample:
        known = band[np.isfinite(band)]
        if known.size:
            shares.append(float((known == known.max()).mean()))
    most = max(shares, default=0.0)
    return most if most > _SATURATED else 0.0


def _check_range(sample: NDArray[np.float32], spec: ModelSpec, name: str) -> None:
    """Refuse values in another unit than the model saw, where it does not normalise them by the image itself."""
    if spec.normalisation.kind == "image" or spec.normalisation.percentiles or not spec.seen:
        return
    strange = []
    for band, label, (low, high) in zip(sample, spec.bands, spec.seen, strict=True):
        known = band[np.isfinite(band)]
        room = max(high - low, 1e-6 * max(abs(low), abs(high)))
        beyond = (known < low - room) | (known > high + room)
        flat = known.size and high > low and float(np.percentile(known, 99) - np.percentile(known, 1)) < 1e-3 * room
        if known.size and (float(beyond.mean()) > _BEYOND or flat):
            strange.append(f"{label} {known.min():g} to {known.max():g} (seen: {low:g} to {high:g})")
    if strange:
        raise InputError(
            f"{name}: values in another unit than {spec.name} was trained on: {', '.join(strange[:3])}; convert them "
            "with --scale FACTOR,OFFSET, or choose other bands with --bands"
        )
