"""Frames on the ground: which images of a glacier are of the same pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from affine import Affine

from glaciertime.scenes.acquisition import ImageScene

if TYPE_CHECKING:
    from glaciertime.segment.predict.framing import Framing

__all__ = ["OnPixels", "groups_of_pixels"]


@dataclass(frozen=True, kw_only=True)
class OnPixels:
    """An image in the frame of its model.

    Attributes
    ----------
    scene : ImageScene
    framing : Framing
    to_ground : Affine
        Column and row of the frame to the coordinates of the scene.
    """

    scene: ImageScene
    framing: Framing
    to_ground: Affine

    def shares_pixels(self, other: OnPixels) -> bool:
        """Return whether the frame of another image is of the same pixels, to within two."""
        if self.framing.shape != other.framing.shape or self.scene.acquisition.crs != other.scene.acquisition.crs:
            return False
        if self.scene.acquisition.crs is None:
            return True
        here, there = (Affine(*one.to_ground[:6]) for one in (self, other))
        rows, columns = self.framing.shape
        corners = [(0, 0), (columns, 0), (0, rows), (columns, rows)]
        back = ~here
        return all(math.dist(back @ (there @ corner), corner) <= 2 for corner in corners)


_Image = TypeVar("_Image", bound=OnPixels)


def groups_of_pixels(images: Sequence[_Image]) -> list[list[_Image]]:
    """Return images in groups whose frames are of the same pixels."""
    groups: list[list[_Image]] = []
    for image in images:
        for group in groups:
            if group[0].shares_pixels(image):
                group.append(image)
                break
        else:
            groups.append([image])
    return groups
