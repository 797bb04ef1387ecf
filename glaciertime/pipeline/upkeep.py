"""What a run owes the archive: its results are stored whoever is in the way, and rows of other files are told of."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import replace

from glaciertime.archive import Archive
from glaciertime.archive.connection import is_in_use
from glaciertime.errors import ArchiveError, GlacierTimeError
from glaciertime.naming import counted
from glaciertime.pipeline.held import held_of
from glaciertime.pipeline.rulers import rulers_in
from glaciertime.pipeline.tracking import TrackOutcome, store
from glaciertime.provenance import Run
from glaciertime.record import GlacierRecord
from glaciertime.track import Tracked
from glaciertime.track.record.screening import screening_notes

__all__ = ["Store", "from_before", "other_inputs", "with_notes_of_the_record"]

_NAMES_SHOWN = 3


class Store:
    """Stores outcomes as they come; waits for other processes as long as the work has taken, and loses nothing.

    Where the archive cannot be had in the end, the outcome goes into a new one beside it, and so do those after it;
    :meth:`finish` says so.

    Parameters
    ----------
    archive : Archive
        Its ``wait_seconds`` are the least time to wait.
    run : Run, optional
        The run whose outcomes they are.
    """

    def __init__(self, archive: Archive, *, run: Run | None = None) -> None:
        self.archive = archive
        self._run = run
        self._start = time.monotonic()
        self._aside: Archive | None = None
        self._reason = ""

    @property
    def is_aside(self) -> bool:
        """Whether outcomes go into another archive, because this one cannot be had."""
        return self._aside is not None

    def store(self, outcome: TrackOutcome) -> tuple[str, ...]:
        """Store an outcome; return the images whose earlier, good measurement was kept instead of a failure."""
        if outcome.tracked is None:
            return ()
        if self._aside is not None:
            return store(outcome, self._aside, run=self._run)
        worked_seconds = time.monotonic() - self._start
        patient = Archive(
            self.archive.path, tell=self.archive.tell, wait_seconds=max(self.archive.wait_seconds, worked_seconds)
        )
        try:
            return store(outcome, patient, run=self._run)
        except (ArchiveError, KeyboardInterrupt) as error:
            path = self.archive.path
            if isinstance(error, ArchiveError) and not is_in_use(error):
                raise  # a disk that is full, or a file that is no archive: nothing beside it would go better
            aside = Archive(self.archive.beside(f"unstored-{os.getpid()}"), tell=self.archive.tell)
            try:
                kept = store(outcome, aside, run=self._run)
            except GlacierTimeError:
                raise error from None
            self._aside, self._reason = aside, str(error) or f"archive {path}: the wait for it was broken off"
            if isinstance(error, KeyboardInterrupt):
                self.archive.tell(self._sentence())
                raise
            return kept

    def finish(self) -> None:
        """Say where outcomes are that did not get into the archive.

        Raises
        ------
        ArchiveError
            Where there are some.
        """
        if self._aside is not None:
            raise ArchiveError(self._sentence())

    def _sentence(self) -> str:
        assert self._aside is not None
        reason = self._reason.partition(";")[0]
        return (
            f"{reason}; nothing is lost: what was measured is in {self._aside.path}, and glaciertime archive merge "
            f"{self.archive.path} {self._aside.path} puts it in"
        )


def from_before(outcome: TrackOutcome, archive: Archive) -> TrackOutcome:
    """Return the outcome of a glacier that was not measured again, with what the archive holds of its scenes."""
    name, dataset = outcome.glacier, outcome.dataset
    source = "simulated" if outcome.simulated else "observed"
    images = {image for _, _, image, _ in outcome.inputs}
    rows = archive.read("observations", glacier=name, dataset=dataset, source=source)
    fronts = GlacierRecord(archive, name, source=source).shown_fronts()
    tracked = Tracked(
        fronts=fronts[(fronts["dataset"] == dataset) & fronts["ImageID"].isin(images)].reset_index(drop=True),
        observations=rows[rows["image_id"].isin(images)].reset_index(drop=True),
        footprints=archive.read("footprints", glacier=name, dataset=dataset, source=source),
        rulers=rulers_in(held_of(archive, name), glacier=name, dataset=dataset, source=source),
    )
    notes = screening_notes(tracked.observations)
    return replace(outcome, tracked=tracked, notes=(*outcome.notes, *notes))


def other_inputs(archive: Archive, outcome: TrackOutcome) -> list[str]:
    """Return, as sentences, what the archive holds of a glacier from files that this run did not read.

    A file that was renamed or deleted leaves rows that nothing replaces; they count in every series until
    ``track --prune`` or ``forget`` takes them out.
    """
    name = outcome.glacier
    gone = archive.gone_inputs(name)
    old = {key: source for key, source in gone.images.items() if key not in gone.renamed}
    out = []
    if gone.renamed:
        pairs = [f"{_file(gone.images[key])} is now {new}?" for key, new in gone.renamed.items()]
        out.append(
            f"{name}: {counted(len(gone.renamed), 'images', 'are')} there twice, once from a file that is gone "
            f"({_some(pairs)}); both "
            "count in the series: add --prune to take the old ones out"
        )
    if old:
        out.append(
            f"{name}: {counted(len(old), 'images', 'come')} from files that are gone "
            f"({_some(map(_file, old.values()))}) and still "
            "count in the series: add --prune to take them out, --prune --dry-run to see what would go"
        )
    if gone.away:
        folders = dict.fromkeys(os.path.dirname(source) for source in gone.away.values())
        out.append(
            f"{name}: {counted(len(gone.away), 'images', 'come')} from folders that are not there or empty "
            f"({_some(folders)}) and "
            f"stay; if they are gone for good, glaciertime forget --glacier '{name}' --dataset NAME takes them out"
        )
    seen = {entry[:3] for entry in outcome.inputs} | set(gone.images) | set(gone.away)
    datasets = sorted({entry[1] for entry in outcome.inputs})
    held = archive.read("inputs", glacier=name, dataset=datasets) if datasets else archive.read("inputs", glacier=[])
    rows = held[["glacier", "dataset", "image_id", "input"]].itertuples(index=False, name=None)
    others = [source for *key, source in rows if tuple(key) not in seen]
    if others:
        out.append(
            f"{name}: {len(others)} more images of {', '.join(datasets)} are in the archive, from files that this run "
            f"did not read ({_some(map(_file, others))}); they stay in the series"
        )
    return out


def with_notes_of_the_record(archive: Archive, outcome: TrackOutcome) -> TrackOutcome:
    """Return an outcome that says which series cannot be screened of all that the archive holds, not of one run."""
    tracked = outcome.tracked
    if tracked is None or tracked.screening is None or tracked.observations.empty:
        return outcome
    told = screening_notes(tracked.observations, settings=tracked.screening)
    datasets = tracked.observations["dataset"].unique()
    held = archive.read("observations", glacier=outcome.glacier, dataset=datasets)
    notes = [text for text in outcome.notes if text not in told]
    return replace(outcome, notes=(*notes, *screening_notes(held, settings=tracked.screening)))


def _file(source: str) -> str:
    return os.path.basename(source) or source


def _some(names: Iterable[str]) -> str:
    every = list(dict.fromkeys(names))
    return ", ".join(every[:_NAMES_SHOWN]) + (", ..." if len(every) > _NAMES_SHOWN else "")
