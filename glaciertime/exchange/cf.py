"""What a NetCDF file breaks of the CF conventions, of the parts that files of ours use.

Checked are, of CF-1.10: 2.3 names, 2.6.1 Conventions, 3.1 units, 3.3 standard names with their units, 3.4 ancillary
variables, 3.5 flags, 4.4 time, 5.6 grid mappings, 7.1 bounds, 9 discrete sampling geometries.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from glaciertime.errors import InputError

__all__ = ["cf_problems"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_WORD = re.compile(r"[A-Za-z0-9_\-.+@]+")
_TIME = re.compile(r"(days|hours|minutes|seconds|day|hour|second|d|h|s) since \d{1,4}-\d{1,2}-\d{1,2}.*")
#: A length as UDUNITS writes it; the foot of a survey is so many m.
_LENGTH = re.compile(r"(\d+(\.\d+)?(e-?\d+)? )?(m|km)|US_survey_foot|international_foot|foot")
#: Standard names that files of ours may use, with their units.
_STANDARD = {
    "time": _TIME, "latitude": re.compile("degrees_north"), "longitude": re.compile("degrees_east"),
    "projection_x_coordinate": _LENGTH, "projection_y_coordinate": _LENGTH,
    "land_ice_area_fraction": re.compile("1|percent"),
}  # fmt: skip
_MAPPINGS = {
    "polar_stereographic", "transverse_mercator", "latitude_longitude", "lambert_azimuthal_equal_area", "mercator",
    "lambert_conformal_conic", "stereographic", "albers_conical_equal_area", "azimuthal_equidistant",
    "lambert_cylindrical_equal_area", "oblique_mercator", "orthographic", "sinusoidal", "rotated_latitude_longitude",
}  # fmt: skip
_FEATURES = {"timeseries", "point", "trajectory", "profile", "timeseriesprofile", "trajectoryprofile"}


def cf_problems(path: Path) -> list[str]:
    """Return what of the CF conventions a file breaks, a sentence each; nothing where it keeps them.

    Raises
    ------
    InputError
        Where the file is no NetCDF.
    """
    import netCDF4

    try:
        with netCDF4.Dataset(path) as held:
            held.set_auto_maskandscale(False)
            return [*_of_file(held), *(one for name in held.variables for one in _of_variable(held, name))]
    except OSError as error:
        raise InputError(f"{path.name} is no NetCDF file ({error.strerror or error})") from error


def _attribute(held: Any, name: str) -> Any:
    return held.getncattr(name) if name in held.ncattrs() else None


def _of_file(held: Any) -> list[str]:
    found = []
    named = str(_attribute(held, "Conventions") or "")
    if not re.search(r"CF-1\.\d+", named):
        found.append(f"the attribute Conventions is '{named}', CF-1.x expected")
    feature = _attribute(held, "featureType")
    roles = [name for name, one in held.variables.items() if _attribute(one, "cf_role")]
    if feature is not None:
        if str(feature).casefold() not in _FEATURES:
            found.append(f"featureType '{feature}' is none of the conventions")
        if len(roles) != 1:
            found.append(f"{len(roles)} variables have a cf_role, one expected")
        for name in roles:
            values = held[name][:]
            if len(set(map(str, np.ravel(values)))) != np.size(values):
                found.append(f"{name}: the names of its cf_role are not all different")
    return found


class _Variable:
    """A variable with the file that it stands in."""

    def __init__(self, held: Any, name: str) -> None:
        self.held, self.name, self.own = held, name, held[name]

    def told(self, attribute: str) -> Any:
        return _attribute(self.own, attribute)

    def values(self) -> np.ndarray:
        return np.asarray(self.own[:])

    def is_text(self) -> bool:
        return self.own.dtype is str or getattr(self.own.dtype, "kind", "") in "SU"

    def named(self, attribute: str, there: Collection[str]) -> tuple[str, list[str]]:
        """Return what an attribute names, and that it is not there; nothing where there is no such attribute."""
        other = self.told(attribute)
        if other is None:
            return "", []
        return ("", [f"{attribute} names {other}, which is not there"]) if other not in there else (str(other), [])


def _of_variable(held: Any, name: str) -> list[str]:
    kinds = (_names, _units, _time, _flags, _references, _bounds, _mapping, _samples, _fill)
    return [f"{name}: {said}" for kind in kinds for said in kind(_Variable(held, name))]


def _names(one: _Variable) -> list[str]:
    return [] if _NAME.fullmatch(one.name) else ["a name begins with a letter and has letters, digits and underscores"]


def _units(one: _Variable) -> list[str]:
    unit, standard = one.told("units"), one.told("standard_name")
    described = {_attribute(other, "bounds") for other in one.held.variables.values()}
    mappings = {str(_attribute(other, "grid_mapping")) for other in one.held.variables.values()}
    free = one.is_text() or one.name in described | mappings or one.told("flag_meanings") is not None
    free = free or one.told("sample_dimension") is not None or one.told("instance_dimension") is not None
    found = []
    if unit is None and not free:
        found.append("it has no units")
    if unit is not None and not str(unit).strip():
        found.append("its units are empty; 1 is written for none")
    if standard is not None:
        wanted = _STANDARD.get(str(standard).split(" ")[0])
        if wanted is None:
            found.append(f"standard_name '{standard}' is not known here")
        elif not wanted.fullmatch(str(unit)):
            found.append(f"units '{unit}' do not go with the standard_name {standard}")
    if one.told("long_name") is None and standard is None and one.name not in described | mappings:
        found.append("it has neither a standard_name nor a long_name")
    return found


def _time(one: _Variable) -> list[str]:
    unit = str(one.told("units") or "")
    if " since " not in unit:
        return []
    found = [] if _TIME.fullmatch(unit) else [f"units '{unit}' are none of a time"]
    if one.told("calendar") is None and one.told("standard_name") == "time":
        found.append("a time has a calendar")
    values = one.values().astype(float)
    if not np.isfinite(values).all():
        found.append("a coordinate has no missing values")
    return found


def _flags(one: _Variable) -> list[str]:
    meanings, found = one.told("flag_meanings"), []
    values, masks = one.told("flag_values"), one.told("flag_masks")
    if meanings is None:
        return ["flag_values or flag_masks without flag_meanings"] if values is not None or masks is not None else []
    words = str(meanings).split()
    if not all(_WORD.fullmatch(word) for word in words):
        found.append("a word of flag_meanings holds a sign that it may not")
    if values is None and masks is None:
        return [*found, "flag_meanings without flag_values or flag_masks"]
    for label, told in (("flag_values", values), ("flag_masks", masks)):
        if told is None:
            continue
        if np.size(told) != len(words):
            found.append(f"{np.size(told)} {label} for {len(words)} flag_meanings")
        if np.asarray(told).dtype != one.own.dtype:
            found.append(f"{label} are {np.asarray(told).dtype}, the variable {one.own.dtype}")
        if label == "flag_masks" and not np.all(np.atleast_1d(told) != 0):
            found.append("a mask is zero")
        if len(set(np.atleast_1d(told).tolist())) != np.size(told):
            found.append(f"two {label} are equal")
    if masks is None and values is not None:
        fill = one.told("_FillValue")
        seen = set(np.unique(one.values()).tolist()) - set(np.atleast_1d(values).tolist()) - {fill}
        if seen:
            found.append(f"values that no flag stands for: {sorted(seen)[:5]}")
    return found


def _references(one: _Variable) -> list[str]:
    found = []
    for label in ("ancillary_variables", "coordinates"):
        for other in str(one.told(label) or "").split():
            if other not in one.held.variables:
                found.append(f"{label} names {other}, which is not there")
            elif not set(one.held[other].dimensions) <= set(one.own.dimensions) and label == "ancillary_variables":
                found.append(f"{label} names {other}, which has other dimensions")
    return found


def _bounds(one: _Variable) -> list[str]:
    other, missing = one.named("bounds", one.held.variables)
    if not other:
        return missing
    edges = one.held[other]
    if edges.dimensions[:-1] != one.own.dimensions or edges.shape[-1] != 2:
        return [f"the bounds {other} have shape {edges.shape}, the variable {one.own.shape}"]
    found = []
    low, high = np.sort(np.asarray(edges[:], dtype=float), axis=-1).reshape(-1, 2).T
    middle = np.ravel(one.values()).astype(float)
    if not ((low <= middle) & (middle <= high)).all():
        found.append(f"a value lies outside of its bounds {other}")
    unit = _attribute(edges, "units")
    if unit is not None and unit != one.told("units"):
        found.append(f"the bounds {other} have other units")
    return found


def _mapping(one: _Variable) -> list[str]:
    other, missing = one.named("grid_mapping", one.held.variables)
    if not other:
        return missing
    known = _attribute(one.held[other], "grid_mapping_name")
    found = [] if known in _MAPPINGS else [f"grid_mapping_name '{known}' is none of the conventions"]
    there = [axis for axis in one.own.dimensions if axis in one.held.variables]
    axes = {_attribute(one.held[axis], "standard_name") for axis in there}
    wanted = {"latitude", "longitude"} if known == "latitude_longitude" else {
        "projection_x_coordinate", "projection_y_coordinate"}  # fmt: skip
    if not wanted <= axes:
        found.append(f"a grid of {known} has the coordinates {' and '.join(sorted(wanted))}")
    return found


def _samples(one: _Variable) -> list[str]:
    sample, missing = one.named("sample_dimension", one.held.dimensions)
    if not sample:
        return missing
    total, size = int(np.sum(one.values())), len(one.held.dimensions[sample])
    return [] if total == size else [f"its counts add up to {total}, the dimension {sample} has {size}"]


def _fill(one: _Variable) -> list[str]:
    fill = one.told("_FillValue")
    if fill is not None and not one.is_text() and np.asarray(fill).dtype != one.own.dtype:
        return [f"_FillValue is {np.asarray(fill).dtype}, the variable {one.own.dtype}"]
    return []
