"""Some bands of a data set, in an order of one's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from glaciertime.errors import InputError, nearest_names
from glaciertime.scenes.datasets.sample import BandScaling, SampleInfo, TrainingSample

__all__ = ["ChosenBands", "choose_bands"]


@dataclass(frozen=True)
class ChosenBands:
    """A data set with some of its bands.

    Parameters
    ----------
    data : TrainingData
    places : tuple of int
        Which bands, in order.
    """

    data: Any
    places: tuple[int, ...]

    @property
    def bands(self) -> tuple[str, ...]:
        """Return the names of the bands."""
        return tuple(self.data.bands[place] for place in self.places)

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the labels."""
        return tuple(self.data.classes)

    @property
    def codes(self) -> tuple[int, ...]:
        """Return the value of each class in a mask."""
        return tuple(self.data.codes)

    @property
    def infos(self) -> Sequence[SampleInfo]:
        """Return where and when each sample was taken."""
        return self.data.infos  # type: ignore[no-any-return]

    @property
    def digests(self) -> tuple[str, ...]:
        """Return the SHA-256 of each whole image, all its bands."""
        return tuple(getattr(self.data, "digests", ()))

    @property
    def problems(self) -> tuple[str, ...]:
        """Return a sentence for each sample that could not be read."""
        return tuple(getattr(self.data, "problems", ()))

    @cached_property
    def scaling(self) -> BandScaling | None:
        """Return the scaling that the data set was published with, of these bands."""
        known: BandScaling | None = getattr(self.data, "scaling", None)
        if known is None:
            return None
        of_bands: dict[str, Any] = {}
        for name in ("low", "high", "log"):
            held = getattr(known, name)
            of_bands[name] = tuple(held[place] for place in self.places) if held else ()
        return replace(known, **of_bands)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> TrainingSample:
        sample: TrainingSample = self.data[index]
        places = list(self.places)
        return replace(sample, image=sample.image[places], present=sample.present[places])

    def __iter__(self) -> Iterator[TrainingSample]:
        return (self[index] for index in range(len(self)))


def choose_bands(data: Any, bands: Sequence[str]) -> Any:
    """Return a data set with the bands of these names, in this order; itself where none is named.

    Raises
    ------
    InputError
        For a band that it does not have, or one that is named twice.

    Examples
    --------
    >>> from glaciertime.scenes.simulate_images import SimulatedFronts
    >>> choose_bands(SimulatedFronts(count=2, size=(48, 32)), ["grey"])[1].image.shape
    (1, 48, 32)
    """
    if not bands:
        return data
    known = [name.casefold() for name in data.bands]
    places = []
    for name in bands:
        if name.casefold() not in known:
            near = nearest_names(name, data.bands) or list(data.bands)[:20]
            raise InputError(f"band '{name}' is not among the data's; nearest: {', '.join(near)}")
        if known.index(name.casefold()) in places:
            raise InputError(f"band '{name}' is named twice")
        places.append(known.index(name.casefold()))
    return ChosenBands(data, tuple(places))
