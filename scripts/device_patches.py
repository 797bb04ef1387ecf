"""Random patches of scenes that lie on a device, changed there: what glaciertime.scenes.datasets does, whole batches.

Imports torch alone, so that it runs where the package's other requirements are missing. Every change has the meaning it
has in :mod:`glaciertime.scenes.datasets.augmentation`; each sample of a batch draws its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

IGNORE = 255


@dataclass(frozen=True)
class Changes:
    """How far and how often each change goes; most names are those of ``Augmentation``.

    ``rotation_deg`` holds for most patches, ``turned_deg`` for the share ``turned`` of them; ``curve`` is a random
    monotone tone curve, ``texture`` makes one class smoother or rougher than it was. ``melange`` fills the ocean before
    the front with what looks like the glacier, ``cloud`` lays patches over the scene that let nothing through, with the
    shadow they cast.
    """

    size: tuple[int, int] = (256, 192)
    rotation_deg: float = 18.0
    turned: float = 0.2
    turned_deg: float = 40.0
    scale: tuple[float, float] = (0.65, 1.5)
    shift_px: tuple[float, float] = (45.0, 35.0)
    stretch: float = 0.12
    elastic_px: float = 3.0
    bend_px: float = 6.0
    transplant: float = 0.35
    curve: float = 0.6
    gamma_log: float = 0.6
    contrast: float = 0.4
    illumination: float = 0.3
    tone_step: float = 0.25
    class_tone: float = 0.3
    texture: float = 0.15
    melange: float = 0.2
    veil: float = 0.25
    cloud: float = 0.1
    saturation: float = 0.15
    blur_px: float = 1.0
    noise: float = 0.12
    scene_edge: float = 0.1
    gaps: float = 0.05


class Scenes:
    """Scenes of one size on a device: normalised images, labels, and the row of the front in every column.

    Parameters
    ----------
    images : (N, H, W) uint8
    labels : (N, H, W) uint8
        0 glacier, 1 ocean, 255 neither.
    room : int
        Scenes that there is room for; more can be added by :meth:`add`.
    """

    def __init__(self, images: torch.Tensor, labels: torch.Tensor, *, room: int, device: torch.device) -> None:
        shape = tuple(images.shape[1:])
        self.count = 0
        self.images = torch.zeros((room, *shape), dtype=torch.float16, device=device)
        self.labels = torch.full((room, *shape), IGNORE, dtype=torch.uint8, device=device)
        self.front = torch.zeros((room, shape[1]), device=device)
        self.unsure = torch.zeros((room, shape[1]), device=device)
        self.first = torch.zeros(room, device=device)
        self.last = torch.zeros(room, device=device)
        self.fits = torch.zeros(room, dtype=torch.bool, device=device)
        self.add(images, labels)

    def add(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        """Append scenes."""
        fitting = min(len(images), len(self.images) - self.count)
        for first in range(0, fitting, 256):
            part = slice(first, min(first + 256, fitting))
            self._add(images[part].to(self.images.device), labels[part].to(self.images.device))

    def _add(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        place = slice(self.count, self.count + len(images))
        values = images.float()
        mean, spread = moments(values)
        self.images[place] = ((values - mean) / spread).half()
        self.labels[place] = labels
        height = labels.shape[1]
        ocean, ice = (labels == 1).sum(dim=1).float(), (labels == 0).sum(dim=1).float()
        self.front[place] = (ocean + height - ice) / 2
        self.unsure[place] = height - ocean - ice
        both = (ocean > 0) & (ice > 0)
        number = torch.arange(both.shape[1], device=both.device).float()
        first, last = (both * -number + ~both * -1e9).amax(dim=1).neg(), (both * number - ~both * 1e9).amax(dim=1)
        self.first[place], self.last[place] = first, last
        self.fits[place] = (both.sum(dim=1) >= 0.95 * (last - first + 1)) & (last - first >= 40)
        self.count += len(images)


def moments(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and standard deviation of each image, (B, 1, 1)."""
    mean = image.mean(dim=(1, 2), keepdim=True)
    spread = (image - mean).square().mean(dim=(1, 2), keepdim=True).sqrt()
    return mean, spread.clamp(min=1e-3)


