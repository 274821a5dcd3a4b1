"""A trend of the climate that is taken off the inputs, and what comes back."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import refused

from jenacast.columns import NAMES
from jenacast.config import load_recipe
from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.data.prepared import load_prepared
from jenacast.data.series import Series
from jenacast.data.synthetic import synthetic_series, write_csv
from jenacast.features.datasets import split_samples
from jenacast.features.encoding import fit_encoding
from jenacast.features.warming import warming_c, without_warming

ROW = {  # the first row of the series that everyone has, 2009-01-01 00:10
    "pressure_mbar": 996.52,
    "temperature_c": -8.02,
    "potential_temperature_k": 265.40,
    "dew_point_c": -8.90,
    "relative_humidity_percent": 93.3,
    "saturation_vapour_pressure_mbar": 3.33,
    "vapour_pressure_mbar": 3.11,
    "vapour_pressure_deficit_mbar": 0.22,
    "specific_humidity_g_per_kg": 1.94,
    "water_vapour_mmol_per_mol": 3.12,
    "air_density_g_per_m3": 1307.75,
    "wind_speed_m_per_s": 1.03,
    "max_wind_speed_m_per_s": 1.75,
    "wind_direction_deg": 152.3,
}


@pytest.fixture(scope="module")
def years(tmp_path_factory):
    """Two hourly years, one of which trains."""
    folder = tmp_path_factory.mktemp("years")
    write_csv(folder / CSV_NAME, *synthetic_series(rows=17_600, step_minutes=60, seed=5, warts=False))
    prepare(folder, synthetic=True)
    return load_prepared(folder)


def warmer(prepared, c_per_decade):
    """The same data in a climate that warms."""
    series = without_warming(prepared.series, -c_per_decade)
    return replace(prepared, series=series)


def test_a_year_is_a_tenth_of_a_decade_and_2012_begins_at_nothing():
    times = np.array(["2002-01-01T12", "2012-01-01T00", "2013-01-01T00", "2024-07-01T00"], "datetime64[s]")
    np.testing.assert_allclose(warming_c(times, 0.4), [-0.4, 0, 0.04, 0.5], atol=2e-4)


def test_cooler_air_is_as_humid_and_its_columns_agree_with_each_other():
    values = np.array([[ROW[name] for name in NAMES]], np.float32)
    air = without_warming(Series(np.array(["2022-01-01"], "datetime64[s]"), values), -10.0)  # 10 °C warmer
    now = {name: float(air.column(name)[0]) for name in NAMES}
    assert now["temperature_c"] == pytest.approx(1.98, abs=0.01)
    assert now["relative_humidity_percent"] == pytest.approx(93.3)
    # Over water at 2.0 °C saturation is 7.05 mbar (Smithsonian tables); the file's figures round to half a per cent
    assert now["saturation_vapour_pressure_mbar"] == pytest.approx(7.05, rel=0.01)
    assert now["vapour_pressure_mbar"] == pytest.approx(0.933 * 7.05, rel=0.01)
    assert now["vapour_pressure_mbar"] + now["vapour_pressure_deficit_mbar"] == pytest.approx(
        now["saturation_vapour_pressure_mbar"], rel=1e-4
    )
    assert now["specific_humidity_g_per_kg"] == pytest.approx(622 * now["vapour_pressure_mbar"] / 996.52, rel=0.01)
    assert now["potential_temperature_k"] == pytest.approx(275.13 * 265.40 / 265.13, abs=0.02)
    assert now["air_density_g_per_m3"] == pytest.approx(1307.75 * 265.13 / 275.13, rel=1e-4)
    for name in ("pressure_mbar", "wind_speed_m_per_s", "wind_direction_deg"):
        assert now[name] == pytest.approx(ROW[name])


@pytest.mark.parametrize("target", ["absolute", "change", "departure", "departure-change"])
def test_a_network_sees_a_warming_climate_as_the_one_it_learnt_and_forecasts_the_warmer(years, target):
    """With a trend of 2 °C a decade the sight is the same, and the forecast as much warmer."""
    names = ["temperature_c", "dew_point_c", "relative_humidity_percent", "specific_humidity_g_per_kg"]
    asked = [f"data.columns={names}", "data.history_hours=24", f"data.target={target}", "data.every_hour=true"]
    plain = fit_encoding(years, load_recipe("lagged", asked).data)
    warm = warmer(years, 2.0)
    aware = fit_encoding(warm, load_recipe("lagged", [*asked, "data.warming_c_per_decade=2.0"]).data)
    before, after = (split_samples(prepared, "val", encoding) for prepared, encoding in ((years, plain), (warm, aware)))
    np.testing.assert_allclose(after.inputs, before.inputs, atol=2e-3)
    outputs = before.targets
    decoded_c = [
        encoding.decode(outputs, samples.now, samples.last_observed_c)
        for encoding, samples in ((plain, before), (aware, after))
    ]
    risen_c = warming_c(before.now, 2.0)[:, None]
    np.testing.assert_allclose(decoded_c[1] - decoded_c[0], np.broadcast_to(risen_c, outputs.shape), atol=0.02)


def test_a_trend_of_other_size_than_climates_have_is_refused(jenacast, tmp_path):
    done = jenacast("train", "--model", "lagged", "--set", "data.warming_c_per_decade=40", "--data-dir", tmp_path)
    refused(done, "data.warming_c_per_decade")
