"""Observations that are unlike the rest of a record, and jumps of its level: found by what setting them aside gains.

An event inflates the very variances by which it would be judged. What counts is therefore how likely the record can
be made with the event set aside, against how likely it can be made without.
"""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.local.scaled import ScaledRecord

__all__ = ["find_events"]

#: How much the maximised log-likelihood must gain per event to be believed.
_GAIN = 10.0
_KINDS = ("outlier", "break")
_MAX_EVENTS = 3
#: How many of the most surprising observations are looked at, and how many events are fitted in full.
_SURPRISES = 6
_FITTED = 2

Event = tuple[str, int]


def find_events(record: ScaledRecord) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the indices of outliers, and of observations before which the level jumped.

    The first observation and the last two are never among them: an outlier and a jump look alike there. Up to three
    events are found together, each by the one that gains most beside those before it.
    """
    start = now = float(record.evaluate()[1].max())
    found: list[Event] = []
    believed = 0
    for _ in range(_MAX_EVENTS):
        trials = _trials(record)
        if not trials:
            break
        record, best, event = max(trials, key=lambda trial: trial[1])
        if best <= now:
            break
        now = best
        found.append(event)
        # One of several events alone may gain little while the others still inflate the variances.
        if now - start >= _GAIN * len(found):
            believed = len(found)
    outliers, breaks = (sorted(index for name, index in found[:believed] if name == kind) for kind in _KINDS)
    return tuple(outliers), tuple(breaks)


def _trials(record: ScaledRecord) -> list[tuple[ScaledRecord, float, Event]]:
    """Return the record without each of the likeliest events, and how likely that can be made."""
    from glaciertime.forecast.local.filter import innovations

    rows, likelihood = record.evaluate()
    top = int(np.argmax(likelihood))
    row, now = rows[top], float(likelihood[top])
    surprise = np.abs(innovations(record.years, record.values, record.noise, record.shift, row, record.harmonics))
    # What is unlike the rest surprises when it comes, or when the next value does not follow it.
    large = np.argsort(surprise, kind="stable")[::-1][:_SURPRISES]
    indices = sorted({int(i) for i in large} | {int(i) - 1 for i in large})
    known = {*record.apart, *record.breaks}
    events = [(kind, i) for i in indices if 1 <= i < len(record.years) - 2 and i not in known for kind in _KINDS]
    if not events:
        return []
    gains = _quick(record, events, record.with_scales(row[None])) - now
    likeliest = np.argsort(-gains, kind="stable")[:_FITTED]
    made = [(_without(record, events[k]), events[k]) for k in likeliest if gains[k] > 0]
    return [(other, float(other.evaluate()[1].max()), event) for other, event in made]


def _without(record: ScaledRecord, event: Event) -> ScaledRecord:
    """Return the record with one more event set aside."""
    other = copy.copy(record)
    other.noise, other.shift = record.noise.copy(), record.shift.copy()
    kind, index = event
    other.set_apart((index,) if kind == "outlier" else (), (index,) if kind == "break" else ())
    return other


def _quick(record: ScaledRecord, events: list[Event], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how likely the record is without each event (E,) under a few rows: no more than it can be made."""
    from glaciertime.forecast.local.filter_rows import filter_without

    places = np.array([index for _, index in events], dtype=np.int64)
    is_break = np.array([kind == "break" for kind, _ in events])
    sums = filter_without(record.years, record.values, record.noise.copy(), record.shift.copy(), rows,
                          record.harmonics, places, is_break, record.wide)  # fmt: skip
    likelihood = record.likelihood_of(sums.reshape(-1, 3), events=record.events + 1)[1]
    return np.asarray(likelihood.reshape(len(events), len(rows)).max(axis=1))
