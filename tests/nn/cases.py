"""Random inputs of a scan, and a scan that is too plain to be wrong."""

from __future__ import annotations

import numpy as np
import torch


def scan_inputs(
    batch: int,
    channels: int,
    length: int,
    states: int,
    *,
    groups: int = 0,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
    channels_last: bool = False,
) -> dict[str, torch.Tensor]:
    """Return every argument of selective_scan; ``groups`` 0 gives B and C without a group axis."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    def sequence() -> torch.Tensor:
        values = normal(batch, channels, length)
        return values.mT.contiguous().mT if channels_last else values

    middle = (groups,) if groups else ()
    return {
        "u": sequence(),
        "delta": sequence(),
        "A": -normal(channels, states).abs() - 0.1,
        "B": normal(batch, *middle, states, length),
        "C": normal(batch, *middle, states, length),
        "D": normal(channels),
        "z": sequence(),
        "delta_bias": normal(channels),
        "h0": normal(batch, channels, states),
        "dt": normal(batch, length).abs(),
    }


def ssd_inputs(
    batch: int,
    length: int,
    heads: int,
    width: int,
    groups: int,
    states: int,
    *,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> dict[str, torch.Tensor]:
    """Return every argument of ssd_scan."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    return {
        "x": normal(batch, length, heads, width),
        "delta": normal(batch, length, heads),
        "A": -normal(heads).abs() - 0.1,
        "B": normal(batch, length, groups, states),
        "C": normal(batch, length, groups, states),
        "D": normal(heads),
        "z": normal(batch, length, heads, width),
        "delta_bias": normal(heads),
        "h0": normal(batch, heads, width, states),
        "dt": normal(batch, length).abs(),
    }


def scan_in_numpy(given: dict[str, torch.Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """Run the recurrence with softplus, number by number, in float64."""
    values = {name: tensor.detach().double().numpy() for name, tensor in given.items()}
    batch, channels, length = values["u"].shape
    states = values["A"].shape[1]
    y = np.zeros((batch, channels, length))
    last = np.zeros((batch, channels, states))
    for b, d in np.ndindex(batch, channels):
        h = values["h0"][b, d].copy() if "h0" in values else np.zeros(states)
        for t in range(length):
            raw = values["delta"][b, d, t] + (values["delta_bias"][d] if "delta_bias" in values else 0.0)
            step = np.log1p(np.exp(raw))
            gap = values["dt"][b, t] if "dt" in values else 1.0
            u = values["u"][b, d, t]
            rows = [_row(values[name], b, d, t, channels) for name in ("B", "C")]
            h = np.exp(step * gap * values["A"][d]) * h + step * u * rows[0]
            y[b, d, t] = (h * rows[1]).sum() + (values["D"][d] * u if "D" in values else 0.0)
            if "z" in values:
                z = values["z"][b, d, t]
                y[b, d, t] *= z / (1 + np.exp(-z))
        last[b, d] = h
    return y, last


def _row(matrix: np.ndarray, b: int, d: int, t: int, channels: int) -> np.ndarray:
    if matrix.ndim == 2:
        return matrix[d]
    if matrix.ndim == 3:
        return matrix[b, :, t]
    return matrix[b, d // (channels // matrix.shape[1]), :, t]


def relative_error(given: torch.Tensor, expected: torch.Tensor | np.ndarray) -> float:
    """Return the norm of the difference over the norm of what is expected."""
    expected = torch.as_tensor(expected).double()
    return float((given.detach().double() - expected).norm() / expected.norm().clamp_min(1e-300))
