"""The recurrent forecasters over all glaciers: scale-free inputs, training, export, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glaciertime.errors import InputError, UsageError
from glaciertime.forecast import Origins, forecast_series, run_backtest
from glaciertime.forecast.learned.bank import FOLDS, fold_of
from glaciertime.forecast.learned.network_weights import shipped_weights, weights_for
from glaciertime.forecast.learned.sequences import LENGTH, build_examples, encode_origin, query_of
from glaciertime.forecast.series import Series

MODELS = ("lstm", "mamba")
CUTOFF = "2012-01-01"
TARGETS = ["2013-01-01", "2016-07-01"]


def moved(series: Series, years: int = 30) -> Series:
    """The same record some years later, so that it ends after the weights' training."""
    return replace(series, dates=series.dates + np.timedelta64(round(365.25 * years), "D"))


@pytest.fixture(scope="module")
def late(glaciers: list[Series]) -> list[Series]:
    return [moved(series) for series in glaciers]


def ask(model: str, series: Series, training: list[Series], **given: object) -> np.ndarray:
    settings = {"cutoff": CUTOFF, "target_dates": TARGETS} | given
    table = forecast_series(series, models=[model], training=training, **settings)
    assert set(table["status"]) == {"ok"}
    return table["value"].to_numpy()


def test_inputs_do_not_depend_on_unit_level_or_date(glaciers: list[Series]) -> None:
    years, values = glaciers[0].years, glaciers[0].values
    one = encode_origin(years, values, is_area=False)
    other = encode_origin(years + 7.25, 250.0 * values - 40.0, is_area=False)
    assert one.steps == pytest.approx(other.steps, abs=1e-9)
    assert one.gaps == pytest.approx(other.gaps)
    assert one.context == pytest.approx(other.context, abs=1e-9)
    assert other.scale == pytest.approx(250.0 * one.scale)


def test_a_steady_rate_is_asked_for_as_it_would_go_on() -> None:
    years = np.array([0.0, 1.0, 2.0, 4.0, 5.0])
    origin = encode_origin(years, -3.0 * years, is_area=False)
    change = query_of(origin.context, np.array([4.0]))[0, 1:]
    assert change * origin.scale * 2.0 == pytest.approx(-12.0 * np.ones(5))


def test_gaps_reach_the_network_and_can_be_hidden() -> None:
    years, values = np.array([0.0, 1.0, 2.0, 7.0]), np.array([5.0, 4.0, 6.0, 1.0])
    seen = encode_origin(years, values, is_area=False)
    assert seen.gaps[-3:].tolist() == [1.0, 1.0, 5.0]
    hidden = encode_origin(years, values, is_area=False, use_gaps=False)
    even = encode_origin(np.arange(4.0), values, is_area=False, use_gaps=False)
    assert np.array_equal(hidden.steps, even.steps)
    assert not np.array_equal(seen.steps, hidden.steps)
    assert seen.gaps.shape == (LENGTH,)


def test_a_constant_record_is_no_trouble(late: list[Series]) -> None:
    flat = replace(late[0], values=np.full(len(late[0]), 3.0))
    for model in MODELS:
        values = ask(model, flat, late[1:])
        assert np.isfinite(values).all()


def test_both_networks_have_the_same_size_and_ordered_quantiles(glaciers: list[Series]) -> None:
    torch = pytest.importorskip("torch")
    from glaciertime.forecast.learned.networks import ENCODERS, make_network
    from glaciertime.forecast.learned.neural_training import predict_examples

    examples = build_examples(glaciers[:2])
    sizes = []
    for name in ENCODERS:
        torch.manual_seed(0)
        network = make_network(name).eval()
        sizes.append(sum(value.numel() for value in network.parameters()))
        assert (np.diff(predict_examples(network, examples, np.arange(5)), axis=-1) > 0).all()
    assert sizes[0] == pytest.approx(sizes[1], rel=0.02)
    with pytest.raises(UsageError, match="did you mean"):
        make_network("lstn")


@pytest.mark.parametrize("name", MODELS)
def test_training_learns_and_repeats_itself(name: str, glaciers: list[Series]) -> None:
    pytest.importorskip("torch")
    from glaciertime.forecast.learned.neural_training import predict_examples, train_network

    examples = build_examples(glaciers)
    known = examples.known_at(10.0)
    everyone = np.ones(len(examples), dtype=bool)
    losses: list[float] = []
    settings = {"train": everyone, "known": known, "seed": 1, "batch": 64}
    first = train_network(name, examples, steps=25, report=lambda _, loss: losses.append(loss), **settings)
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    later = examples.target_year > 10.0
    hidden = replace(examples, target=np.where(later, 1e3, examples.target).astype(np.float32))
    second = train_network(name, hidden, steps=25, **settings)
    index = np.arange(6)
    assert np.array_equal(predict_examples(first, examples, index), predict_examples(second, examples, index))
    with pytest.raises(InputError, match="no origin has a target"):
        train_network(name, examples, train=everyone, known=examples.known_at(-99.0))


def test_batches_go_through_all_origins_before_any_comes_again() -> None:
    pytest.importorskip("torch")
    from glaciertime.forecast.learned.neural_training import _rounds

    index = np.arange(10, 17)
    # As it was drawn step by step, a round whenever too few were left.
    queue, rng, parts = np.empty(0, dtype=np.int64), np.random.default_rng(3), []
    for _ in range(5):
        while len(queue) < 4:
            queue = np.append(queue, rng.permutation(index))
        parts, queue = [*parts, queue[:4]], queue[4:]
    found = _rounds(index, np.random.default_rng(3), 20)
    assert np.array_equal(found[:20], np.concatenate(parts))
    assert np.array_equal(np.sort(found[:7]), index)
    assert len(_rounds(index, rng, 0)) == 0


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 6])
def test_as_few_steps_as_one_likes(steps: int, glaciers: list[Series]) -> None:
    pytest.importorskip("torch")
    from glaciertime.forecast.learned.neural_training import train_network

    examples, losses = build_examples(glaciers[:2]), []
    settings = {"train": np.ones(len(examples), dtype=bool), "known": examples.known_at(10.0), "batch": 4}
    train_network("lstm", examples, steps=steps, report=lambda _, loss: losses.append(loss), **settings)
    assert len(losses) == steps
    assert np.isfinite(losses).all()


