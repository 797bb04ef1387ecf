"""What models across glaciers learn from in an archive: read once a command, and kept, so that it is learned once.

Beside the downloads a folder for each archive keeps what was made of the values of each series, and what trees answered
that were trained on them. It is of this code, these libraries and exactly these values, or it is not taken: whatever is
missing, or of other values, is computed and kept in its place. It may be deleted at any time, and changes no number.
"""

from __future__ import annotations

import hashlib
import io
import logging
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glaciertime.archive import Place
from glaciertime.errors import GlacierTimeError
from glaciertime.forecast.learned.bank import bank_of
from glaciertime.forecast.learned.kept import name_of_arrays
from glaciertime.forecast.learned.past import Past, pasts_of
from glaciertime.forecast.learned.pool import Pool, pool_of
from glaciertime.forecast.models import get_models
from glaciertime.forecast.series import Series, series_from_observations
from glaciertime.provenance.versions import code_digest, library_version
from glaciertime.record import GlacierRecord
from glaciertime.scenes.download import downloads_folder
from glaciertime.writing import write_bytes

__all__ = ["KeptLearning", "Learning", "learned_folder", "learning_of", "other_glaciers"]

_log = logging.getLogger("glaciertime.forecast")
_LIBRARIES = ("numpy", "scipy", "numba", "scikit-learn")
#: Answers of trees are kept up to this size, and so many of them: beyond, they are cheaper to learn than to keep.
_ANSWER_BYTES, _ANSWERS = 8_000_000, 1024
_OF_VALUES, _OF_ORIGINS = ("days", "values", "sigma"), ("index", "scale", "drift", "features")
_OF_ROWS = ("owner", "target", "ahead", "mean", "spread", "walk")


def learned_folder(place: Place) -> Path:
    """Return where what was learned from an archive is kept."""
    where = str(place.resolve() if isinstance(place, Path) else place)
    return downloads_folder() / "learned" / hashlib.sha256(where.encode()).hexdigest()[:16]


@lru_cache(maxsize=1)
def _made_by() -> str:
    return ", ".join([code_digest(), platform.machine(), *(f"{name} {library_version(name)}" for name in _LIBRARIES)])


