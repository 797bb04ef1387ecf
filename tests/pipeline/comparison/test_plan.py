"""What a comparison's YAML says is used, or refused with what to type instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from glaciertime.errors import DataNotFoundError, InputError, UsageError
from glaciertime.pipeline.comparison.expansion import candidates, expand
from glaciertime.pipeline.comparison.plan import read_plan, template

HEAD = "data: {sim: {reader: simulated, options: {count: 4}, settings: {test: [simulated-0]}}}\nmodels: [unet-small]\n"
MERGED = """\
data:
  sim: &sim {{reader: simulated, options: {{count: 4}}, settings: {{test: [simulated-0]}}}}
  sea: *sim
  both: {{reader: simulated, merge: {{of: {}, rule: "{}"}}}}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "compare.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: [1]\n", "'seed' is not a key of a comparison; did you mean seeds?"),
        ("settings: {epoch: 3}\n", "'settings: epoch' is no setting of a training; did you mean epochs?"),
        ("settings: {seed: 3}\n", "'settings: seed' is not said here, but by 'seeds'"),
        ("settings: {test: [a]}\n", "'settings: test' is not said here, but by 'data: NAME: settings'"),
        ("grid: {learning_rat: [1]}\n", "did you mean learning_rate?"),
        ("grid: {batch: []}\n", "'grid: batch' is empty"),
        ("grid: {batch: [1]}\nrandom: {budget: 2, settings: {batch: [1]}}\n", "a search is one of them"),
        ("random: {budget: 0, settings: {batch: [1]}}\n", "'random: budget'.*greater than or equal to 1"),
        ("random: {budgets: 2, settings: {}}\n", "did you mean budget?"),
        ("random: {budget: 2, settings: {learning_rate: {low: 0, high: 1, log: true}}}\n", "both above 0 with log"),
        ("seeds: [1, 1]\n", "'seeds': 1 is there twice"),
        ("seeds: [-1]\n", "'seeds': -1 given, 0 or more"),
        ("seeds: [true]\n", "'seeds': whole numbers expected"),
        ("seeds: [1.5]\n", "'seeds: 0'.*fractional part"),
        ("split_seed: -1\n", "'split_seed'.*greater than or equal to 0"),
        ("split_seed: true\n", "'split_seed': whole numbers expected"),
        ("random: {budget: 2, seed: -2, settings: {batch: [1]}}\n", "'random: seed'.*greater than or equal to 0"),
        ("random: {budget: true, settings: {batch: [1]}}\n", "'random: budget': whole numbers expected"),
        ("metrics: []\n", "'metrics' is empty"),
        ("variants: {a: {loss: dice}, b: {loss: dice}}\n", "'variants': a and b say the same; keep one of them"),
        ("samples: [0]\n", "'samples': 0 given"),
        ("tables: [5.10]\n", "the table 5.1 in quotes expected"),
        ('tables: ["5.13"]\n', "no published table '5.13' is held; nearest: 5.3"),
        ("baseline: unet-smal\n", "none of what is compared; did you mean unet-small?"),
        ("modalities: {red: {band: [red]}}\n", "did you mean bands?"),
        ("train_on: {july: {month: [7]}}\n", "did you mean months?"),
        ("variants: {a/b: {}}\n", "'a/b' is no name"),
        ("metrics: [io]\n", "'metrics: 0'"),
        ("data: {sim: {reader: simulated, table_modality: red}}\n", "table_modality: red' is no modality of it"),
        (MERGED.format("[sim]", "a > b"), "'data: both: merge: of': sim given, two data sets or more expected"),
        (MERGED.format("[sim, sum]", "a > b"), "'data: both: merge: of: sum' is no data set that is trained on"),
        (MERGED.format("[sim, sea]", "debris"), "'data: both: merge: rule: debris': mean, vote, or classes"),
        (MERGED.format("[sim, sea], rul: x", "a>b"), "did you mean rule?"),
        (MERGED.format("[sim, sea]", "a > b") + "grid: {batch: [1]}\n", "and a search given; search first"),
        ("archive: a.gpkg\n", "'archive' is for table 6.11"),
        ('archive: a.gpkg\ntables: ["6.11"]\n', "a.gpkg does not exist"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_told_with_what_is(tmp_path: Path, text: str, message: str) -> None:
    head = "models: [unet-small]\n" if text.startswith("data:") else HEAD
    with pytest.raises((InputError, UsageError, DataNotFoundError), match=message.replace("?", r"\?")):
        read_plan(written(tmp_path, head + text))


def test_a_key_of_a_data_set_is_told_too(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'data: sim: readr' is not a key of a comparison; did you mean reader\?"):
        read_plan(written(tmp_path, "data: {sim: {readr: simulated}}\nmodels: [unet-small]\n"))
    with pytest.raises(InputError, match=r"'data: sim: settings: epochs' says nothing of samples"):
        read_plan(written(tmp_path, "data: {sim: {reader: simulated, settings: {epochs: 3}}}\nmodels: [unet-small]\n"))
    with pytest.raises(InputError, match="'stands_for' of sim is for the columns of 'tables'"):
        read_plan(written(tmp_path, "data: {sim: {reader: simulated, stands_for: nird}}\nmodels: [unet-small]\n"))


def test_a_model_that_is_not_known_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nearest: unet-small"):
        read_plan(written(tmp_path, "data: {sim: {reader: simulated}}\nmodels: [unet-smal]\n"))


def test_the_template_is_a_comparison(tmp_path: Path) -> None:
    plan = read_plan(written(tmp_path, template()))
    assert len(expand(plan)) == 9
    assert plan.data["greenland"].root == tmp_path / "data" / "landsat_fronts"


def test_every_combination_is_trained_once_for_each_seed(tmp_path: Path) -> None:
    text = HEAD + "seeds: [1, 2]\nsamples: [2, 3]\nvariants: {a: {loss: dice}, b: {}}\n"
    runs = expand(read_plan(written(tmp_path, text)))
    assert len(runs) == 8
    assert len({(*run.condition, run.seed) for run in runs}) == 8
    assert {(run.variant, run.config.loss) for run in runs} == {("a", "dice"), ("b", "front")}


def test_a_setting_of_a_variant_wins_over_that_of_all(tmp_path: Path) -> None:
    text = HEAD + "settings: {epochs: 3, batch: 2}\nvariants: {long: {epochs: 9}}\n"
    (run,) = expand(read_plan(written(tmp_path, text)))
    assert (run.config.epochs, run.config.batch, run.config.seed) == (9, 2, 0)


def test_a_random_search_keeps_to_its_budget_and_its_seed(tmp_path: Path) -> None:
    span = "{learning_rate: {low: 1.0e-4, high: 1.0e-2, log: true}, batch: [2, 4]}"
    plans = [read_plan(written(tmp_path, HEAD + f"random: {{budget: 6, seed: {seed}, settings: {span}}}\n"))
             for seed in (1, 1, 2)]  # fmt: skip
    first, again, other = (candidates(plan) for plan in plans)
    assert len(first) == 6
    assert first == again != other
    assert all(1e-4 <= one["learning_rate"] <= 1e-2 for one in first.values())


def test_a_random_search_ends_where_there_are_no_more(tmp_path: Path) -> None:
    plan = read_plan(written(tmp_path, HEAD + "random: {budget: 9, settings: {batch: [2, 4, 2]}}\n"))
    assert sorted(candidates(plan)) == ["batch=2", "batch=4"]


def test_a_setting_that_contradicts_another_is_told_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"sim, v: momentum 0\.9 given, but adamw has its own"):
        expand(read_plan(written(tmp_path, HEAD + "variants: {v: {momentum: 0.9}}\n")))
    with pytest.raises(InputError, match="setting 'epochs'"):
        expand(read_plan(written(tmp_path, HEAD + "settings: {epochs: 0}\n")))


def test_two_values_that_print_alike_are_two_settings(tmp_path: Path) -> None:
    plan = read_plan(written(tmp_path, HEAD + "grid: {learning_rate: [0.00100001, 0.00100002]}\n"))
    assert [one["learning_rate"] for one in candidates(plan).values()] == [0.00100001, 0.00100002]