@pytest.mark.parametrize("name", MODELS)
def test_nothing_is_sent_to_the_device_step_by_step(
    name: str, glaciers: list[Series], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    from glaciertime.forecast.learned.neural_training import train_network

    examples = build_examples(glaciers[:2])
    sent: list[str] = []
    for maker in ("tensor", "as_tensor", "from_numpy"):
        made = getattr(torch, maker)
        monkeypatch.setattr(
            torch, maker, lambda *a, made=made, maker=maker, **k: (sent.append(maker), made(*a, **k))[1]
        )
    counts = []
    for steps in (3, 6):
        sent.clear()
        everyone, known = np.ones(len(examples), dtype=bool), examples.known_at(10.0)
        train_network(name, examples, train=everyone, known=known, steps=steps, batch=8)
        counts.append(len(sent))
    assert counts[0] >= counts[1] > 0


@pytest.mark.parametrize("name", MODELS)
def test_the_exported_network_answers_as_the_trained_one(name: str, glaciers: list[Series], tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    import onnxruntime
    import torch

    from glaciertime.forecast.learned.networks import make_network
    from glaciertime.forecast.learned.neural_training import export_network, predict_examples

    torch.manual_seed(2)
    network = make_network(name).eval()
    size = export_network(network, tmp_path / "network.onnx", card={"model": name})
    assert size < 3_000_000
    held = (tmp_path / "network.onnx").read_bytes()
    assert str(Path(torch.__file__).parents[1]).encode() not in held
    assert b".py" not in held
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx")
    examples = build_examples(glaciers[:3])
    for count in (1, 7):
        given = {key: getattr(examples, key)[:count] for key in ("steps", "gaps", "context", "query")}
        found = session.run(None, given)[0]
        assert found == pytest.approx(predict_examples(network, examples, np.arange(count)), abs=1e-4)


def test_the_package_holds_one_set_per_model_date_and_glacier() -> None:
    held = sorted(
        (weights.model, weights.trained_until, fold) for weights in shipped_weights() for fold in weights.left_out
    )
    dates = sorted({date for _, date, _ in held})
    assert held == [(model, date, fold) for model in MODELS for date in dates for fold in range(FOLDS)]
    found = weights_for("mamba", glacier="Crane", cutoff=np.datetime64(CUTOFF))
    assert not isinstance(found, str)
    assert fold_of("Crane") in found.left_out
    assert np.datetime64(found.trained_until) <= np.datetime64(CUTOFF)


def test_weights_are_refused_at_a_cutoff_before_their_training_ended(glaciers: list[Series]) -> None:
    result = run_backtest(glaciers[:1], models=["lstm"], horizons=[1], origins=Origins(min_train=25, step=3))
    assert (result.rows["cutoff"] < np.datetime64("1990-01-01")).all()
    assert result.rows["status"].str.contains("trained until 1990-01-01, after the cutoff").all()
    assert np.isnan(result.values).all()


@pytest.mark.parametrize("model", MODELS)
def test_a_change_of_unit_carries_through(model: str, late: list[Series]) -> None:
    scaled = [replace(series, values=series.values * 1000.0) for series in late]
    one, other = ask(model, late[0], late[1:]), ask(model, scaled[0], scaled[1:])
    assert other == pytest.approx(1000.0 * one, rel=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_values_of_every_glacier_after_the_cutoff_change_no_byte(model: str, late: list[Series]) -> None:
    rng = np.random.default_rng(5)
    after = [series.dates > np.datetime64(CUTOFF) for series in late]
    assert any(mask.any() for mask in after)
    other = [
        replace(series, values=np.where(mask, rng.normal(0, 1e4, len(series)), series.values))
        for series, mask in zip(late, after, strict=True)
    ]
    gone = [series.take(~mask) for series, mask in zip(late, after, strict=True)]
    answers = [ask(model, given[3], given).tobytes() for given in (late, other, gone)]
    assert answers[0] == answers[1] == answers[2]


def test_areas_are_never_negative(late: list[Series]) -> None:
    area = replace(late[2], variable="area_km2", unit="km2", values=np.linspace(40.0, 0.5, len(late[2])))
    for model in MODELS:
        assert (ask(model, area, []) >= 0).all()


def test_intervals_hold_on_glaciers_like_those_that_calibrate(late: list[Series]) -> None:
    result = run_backtest(late, models=["lstm"], horizons=[1, 3], origins=Origins(min_train=20, step=4))
    lower, upper = result.bounds(0.9)
    told = ~np.isnan(lower)
    assert told.sum() > 40
    observed = result.rows["observed"].to_numpy()
    inside = (observed >= lower) & (observed <= upper)
    assert inside[told].mean() == pytest.approx(0.9, abs=0.1)


def test_forecasts_need_no_torch(late: list[Series]) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from glaciertime.forecast import forecast_series\n"
        "from glaciertime.forecast.example import straight_series\n"
        "table = forecast_series(straight_series(rate_per_year=-2.0), models=['lstm', 'mamba'],"
        " target_dates=['2015-01-01'])\n"
        "print(sorted(set(table['status'])))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "['ok']"