class PatchMaker:
    """Draws batches of changed patches.

    Parameters
    ----------
    scenes : Scenes
        Real scenes first.
    chances : (R,) tensor
        Of the real scenes, 0 for those that must not be seen, neither as a whole nor for their ocean.
    changes : Changes
    """

    def __init__(self, scenes: Scenes, chances: torch.Tensor, changes: Changes) -> None:
        self.scenes = scenes
        self.device = scenes.images.device
        self.chances = chances.to(self.device).float()
        self.real = len(chances)
        self.changes = changes
        height, width = changes.size
        self.rows = torch.arange(height, device=self.device).float()[:, None]
        self.columns = torch.arange(width, device=self.device).float()[None]
        self._blends = {
            (length, cells): _blend(length, cells, self.device) for length in (height, width) for cells in (3, 5, 6)
        }

    def draw(self, batch: int, *, simulated: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Return patches (B, 1, h, w) float32 and labels (B, h, w) uint8, a share of them of simulated scenes."""
        index = self._choose(batch, simulated)
        image, labels, front = self._with_other_ocean(index)
        image = self._with_melange(image, labels, front, self.scenes.fits[index])
        image, labels = self._cut(image, labels)
        image = self._recolour(image, labels)
        mean, spread = moments(image)
        return ((image - mean) / spread)[:, None], labels

    def _choose(self, batch: int, simulated: float) -> torch.Tensor:
        real = torch.multinomial(self.chances, batch, replacement=True)
        made = self.scenes.count - self.real
        if not made:
            return real
        other = self.real + torch.randint(made, (batch,), device=self.device)
        return torch.where(self._flag(batch, simulated)[:, 0, 0], other, real)

    def _uniform(self, batch: int, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
        return torch.empty((batch, 1, 1), device=self.device).uniform_(low, high)

    def _flag(self, batch: int, probability: float) -> torch.Tensor:
        return self._uniform(batch) < probability

    def _smooth(self, batch: int, cells: int) -> torch.Tensor:
        height, width = self.changes.size
        coarse = torch.randn((batch, cells, cells), device=self.device)
        return self._blends[height, cells] @ coarse @ self._blends[width, cells].T

    def _with_other_ocean(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return whole scenes, in some of which the fjord's ocean is that of another, above a front of another shape.

        The third is the row of the front in every column.

        The other's labelled columns are stretched to this one's; what lies beside them stays. The one moves up, the
        other down until the one is glacier below the new front and the other ocean above it.
        """
        scenes, batch = self.scenes, len(index)
        other = self._choose(batch, 0.25)
        image, labels = scenes.images[index].float(), scenes.labels[index]
        height, width = labels.shape[1:]
        first, last = scenes.first[index][:, None], scenes.last[index][:, None]
        columns = torch.arange(width, device=self.device).float()[None]
        inside = (columns >= first) & (columns <= last)
        share = ((columns - first) / (last - first).clamp(min=1)).clamp(0, 1)
        theirs_first, theirs_last = scenes.first[other][:, None], scenes.last[other][:, None]
        place = (theirs_first + share * (theirs_last - theirs_first)).clamp(0, width - 1)
        mine = scenes.front[index]
        theirs = scenes.front[other].gather(1, place.round().long())
        knots = 8 * torch.randn((batch, 1, 7), device=self.device)
        bends = functional.interpolate(knots, size=width, mode="linear", align_corners=True)[:, 0]
        front = (mine + bends).clamp(1, height - 1)
        far = torch.full_like(front, -1e9)
        up = torch.where(inside, mine - front, far).amax(dim=1).ceil().clamp(min=0)
        down = torch.where(inside, front - theirs, far).amax(dim=1).ceil().clamp(min=0)
        wanted = self._flag(batch, self.changes.transplant)[:, 0, 0]
        done = wanted & scenes.fits[index] & scenes.fits[other] & (torch.maximum(up, down) <= min(60, height - 1))
        rows = torch.arange(height, device=self.device)
        below_rows = (rows[None] + up.clamp(max=height)[:, None].long()).clamp(max=height - 1)
        below = image.gather(1, below_rows[:, :, None].expand_as(image))
        above_rows = (rows[None] - down.clamp(max=height)[:, None].long()).abs().clamp(max=height - 1)
        above = scenes.images[other].float().gather(1, above_rows[:, :, None].expand_as(image))
        left = place.floor().clamp(max=width - 2)
        part = (place - left)[:, None]
        left = left.long()[:, None].expand_as(image)
        above = above.gather(2, left) * (1 - part) + above.gather(2, left + 1) * part
        zones = rows[None, :, None] < front[:, None]
        put = functional.pad((zones & inside[:, None]).float()[:, None], (1, 1, 1, 1), mode="replicate")
        put = functional.avg_pool2d(put, 3, stride=1)[:, 0]
        found = zones.to(torch.uint8)
        unsure = 2 * (rows[None, :, None] + 0.5 - front[:, None]).abs() < scenes.unsure[index][:, None]
        found = torch.where(unsure | ~inside[:, None], torch.full_like(found, IGNORE), found)
        changed = done[:, None, None]
        image = torch.where(changed, above * put + below * (1 - put), image)
        return image, torch.where(changed, found, labels), torch.where(done[:, None], front, mine)

    def _with_melange(
        self, image: torch.Tensor, labels: torch.Tensor, front: torch.Tensor, fits: torch.Tensor
    ) -> torch.Tensor:
        """Return scenes, in some of which the ocean before the front is covered by what looks like the glacier.

        The glacier is mirrored at its front, finer or coarser, flatter and mostly darker, over the ocean as far as a
        bent line; what is left to tell the two apart is the front itself.
        """
        batch, height, width = image.shape
        rows = torch.arange(height, device=self.device).float()[None, :, None]
        away = front[:, None] - rows
        place = front[:, None] + away * self._uniform(batch, 0.4, 1.3) + self._uniform(batch, 2, 20)
        place = place.round().clamp(0, height - 1).long()
        columns = torch.arange(width, device=self.device).float()[None, None] + self._uniform(batch, -25, 25)
        columns = columns.round().clamp(0, width - 1).long().expand_as(place)
        mirrored = image.gather(1, place).gather(2, columns)
        ice = labels == 0
        count = ice.sum(dim=(1, 2), keepdim=True).clamp(min=1)
        mean = torch.where(ice, image, torch.zeros_like(image)).sum(dim=(1, 2), keepdim=True) / count
        toned = mean + self._uniform(batch, 0.3, 1.0) * (mirrored - mean) + self._uniform(batch, -0.8, 0.3)
        knots = self._uniform(batch, 15, 110) * torch.exp(0.3 * torch.randn((batch, 1, 6), device=self.device))
        reach = functional.interpolate(knots, size=width, mode="linear", align_corners=True)
        share = (0.5 + (reach - away) / self._uniform(batch, 2, 20)).clamp(0, 1) * self._uniform(batch, 0.5, 1.0)
        wanted = self._flag(batch, self.changes.melange) & fits[:, None, None] & (labels == 1)
        return image + torch.where(wanted, share, torch.zeros_like(share)) * (toned - image)

    def _cut(self, image: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        changes, batch = self.changes, len(image)
        mirrored = 1 - 2 * self._flag(batch, 0.5).float()
        limits = torch.where(
            self._flag(batch, changes.turned),
            torch.full((), changes.turned_deg, device=self.device),
            torch.full((), changes.rotation_deg, device=self.device),
        )
        angle = torch.deg2rad(self._uniform(batch, -1, 1) * limits)
        scale = torch.exp(self._uniform(batch, math.log(changes.scale[0]), math.log(changes.scale[1])))
        tall = torch.exp(self._uniform(batch, -1, 1) * changes.stretch)
        centre = []
        for axis in (0, 1):
            whole, cut = image.shape[1 + axis], changes.size[axis]
            room = max(0, whole - cut)
            first = (min(whole, cut) - 1) / 2 if room else (whole - 1) / 2
            reach = changes.shift_px[axis]
            centre.append(first + self._uniform(batch, 0, 1) * room + self._uniform(batch, -reach, reach))
        down = self.rows - (changes.size[0] - 1) / 2
        right = (self.columns - (changes.size[1] - 1) / 2) * mirrored
        rows = (angle.cos() * down + angle.sin() * right) / (scale * tall) + centre[0]
        columns = (-angle.sin() * down + angle.cos() * right) / (scale / tall) + centre[1]
        rows = rows + changes.bend_px * self._uniform(batch) * self._smooth(batch, 6)
        swing = changes.elastic_px * self._uniform(batch)
        rows, columns = rows + swing * self._smooth(batch, 5), columns + swing * self._smooth(batch, 5)
        return take(image, labels, rows, columns)

    def _recolour(self, image: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        changes, batch = self.changes, len(image)
        image = torch.where(self._flag(batch, changes.curve), self._toned(image), image)
        mean, spread = moments(image)
        contrast = torch.exp(self._uniform(batch, -1, 1) * math.log1p(changes.contrast))
        image = mean + contrast * (image - mean)
        spread = spread * contrast
        lit = self._flag(batch, 0.5) * changes.illumination * spread
        image = image + lit * self._smooth(batch, 3)
        image = image + self._flag(batch, changes.tone_step) * self._uniform(batch, -1.2, 1.2) * spread * self._side(
            batch
        )
        image = self._changed_class(image, labels, spread)
        image = self._clouded(self._veiled(image))
        mean, spread = moments(image)
        limit = mean + self._uniform(batch, 0.0, 1.5) * spread
        image = torch.where(self._flag(batch, changes.saturation), torch.minimum(image, limit), image)
        image = self._blurred(image, self._uniform(batch, -1, 1) * changes.blur_px)
        level = self._uniform(batch, -1, 1).clamp(min=0) * changes.noise
        image = image + level * spread * torch.randn_like(image)
        darkest = image.amin(dim=(1, 2), keepdim=True)
        image = torch.where(self._flag(batch, changes.scene_edge) & self._beyond(batch), darkest, image)
        return torch.where(self._flag(batch, changes.gaps) & self._stripes(batch), darkest, image)

    def _toned(self, image: torch.Tensor) -> torch.Tensor:
        """Return the image through a monotone curve: a mean of a power and of one that is mirrored."""
        batch = len(image)
        low, high = image.amin(dim=(1, 2), keepdim=True), image.amax(dim=(1, 2), keepdim=True)
        reach = (high - low).clamp(min=1e-3)
        unit = ((image - low) / reach).clamp(1e-4, 1 - 1e-4)
        powers = [torch.exp(self._uniform(batch, -1, 1) * self.changes.gamma_log) for _ in range(2)]
        share = self._uniform(batch)
        return low + reach * (share * unit ** powers[0] + (1 - share) * (1 - (1 - unit) ** powers[1]))

    def _along(self, batch: int) -> torch.Tensor:
        angle = self._uniform(batch, 0, 2 * math.pi)
        return angle.cos() * self.rows + angle.sin() * self.columns

    def _side(self, batch: int) -> torch.Tensor:
        height, width = self.changes.size
        angle = self._uniform(batch, 0, 2 * math.pi)
        along = angle.cos() * (self.rows - self._uniform(batch, 0, height)) + angle.sin() * (
            self.columns - self._uniform(batch, 0, width)
        )
        return 0.5 + 0.5 * torch.tanh(along / self._uniform(batch, 1, 12))

    def _changed_class(self, image: torch.Tensor, labels: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
        """Make one class brighter, darker, smoother or rougher, with a soft edge about three pixels wide."""
        batch = len(image)
        chosen = self._flag(batch, 0.5).to(torch.uint8)
        share = functional.avg_pool2d((labels == chosen).float()[:, None], 3, stride=1, padding=1)[:, 0]
        gain = torch.exp(0.3 * torch.randn((batch, 1, 1), device=self.device))
        toned = (gain - 1) * image + self._uniform(batch, -0.8, 0.8) * spread
        image = image + self._flag(batch, self.changes.class_tone) * share * toned
        detail = image - functional.avg_pool2d(image[:, None], 5, stride=1, padding=2, count_include_pad=False)[:, 0]
        rougher = self._uniform(batch, -0.7, 0.7)
        return image + self._flag(batch, self.changes.texture) * share * rougher * detail

    def _veiled(self, image: torch.Tensor) -> torch.Tensor:
        batch = len(image)
        mean, spread = moments(image)
        patchy = (self._uniform(batch, -0.3, 0.7) + self._smooth(batch, 5)).clamp(0, 1)
        share = self._flag(batch, self.changes.veil) * self._uniform(batch, 0.2, 0.9) * patchy
        return image + share * (mean + self._uniform(batch, -1.5, 2.0) * spread - image)

    def _clouded(self, image: torch.Tensor) -> torch.Tensor:
        """Lay patches that let nothing through over a third of some images at most, and their shadow beside them."""
        batch = len(image)
        mean, spread = moments(image)
        share = ((self._smooth(batch, 6) - self._uniform(batch, 0.4, 1.4)) * self._uniform(batch, 1.5, 8)).clamp(
            0, 1
        ) * self._flag(batch, self.changes.cloud)
        down, right = (int(place) for place in torch.randint(-30, 31, (2,)))
        shadow = share.roll((down, right), dims=(1, 2)) * self._uniform(batch, 0.0, 0.7)
        image = image + shadow * (mean - 1.5 * spread - image).clamp(max=0)
        bright = mean + self._uniform(batch, 0.3, 2.5) * spread + 0.3 * spread * self._smooth(batch, 5)
        return image + share * (bright - image)

    def _blurred(self, image: torch.Tensor, sigma_px: torch.Tensor) -> torch.Tensor:
        """Return a Gaussian blur of those samples whose sigma is above 0.2."""
        reach = torch.arange(-3, 4, device=self.device).float()
        weights = torch.exp(-0.5 * (reach / sigma_px.clamp(min=0.2)) ** 2)
        kernel = (weights / weights.sum(dim=2, keepdim=True)).reshape(-1, 1, 1, 7)
        whole = functional.pad(image[None], (3, 3, 3, 3), mode="reflect")
        across = functional.conv2d(whole, kernel, groups=len(image))
        down = functional.conv2d(across, kernel.transpose(2, 3), groups=len(image))[0]
        return torch.where(sigma_px > 0.2, down, image)

    def _beyond(self, batch: int) -> torch.Tensor:
        """Return what lies beyond a straight line: up to a third of the patch."""
        along = self._along(batch)
        low, high = along.amin(dim=(1, 2), keepdim=True), along.amax(dim=(1, 2), keepdim=True)
        return along > high - self._uniform(batch, 0, 0.4) * (high - low)

    def _stripes(self, batch: int) -> torch.Tensor:
        period = self._uniform(batch, 18, 40)
        phase = torch.remainder(self._along(batch) + period * self._uniform(batch), period)
        return phase < self._uniform(batch, 2, 7)


def take(
    image: torch.Tensor, labels: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what images (B, H, W) and their labels show at places (B, h, w); beyond them mirrored and unlabelled."""
    height, width = image.shape[1:]
    grid = torch.stack([columns * (2 / (width - 1)) - 1, rows * (2 / (height - 1)) - 1], dim=-1)
    patch = functional.grid_sample(image[:, None], grid, mode="bilinear", padding_mode="reflection", align_corners=True)
    row, column = rows.round().long(), columns.round().long()
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    place = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
    cut = labels.flatten(1).gather(1, place.flatten(1)).reshape(place.shape)
    return patch[:, 0], torch.where(inside, cut, torch.full_like(cut, IGNORE))


def _blend(length: int, cells: int, device: torch.device) -> torch.Tensor:
    """Return (length, cells) weights that pass smoothly from one cell to the next."""
    place = torch.linspace(0, cells - 1, length, device=device)[:, None]
    distance = (place - torch.arange(cells, device=device)[None]).abs()
    return torch.where(distance < 1, 0.5 + 0.5 * torch.cos(math.pi * distance), torch.zeros_like(distance))
