"""Which pass of a satellite a file name speaks of: scenes of one day from two passes are two, tiles of one are one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Pass", "pass_in_name"]

_PLATFORM = re.compile(
    r"(?<![A-Za-z0-9])(S1[A-D]|S2[A-D]|TSX1|TDX1|RS[12]|L[COTEM]0?[1-9])(?![A-Za-z0-9])", re.IGNORECASE
)
_TIME = re.compile(r"(?<!\d)\d{8}T(\d{2})(\d{2})(\d{2})(?!\d)", re.IGNORECASE)
_ORBIT = (
    re.compile(r"(?<![A-Za-z0-9])R(\d{3})(?![A-Za-z0-9])"),
    re.compile(r"(?:orbit|orb|track|relorb|path)[-_ ]?(\d{1,3})(?!\d)", re.IGNORECASE),
    re.compile(r"L[COTEM]0?[1-9]_L\w{3}_(\d{3})\d{3}_", re.IGNORECASE),
    re.compile(r"(?<![A-Za-z])(asc|desc)(?:ending)?(?![A-Za-z])", re.IGNORECASE),
)
# The slices of one pass follow one another within minutes; the next pass comes after half an orbit, 50 minutes.
_SAME_PASS_S = 15 * 60


@dataclass(frozen=True, kw_only=True)
class Pass:
    """What a name tells of a pass: platform, orbit and second of the day; empty or None where it is silent."""

    platform: str = ""
    orbit: str = ""
    second: int | None = None

    def is_other(self, pass_: Pass) -> bool:
        """Return whether two names speak of different passes for sure."""
        for mine, other in ((self.platform, pass_.platform), (self.orbit, pass_.orbit)):
            if mine and other and mine != other:
                return True
        if self.second is None or pass_.second is None:
            return False
        return abs(self.second - pass_.second) > _SAME_PASS_S


def pass_in_name(name: str) -> Pass:
    """Return the pass that a file name tells.

    Examples
    --------
    >>> pass_in_name("S1A_IW_20140712T054512_mask.tif")
    Pass(platform='S1A', orbit='', second=20712)
    >>> pass_in_name("LC08_L1TP_217003_20150705_20200906_02_T1.tif").orbit
    '217'
    """
    stem = Path(name).stem
    platform, time = _PLATFORM.search(stem), _TIME.search(stem)
    orbit = next((match[1].lower() for pattern in _ORBIT if (match := pattern.search(stem))), "")
    second = None if time is None else 3600 * int(time[1]) + 60 * int(time[2]) + int(time[3])
    return Pass(platform=platform[1].upper() if platform else "", orbit=orbit, second=second)
