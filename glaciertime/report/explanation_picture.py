"""The picture of an explanation: the image with what the model made of it, the map, and the bands."""

from __future__ import annotations

import io
import textwrap
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from glaciertime.plot.canvas import STYLE
from glaciertime.segment.explain.explanation import Explained
from glaciertime.walls import readable_text

__all__ = ["MARK", "explanation_picture"]

#: How a picture says what made it.
MARK = "glaciertime explain"
_PLAIN: Any = {**STYLE, "axes.grid": False, "axes.spines.left": False, "axes.spines.bottom": False}
_FRONT = "#d55e00"
_UNITS = {
    "grad-cam": "weight of the last feature maps",
    "saliency": "absolute gradient, all bands",
    "integrated-gradients": "share of the answer, all bands",
    "occlusion": "fall of the answer when covered",
    "permutation": "fall of the answer when shuffled",
}


def explanation_picture(
    explained: Explained, image: NDArray[np.float32], *, bands: tuple[str, ...], title: str
) -> bytes:
    """Return an explanation as PNG.

    Parameters
    ----------
    explained : Explained
    image : (C, H, W) float32
        As the model was given it, raw; its first three bands, or its first, are shown.
    bands : tuple of str
    title : str
    """
    has_map, has_bands = explained.heat is not None, explained.scores is not None and len(bands) > 1
    height, width = image.shape[1:]
    panels = 1 + has_map + has_bands
    side = 3.6
    tall = side * min(1.6, max(0.6, height / width)) + 0.9
    with mpl.rc_context(_PLAIN):
        figure = Figure(figsize=(panels * side + 0.6, tall), layout="constrained")
        axes = list(np.ravel(figure.subplots(1, panels)))
        seen, heat = axes.pop(0), axes.pop(0) if has_map else None
        seen.imshow(_shown(image), cmap="gray", interpolation="nearest")
        _draw_front(seen, explained)
        seen.set_title("image" + (", front of the model" if explained.target.front.any() else ""), fontsize=9)
        _bare(seen)
        if heat is not None and explained.heat is not None:
            _draw_heat(figure, heat, explained)
        if has_bands:
            _draw_bands(axes.pop(0), explained, bands)
        figure.suptitle(_heading(explained, title, columns=int(17 * (panels * side + 0.6)) - 2), fontsize=9, x=0.01,
                        ha="left")  # fmt: skip
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=130, metadata={"Software": MARK})
    return buffer.getvalue()


def _heading(explained: Explained, title: str, *, columns: int) -> str:
    text = f"{readable_text(title)}: {explained.method}, {readable_text(explained.target.name)}".replace("$", r"\$")
    text = textwrap.fill(text, columns)
    if explained.sanity.is_trusted is False:
        doubt = "NOT TO BE TRUSTED: the same network with random weights is explained alike"
        text += "\n" + textwrap.fill(doubt, columns)
    return text


def _draw_heat(figure: Figure, axes: Any, explained: Explained) -> None:
    assert explained.heat is not None
    is_signed = bool((explained.heat < 0).any())
    shown = explained.heat if is_signed else np.abs(explained.heat)
    most = float(np.quantile(np.abs(shown), 0.995)) or float(np.abs(shown).max()) or 1.0
    drawn = axes.imshow(
        shown, cmap="PuOr_r" if is_signed else "magma", vmin=-most if is_signed else 0, vmax=most,
        interpolation="nearest",
    )  # fmt: skip
    _draw_front(axes, explained)
    axes.set_title("what counts", fontsize=9)
    _bare(axes)
    bar = figure.colorbar(drawn, ax=axes, shrink=0.85, pad=0.02)
    bar.set_label(_UNITS[explained.method], fontsize=8)
    bar.ax.tick_params(labelsize=7)
    bar.ax.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    bar.ax.yaxis.get_offset_text().set_fontsize(7)


def _draw_bands(axes: Any, explained: Explained, bands: tuple[str, ...]) -> None:
    assert explained.scores is not None
    places = np.arange(len(bands))[::-1]
    axes.barh(places, explained.scores, color="#0072b2", height=0.6)
    axes.axvline(0, color="#57606a", linewidth=0.8)
    names = [readable_text(band)[:24].replace("$", r"\$") for band in bands]
    axes.set_yticks(places, names, fontsize=8)
    axes.tick_params(axis="x", labelsize=7)
    axes.set_xlabel(_UNITS[explained.method].replace(", all bands", "").replace("covered", "the band is covered"),
                    fontsize=8)  # fmt: skip
    axes.ticklabel_format(axis="x", style="sci", scilimits=(-2, 3))
    axes.xaxis.get_offset_text().set_fontsize(7)
    axes.set_title("bands", fontsize=9)


def _draw_front(axes: Any, explained: Explained) -> None:
    if explained.target.front.any():
        axes.contour(explained.zones == 254, levels=[0.5], colors=[_FRONT], linewidths=0.9)


def _bare(axes: Any) -> None:
    axes.set_xticks([])
    axes.set_yticks([])


def _shown(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an image between 0 and 1: grey of one or two bands, the first three as colours; unobserved is white."""
    few = image[:3] if len(image) >= 3 else image[:1]
    found = []
    for band in few:
        seen = band[np.isfinite(band)]
        low, high = np.quantile(seen, [0.02, 0.98]) if len(seen) else (0.0, 1.0)
        found.append(np.clip((band - low) / max(high - low, 1e-12), 0, 1))
    layers = np.where(np.isfinite(np.array(found)), np.array(found), 1.0)
    return np.asarray(np.moveaxis(layers, 0, -1) if len(few) == 3 else layers[0], dtype=np.float32)