class KeptLearning:
    """A folder that keeps what was learned; see :class:`glaciertime.forecast.learned.kept.Kept`.

    Parameters
    ----------
    folder : Path
        Need not be there; where it cannot be written, everything is learned again each time.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: dict[str, dict[str, Past]] = {}
        self._current: dict[tuple[str, str], list[Series]] = {}
        self._pools: dict[tuple[str, str, int], tuple[tuple[Series, ...], Pool]] = {}

    def pasts(self, series_list: Sequence[Series], *, jobs: int = 1, is_all: bool = False) -> list[Past]:
        """Return the past of each series of one variable; what is new is kept.

        Parameters
        ----------
        series_list : sequence of Series
        jobs : int
            Processes.
        is_all : bool
            Whether these are all there are: what is kept of others is dropped.
        """
        if not series_list:
            return []
        group = name_of_arrays(*sorted({(series.variable, series.source) for series in series_list}))[:16]
        held = self._held.get(group)
        if held is None:
            held = self._held[group] = self._read(group)
        names = ["\x1f".join((*series.key, series.unit, series.source)) for series in series_list]
        before = [held.get(name) for name in names]
        is_known = [past is not None and past.is_of(one) for past, one in zip(before, series_list, strict=True)]
        if all(is_known):
            found = [past for past in before if past is not None]
        else:
            found = pasts_of(series_list, before, jobs=jobs)
        if not all(is_known) or (is_all and len(held) > len(names)):
            held = {**({} if is_all else held), **dict(zip(names, found, strict=True))}
            self._held[group] = held
            self._write(f"pasts-{group}.npz", _packed(held))
        _log.info("%d of %d series known from before", sum(is_known), len(names))
        return found

    def bring_up_to_date(self, series_list: list[Series], *, jobs: int) -> None:
        """Keep the pasts of all the series that there are; nothing is looked at again for the same list."""
        key = (series_list[0].variable, series_list[0].source)
        if series_list is not self._current.get(key):
            self.pasts(series_list, jobs=jobs, is_all=True)
            self._current[key] = series_list

    def pool(self, series_list: Sequence[Series], *, seed: int, jobs: int = 1) -> Pool:
        """Return the pool of series of one variable; the one that was made last, if it is of the same series."""
        key = (series_list[0].variable, series_list[0].source, seed)
        series, pool = self._pools.get(key, ((), None))
        if pool is None or list(map(id, series)) != list(map(id, series_list)):
            each = {one.key: one for one in series_list}
            ordered = [each[name] for name in sorted(each)]
            bank = bank_of(ordered, self.pasts(ordered, jobs=jobs))
            pool = pool_of(bank, variable=key[0], seed=seed, kept=self)
            self._pools[key] = (tuple(series_list), pool)
        return pool

    def answers(self, name: str) -> NDArray[np.float64] | None:
        """Return what trees answered that were trained on what bears a name; None where it is not known."""
        content = _read_or_none((self.folder / self._file(name)).read_bytes)
        # In a ZIP, whose checksum tells that every bit is as it was kept.
        return None if content is None else _read_or_none(lambda: np.load(io.BytesIO(content))["answers"])

    def keep_answers(self, name: str, answers: NDArray[np.float64]) -> None:
        """Keep what trees answered."""
        if answers.nbytes > _ANSWER_BYTES:
            return
        made = io.BytesIO()
        np.savez(made, allow_pickle=False, answers=answers)
        self._write(self._file(name), made.getvalue())
        try:
            kept = sorted(self.folder.glob("answers-*.np[yz]"), key=lambda path: path.stat().st_mtime)
            for path in kept[:-_ANSWERS]:
                path.unlink()
        except OSError:
            pass  # another process is at it

    def _file(self, name: str) -> str:
        return f"answers-{name_of_arrays(_made_by(), name)[:32]}.npz"

    def _read(self, group: str) -> dict[str, Past]:
        path = self.folder / f"pasts-{group}.npz"
        return _read_or_none(lambda: _unpacked(path.read_bytes())) or {}

    def _write(self, name: str, content: bytes) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_bytes(self.folder / name, content, overwrite=True)
        except (OSError, GlacierTimeError) as error:
            _log.info("what was learned is not kept: %s", error)


def _read_or_none(read: Callable[[], Any]) -> Any:
    """Return what is kept; None where there is nothing, or it is damaged: then it is made again."""
    try:
        return read()
    except FileNotFoundError:
        return None
    except Exception as error:  # whatever a damaged file raises
        _log.info("what was learned before cannot be read: %s", error)
        return None


def _packed(held: dict[str, Past]) -> bytes:
    pasts = list(held.values())
    columns = {
        name: np.concatenate([getattr(past, name) for past in pasts]) for name in (*_OF_VALUES, *_OF_ORIGINS, *_OF_ROWS)
    }
    counts = np.array([[len(past.days), len(past.index), len(past.owner)] for past in pasts], dtype=np.int64)
    made = io.BytesIO()
    np.savez(made, allow_pickle=False, by=np.array([_made_by()]), names=np.array(list(held)), counts=counts, **columns)
    return made.getvalue()


def _unpacked(content: bytes) -> dict[str, Past]:
    with np.load(io.BytesIO(content), allow_pickle=False) as kept:
        if kept["by"].tolist() != [_made_by()]:
            return {}
        columns = {name: kept[name] for name in (*_OF_VALUES, *_OF_ORIGINS, *_OF_ROWS)}
        names, ends = kept["names"].tolist(), np.cumsum(np.vstack([[0, 0, 0], kept["counts"]]), axis=0)
    out = {}
    for place, name in enumerate(names):
        parts: dict[str, Any] = {}
        for which, some in enumerate((_OF_VALUES, _OF_ORIGINS, _OF_ROWS)):
            here = slice(int(ends[place, which]), int(ends[place + 1, which]))
            parts |= {column: columns[column][here] for column in some}
        out[name] = Past(**parts)
    return out


@lru_cache(maxsize=4)
def _kept(folder: Path) -> KeptLearning:
    return KeptLearning(folder)


#: The series of a variable of an archive, as the last command read them: (command, place, variable, source).
_read_before: dict[tuple[str, str, str, str], list[Series]] = {}


def _series_held(record: GlacierRecord, series: Series, *, command: str) -> list[Series]:
    """Return the series of all glaciers of the same variable and source, read once a command."""
    key = (command, str(record.archive.path), series.variable, series.source)
    if command and key in _read_before:
        return _read_before[key]
    rows = record.archive.read("observations", variable=series.variable, source=series.source)
    found = series_from_observations(rows) if rows["value"].notna().any() else []
    if command:
        for other in [other for other in _read_before if other[0] != command]:
            del _read_before[other]
        _read_before[key] = found
    return found


def other_glaciers(
    record: GlacierRecord, series: Series, *, models: Sequence[str], command: str = ""
) -> list[Series]:  # fmt: skip
    """Return the series of the same variable of other glaciers; none where no model learns from them.

    Parameters
    ----------
    record : GlacierRecord
        Of the glacier whose series is forecast; the others are those of its archive.
    series : Series
    models : sequence of str
    command : str, optional
        What one command reads under one name of its own it reads once, for all its glaciers.
    """
    if not any(model.is_global for model in get_models(models)):
        return []
    return [one for one in _series_held(record, series, command=command) if one.glacier != series.glacier]


@dataclass(frozen=True)
class Learning:
    """What models across glaciers learn from for a series of an archive."""

    #: All series of the variable and source, the glacier's own included: the same for each of its glaciers, so that
    #: what was learned serves all. What is learned of a glacier's fold is not asked about the glacier.
    training: list[Series] = field(default_factory=list)
    others: list[Series] = field(default_factory=list)
    kept: KeptLearning | None = None

    def answer(self, cutoffs: NDArray[np.float64], *, jobs: int) -> None:
        """Let trees answer what is asked at some cutoffs, and keep it for the processes that ask.

        Parameters
        ----------
        cutoffs : (N,) float64
            Years since 1970.
        jobs : int
            Processes.
        """
        if self.kept is not None:
            self.kept.pool(self.training, seed=0, jobs=jobs).answer(cutoffs, jobs=jobs)


def learning_of(
    record: GlacierRecord, series: Series, *, models: Sequence[str], command: str = "", jobs: int = 1
) -> Learning:
    """Return what models across glaciers learn from, brought up to date; nothing where none of them does.

    Parameters
    ----------
    record, series, models, command
        As of :func:`other_glaciers`.
    jobs : int
        Processes.
    """
    if not any(model.is_global for model in get_models(models)):
        return Learning()
    held = _series_held(record, series, command=command)
    others = [one for one in held if one.glacier != series.glacier]
    if not others:
        return Learning()
    kept = _kept(learned_folder(record.archive.path))
    kept.bring_up_to_date(held, jobs=jobs)
    return Learning(held, others, kept)
