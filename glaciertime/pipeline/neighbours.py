"""What the dates of a glacier say of each other's fronts, once all images were segmented: told, never moved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glaciertime.naming import counted
from glaciertime.pipeline.frames import OnPixels, groups_of_pixels
from glaciertime.scenes.acquisition import OCEAN, ImageScene
from glaciertime.units import decimal_year

if TYPE_CHECKING:
    from glaciertime.segment.description import ModelSpec
    from glaciertime.segment.predict.framed import Prediction

__all__ = ["SeenDates", "SeenImage"]

#: Numbers that are held of all dates together; images beyond them are not compared.
_HELD = 100_000_000


@dataclass(frozen=True, kw_only=True)
class SeenImage(OnPixels):
    """What is kept of a segmented image to compare it with the other dates.

    Attributes
    ----------
    ocean, detail : (h, w) float16
        Probability of ocean, and :func:`.neighbours.fixed_detail`.
    rows : (w,)
        Row of the front in each column.
    against : mapping of str to str
        Flags that say why its front is not to be relied on, by the image alone.
    odds : float
        See :attr:`.framed.Prediction.odds`.
    """

    ocean: NDArray[np.float16] = field(repr=False)
    detail: NDArray[np.float16] = field(repr=False)
    rows: NDArray[np.float64] = field(repr=False)
    against: Mapping[str, str]
    odds: float


@dataclass
class SeenDates:
    """The segmented images of one glacier."""

    images: list[SeenImage] = field(default_factory=list)
    held: int = 0

    def keep(self, scene: ImageScene, made: Prediction, *, spec: ModelSpec, against: Mapping[str, str]) -> None:
        """Keep what is compared of an image, of models that draw one line."""
        from glaciertime.segment.predict.neighbours import fixed_detail

        if made.rows is None or self.held + 2 * made.zones.size > _HELD:
            return
        self.held += 2 * made.zones.size
        self.images.append(
            SeenImage(
                scene=scene, framing=made.framing, to_ground=scene.transform @ made.framing.to_scene,
                ocean=made.probability[spec.codes.index(OCEAN)].astype(np.float16),
                detail=fixed_detail(made.image[0]).astype(np.float16), rows=made.rows, against=against, odds=made.odds,
            )
        )  # fmt: skip

    def told(self) -> dict[tuple[str, str], dict[str, str]]:
        """Return flags with reasons by data set and image: what clear fronts are confirmed, what is said of others."""
        out: dict[tuple[str, str], dict[str, str]] = {}
        for group in groups_of_pixels(self.images):
            total = np.sum([one.detail for one in group if not one.against], axis=0, dtype=np.float32)
            for image in group:
                what = image.scene.acquisition
                same_day = [one for one in group if one.scene.acquisition.date == what.date]
                others = [one for one in group if not one.against and one.scene.acquisition.date != what.date]
                if not others:
                    continue
                if image.against:
                    flags = _unclear(image, others)
                else:
                    of_day = np.sum([one.detail for one in same_day if not one.against], axis=0, dtype=np.float32)
                    flags = _clear(image, others, mean=np.asarray((total - of_day) / len(others), dtype=np.float32))
                if flags:
                    out[what.dataset, what.image_id] = flags
        return out


def _dates(images: Sequence[SeenImage]) -> int:
    """Return of how many dates images are: several of one day, or of one scene, say the same."""
    return len({one.scene.acquisition.date for one in images})


def _clear(image: SeenImage, others: Sequence[SeenImage], *, mean: NDArray[np.float32]) -> dict[str, str]:
    """Return that a clear front is confirmed, where it is; ``mean`` is the detail of the other dates."""
    from glaciertime.segment.predict.neighbours import Beside, outside_px, share_recognised

    beside = Beside(
        odds=image.odds, recognised=share_recognised(image.detail, mean, image.rows),
        outside_px=outside_px(image.rows, [one.rows for one in others]), others=_dates(others),
    )  # fmt: skip
    if not beside.is_confirmed:
        return {}
    return {
        "seen-clearly": f"among the fronts of {beside.others} other dates, whose ground beside it is the same "
        f"(correlation {beside.recognised:.2f})"
    }


def _unclear(image: SeenImage, others: Sequence[SeenImage]) -> dict[str, str]:
    """Return the flag of an unclear front, with where it would lie by what the other dates show."""
    from glaciertime.segment.adapt.prior import prior_odds, sharpen

    used = [*others, image]
    odds = prior_odds(
        np.stack([one.ocean for one in used]), years=[decimal_year(one.scene.acquisition.date) for one in used],
        clear=[not one.against for one in used], at=len(others),
    )  # fmt: skip
    pair = sharpen(image.ocean, odds)
    shown = np.isfinite(image.ocean).any(axis=0)
    seaward_m = float((pair.alone - pair.both)[shown].mean()) * image.framing.pixel_m if shown.any() else math.nan
    where = f"{abs(seaward_m):.0f} m further {'seaward' if seaward_m > 0 else 'inland'}"
    count = counted(_dates(others), "other dates")
    if pair.is_far:
        said = f"with what {count} show it would lie {where}, unless it is a real jump: look at the image"
    else:
        said = f"with what {count} show it would lie {where}"
    flag = next(iter(image.against))
    return {flag: f"{image.against[flag]}, {said}"}
