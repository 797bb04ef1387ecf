from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from glaciertime.nn.cpu import simd, tiles


def apply(operation: object, x: np.ndarray) -> np.ndarray:
    lanes = simd.LANES[x.dtype.name]

    @njit
    def kernel(one: float, source: int, target: int, count: int) -> None:
        for start in range(0, count, lanes):
            simd.store(target, start, operation(simd.load(one, source, start)))

    y = np.empty_like(x)
    kernel(x.dtype.type(1), x.ctypes.data, y.ctypes.data, len(x))
    return y


@pytest.mark.parametrize(("dtype", "limit"), [(np.float32, 1e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("name", ["exp2", "sigmoid", "softplus"])
def test_functions_equal_numpys(name: str, dtype: type, limit: float) -> None:
    x = np.linspace(-12, 12, 16 * 500).astype(dtype)
    exact = x.astype(np.longdouble)
    expected = {
        "exp2": np.exp2(exact),
        "sigmoid": 1 / (1 + np.exp(-exact)),
        "softplus": np.log1p(np.exp(exact)),
    }[name]
    assert np.abs(apply(getattr(simd, name), x) / expected - 1).max() < limit


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exp2_at_its_ends(dtype: type) -> None:
    lanes = simd.LANES[np.dtype(dtype).name]
    x = np.zeros(lanes, dtype)
    x[:5] = [0, 1, -5000, 5000, np.nan]
    y = apply(simd.exp2, x)
    assert y[0] == 1
    assert y[1] == pytest.approx(2, rel=1e-6)
    assert 0 <= y[2] < 1e-37
    assert y[3] > 1e38
    assert np.isnan(y[4])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_transpose_and_sums_of_rows(dtype: type) -> None:
    lanes = simd.LANES[np.dtype(dtype).name]
    square = np.arange(lanes * lanes).reshape(lanes, lanes).astype(dtype)
    out = np.empty_like(square)
    sums = np.empty(lanes, dtype)

    @njit
    def kernel(one: float, source: int, target: int, row: int) -> None:
        simd.transpose(one, source, lanes, target, lanes)
        simd.store(row, 0, simd.sum_rows(one, source))

    kernel(dtype(1), square.ctypes.data, out.ctypes.data, sums.ctypes.data)
    assert (out == square.T).all()
    assert (sums == square.sum(axis=1)).all()


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(("channels", "samples"), [(16, 32), (16, 21), (5, 32), (1, 1)])
def test_a_tile_comes_back_as_it_went_in(channels: int, samples: int, channels_last: bool) -> None:
    values = np.random.default_rng(0).normal(size=(channels, samples)).astype(np.float32)
    source = np.asfortranarray(values) if channels_last else values
    tile = np.full((samples, 16), np.nan, np.float32)
    target = np.zeros_like(source)
    steps = [stride // 4 for stride in source.strides]
    one = np.float32(1)
    tiles.load_tile(one, source.ctypes.data, 0, *steps, channels, samples, 16, tile.ctypes.data)
    assert (tile[:, :channels] == values.T).all()
    assert (tile[:, channels:] == 0).all()
    tiles.store_tile(one, target.ctypes.data, 0, *steps, channels, samples, 16, tile.ctypes.data)
    assert (target == values).all()
