"""From a table of observations to series: what is combined, dropped and refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from glaciertime.combining import one_per_day
from glaciertime.errors import InputError
from glaciertime.forecast import observations_from_table, series_from_observations
from glaciertime.forecast.example import make_series
from glaciertime.tables import validate
from glaciertime.track.record.periods import period_means


def table(**columns):
    count = max((len(value) for value in columns.values() if isinstance(value, list)), default=1)
    base = {
        "glacier": "Crane", "date": [f"{2000 + i}-03-15" for i in range(count)], "variable": "area_km2",
        "value": [650.0 - i for i in range(count)], "sigma": np.nan, "unit": "km2", "method": "polygon",
        "footprint": "box", "dataset": "Greene", "image_id": [f"scene {i}" for i in range(count)],
        "quality": "ok", "source": "observed",
    }  # fmt: skip
    return pd.DataFrame({**base, **columns})


def test_rows_of_one_day_become_their_mean_and_what_they_disagree_by_widens_sigma():
    rows = table(date=["2000-01-01"] * 2, value=[10.0, 13.0], sigma=[1.0, 2.0])
    (series,) = series_from_observations(rows)
    assert series.values == pytest.approx([(10 / 1 + 13 / 4) / (1 + 1 / 4)])
    # 0.6 and 2.4 off the mean: 0.36 / 1 + 5.76 / 4 = 1.8 where 1 is expected.
    assert series.sigma == pytest.approx([(1.8 / (1 + 1 / 4)) ** 0.5])


def test_unknown_sigma_counts_as_the_typical_one_of_its_day():
    (series,) = series_from_observations(table(date=["2000-01-01"] * 2, value=[10.0, 13.0], sigma=[1.0, np.nan]))
    assert series.values == [11.5]
    assert series.sigma == [1.5]
    (series,) = series_from_observations(table(date=["2000-01-01"] * 2, value=[10.0, 13.0]))
    assert np.isnan(series.sigma).all()


def test_sigma_zero_is_exact_and_outweighs_the_rest():
    (series,) = series_from_observations(table(date=["2000-01-01"] * 2, value=[10.0, 13.0], sigma=[1.0, 0.0]))
    assert series.values == [13.0]
    assert series.sigma == [0.0]


@pytest.mark.parametrize("sigma", [[1.0, 2.0, 3.0], [1.0, np.nan, 3.0], [np.nan] * 3, [0.0, 2.0, 0.0], [5.0] * 3])
def test_a_day_is_the_same_to_forecasts_and_to_reports(sigma):
    rows = validate(table(date=["2000-01-01"] * 3, value=[10.0, 13.0, 40.0], sigma=sigma), "observations")
    (series,) = series_from_observations(rows)
    (mean,) = period_means(rows, period="month").itertuples()
    (day,) = one_per_day(rows).itertuples()
    assert [series.values[0], series.sigma[0]] == pytest.approx([day.value, day.sigma], nan_ok=True, abs=0, rel=0)
    assert [mean.value, mean.sigma] == pytest.approx([day.value, day.sigma], nan_ok=True, rel=1e-12)


def test_a_bound_beside_a_value_of_its_day_changes_nothing():
    plain = table(date=["2000-01-01"] * 2, value=[10.0, 90.0], sigma=1.0, quality=["ok", "censored: the ice fills it"])
    rows = validate(plain, "observations")
    day = one_per_day(rows).iloc[0]
    assert (day["value"], day["sigma"], day["n"], day["censored"]) == (10.0, 1.0, 1, False)
    assert series_from_observations(rows)[0].values == [10.0]
    bounds = one_per_day(rows.assign(quality="censored")).iloc[0]
    assert (bounds["value"], bounds["n"], bounds["censored"]) == (50.0, 2, True)
    said = one_per_day(rows.assign(quality="ok", bound=["", "at-least"])).iloc[0]
    assert (said["value"], said["censored"]) == (10.0, False)


def test_bounds_failures_and_missing_values_are_dropped_and_counted():
    rows = table(value=[5.0, 6.0, np.nan, 8.0], quality=["ok", "censored: full box", "failed: no ocean", "ok"])
    (series,) = series_from_observations(rows)
    assert series.values.tolist() == [5.0, 8.0]
    assert any("censored" in note for note in series.notes)
    assert any("no value" in note for note in series.notes)


def test_datasets_and_sources_are_never_joined():
    both = pd.concat([table(value=[1.0, 2.0]), table(value=[3.0, 4.0], dataset="Other")])
    assert len(series_from_observations(both)) == 2
    with pytest.raises(InputError, match="mixes sources observed, simulated"):
        series_from_observations(pd.concat([table(value=[1.0]), table(value=[2.0], source="simulated")]))


def test_mixed_units_are_refused():
    rows = table(variable="custom", value=[1.0, 2.0], unit=["m", "km"])
    with pytest.raises(InputError, match="one series mixes units km, m"):
        series_from_observations(rows)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ([1.0, np.inf], "1 value is infinite"),
        ([1.0, -2.0], "area_km2 is negative"),
        ([np.nan, np.nan], "none of 2 rows"),
    ],
)
def test_values_that_cannot_be_are_refused(values, match):
    with pytest.raises(InputError, match=match):
        series_from_observations(table(value=values))


def test_unknown_glacier_gets_the_nearest_name():
    with pytest.raises(InputError, match=r"glacier 'Crain'; there are Crane"):
        series_from_observations(table(value=[1.0]), glacier="Crain")


def test_order_of_rows_does_not_matter():
    rows = table(date=["2000-01-01", "2000-01-01", "2001-01-01", "2002-01-01"], value=[1.1, 2.2, 3.3, 4.4],
                 sigma=[0.1, 0.3, 0.2, np.nan])  # fmt: skip
    (one,), (two,) = series_from_observations(rows), series_from_observations(rows[::-1])
    np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_array_equal(one.dates, two.dates)


def test_dates_must_increase_and_be_finite():
    with pytest.raises(InputError, match="dates must increase"):
        make_series(["2001-01-01", "2001-01-01"], [1.0, 2.0])
    with pytest.raises(InputError, match="1 value is not finite"):
        make_series(["2001-01-01", "2002-01-01"], [1.0, np.nan])


def test_plain_table_reads_the_citation_as_dataset_and_flags_bare_years():
    plain = pd.DataFrame({"glacier": "A", "date": ["1950", "1951-06-01"], "variable": "length_change_m",
                          "value": [0.0, -3.0], "unit": "m", "source": "Leclercq et al. 2014"})  # fmt: skip
    observations = observations_from_table(plain)
    assert observations["dataset"].unique().tolist() == ["Leclercq et al. 2014"]
    assert observations["quality"].tolist() == ["year-only", "ok"]


def test_series_of_one_table_are_those_of_their_rows_alone():
    flags = ["ok", "censored: full box", "failed: no ocean", "ok", "manual: by hand", "assumed-seaward", "ok", "ok"]
    parts = []
    for k in range(3):
        dates = [f"{2000 + i // 2}-03-15" for i in range(8)]
        values = [10.0 * k + i if i != k else np.nan for i in range(8)]
        for name in ("A", "B"):
            flagged = flags[k:] + flags[:k]
            parts.append(table(date=dates, value=values, sigma=1.0, quality=flagged, glacier=f"G{k}", dataset=name))
    rows = pd.concat(parts).sample(frac=1, random_state=1)
    found = series_from_observations(rows)
    assert [(one.glacier, one.dataset) for one in found] == [(f"G{k}", name) for k in range(3) for name in "AB"]
    for one in found:
        own = rows[(rows["glacier"] == one.glacier) & (rows["dataset"] == one.dataset)]
        (alone,) = series_from_observations(own)
        assert one.notes == alone.notes
        assert len(one.notes) >= 4
        for name in ("dates", "values", "sigma", "quality"):
            np.testing.assert_array_equal(getattr(one, name), getattr(alone, name))
