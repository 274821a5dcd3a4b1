import json

import numpy as np
import pytest
from regional import annual_cycle, red_noise, regional_series

from jenacast.data import homogeneity
from jenacast.data.cleaning import clean
from jenacast.data.homogeneity import Break, Homogeneity, audit_homogeneity, find_breaks
from jenacast.data.prepared import MANIFEST, load_prepared
from jenacast.data.region import REFERENCE, compare_with_region, monthly_means
from jenacast.data.series import Series, concatenate
from jenacast.data.station import read_station_csv
from jenacast.data.synthetic import synthetic_series
from jenacast.report.homogeneity import describe_homogeneity

MONTHS = np.arange(12 * (2009 - 1970), 12 * (2017 - 1970))  # 2009 to 2016
LATER = ("2017b", "2021b_to_november", "2024_january_to_may", "2024_june_to_october")


def made(seed):
    generator = np.random.default_rng(seed)
    return red_noise(generator, len(MONTHS)) + annual_cycle(MONTHS)


def number(month):
    return int(np.datetime64(month, "M").astype(np.int64))


def a_series(times, values):
    return Series(times.astype("datetime64[s]"), values.astype(np.float32))


@pytest.fixture
def fewer_made_series(monkeypatch):
    monkeypatch.setattr(homogeneity, "MADE_SERIES", 199)


@pytest.mark.usefixtures("fewer_made_series")
def test_homogeneous_series_give_false_alarms_in_at_most_five_percent():
    assert sum(bool(find_breaks(MONTHS, made(seed))) for seed in range(60)) <= 3


@pytest.mark.usefixtures("fewer_made_series")
def test_steps_of_half_a_degree_are_found_dated_and_measured():
    found = dated = held = more = 0
    for seed in range(30):
        generator = np.random.default_rng(1000 + seed)
        begin, step_c = int(generator.integers(MONTHS[12], MONTHS[-12])), float(generator.choice([-0.5, 0.5]))
        breaks = find_breaks(MONTHS, made(seed) + step_c * (begin <= MONTHS))
        nearest = min(breaks, key=lambda each: abs(number(each.month) - begin), default=None)
        found += nearest is not None
        dated += nearest is not None and abs(number(nearest.month) - begin) <= 3
        held += nearest is not None and nearest.step_ci95_c[0] <= step_c <= nearest.step_ci95_c[1]
        more += len(breaks) > 1
    assert found >= 27
    assert dated >= 27
    assert held >= 27
    assert more <= 1


def test_two_steps_are_told_apart():
    difference_c = made(4) + 0.8 * (number("2011-05") <= MONTHS) - 1.0 * (number("2014-03") <= MONTHS)
    first, second = find_breaks(MONTHS, difference_c)
    assert (first.month, second.month) == ("2011-05", "2014-03")
    assert first.step_ci95_c[0] < 0.8 < first.step_ci95_c[1]
    assert second.step_ci95_c[0] < -1.0 < second.step_ci95_c[1]


def test_a_step_is_found_across_missing_months():
    kept = np.ones(len(MONTHS), bool)
    kept[[3, 30, 31, 32, 60]] = False
    (found,) = find_breaks(MONTHS[kept], (made(5) + 0.7 * (number("2013-01") <= MONTHS))[kept])
    assert abs(number(found.month) - number("2013-01")) <= 1
    assert found.p < 0.01


def test_a_step_that_cannot_be_told_from_the_annual_cycle_is_not_found():
    """The first years know summers alone, the later ones winters alone."""
    is_summer = (MONTHS % 12 >= 3) & (MONTHS % 12 < 9)
    kept = is_summer == (number("2013-01") > MONTHS)
    assert find_breaks(MONTHS[kept], made(8)[kept] + 2.0 * (number("2013-01") <= MONTHS[kept])) == []


def test_the_result_is_the_same_every_time():
    difference_c = made(6) + 0.6 * (number("2012-02") <= MONTHS)
    assert find_breaks(MONTHS, difference_c) == find_breaks(MONTHS, difference_c)


def test_a_difference_without_noise_has_no_break():
    assert find_breaks(MONTHS, np.zeros(len(MONTHS))) == []


def hourly(values, begin="2010-01-01T01:00:00"):
    times = np.datetime64(begin, "s") + 3600 * np.arange(len(values))
    table = np.ones((len(values), 14), np.float32)
    table[:, 1] = values
    return Series(times, table, np.ones(len(values), bool))


def test_a_stamp_ends_its_hour_and_midnight_on_the_first_belongs_to_the_month_before():
    january = np.full(31 * 24, 1.0)
    months, means_c = monthly_means(hourly(np.concatenate([january, np.full(28 * 24, 5.0)])))
    assert months.astype(str).tolist() == ["2010-01", "2010-02"]
    assert means_c.tolist() == [1.0, 5.0]


def test_months_with_less_than_nine_tenths_of_their_hours_are_left_out():
    values = np.ones((31 + 28) * 24)
    lost = int(0.1 * 31 * 24)
    series = hourly(values)
    series.target_measured[:lost] = False
    assert monthly_means(series)[0].astype(str).tolist() == ["2010-01", "2010-02"]
    series.target_measured[: lost + 1] = False
    assert monthly_means(series)[0].astype(str).tolist() == ["2010-02"]


def test_hours_count_alike_whatever_their_rows():
    """An hourly half of a month and a half of ten-minute rows, some of which come twice."""
    first = hourly(np.zeros(15 * 24), "2010-04-01T01:00:00")
    times = np.datetime64("2010-04-16T00:10:00", "s") + 600 * np.arange(15 * 144)
    table = np.full((15 * 144, 14), 2.0, np.float32)
    times, table = np.append(times, times[:144]), np.vstack([table, table[:144]])
    both = Series(np.append(first.times, times), np.vstack([first.values, table]))
    assert monthly_means(both)[1].tolist() == [1.0]


def test_the_packages_reference_is_whole_and_says_its_source_and_terms():
    head, _, body = REFERENCE.read_text().partition("month,mean_temperature_c\n")
    assert "Datenbasis: Deutscher Wetterdienst" in head
    assert "GeoNutzV / CC BY 4.0" in head
    months = np.array([line.split(",")[0] for line in body.splitlines()], "datetime64[M]")
    assert (np.diff(months) == 1).all()
    assert str(months[0]) == "2003-01"


def test_a_made_up_series_is_not_compared():
    """It does not follow the region, and so is not told apart by its mark alone."""
    series = a_series(*synthetic_series(rows=4 * 365 * 24, step_minutes=60, warts=False))
    assert audit_homogeneity(series, synthetic=False) == Homogeneity()
    regional = a_series(*regional_series(2009, 4, [("2011-01", 1.0)]))
    assert audit_homogeneity(regional, synthetic=True) == Homogeneity()
    assert audit_homogeneity(regional, synthetic=False).breaks


def test_less_than_three_years_are_not_compared():
    times, values = regional_series(2009, 3, [("2010-07", 1.5)])
    assert len(audit_homogeneity(a_series(times, values), synthetic=False).difference_c) == 36
    short = a_series(times[31 * 24 :], values[31 * 24 :])
    assert audit_homogeneity(short, synthetic=False) == Homogeneity()


def test_prepare_reports_the_break(broken_dir, jenacast, tmp_path):
    manifest = load_prepared(broken_dir).manifest
    (found,) = manifest.homogeneity.breaks
    assert (found.month, len(manifest.homogeneity.difference_c)) == ("2010-03", 48)
    assert found.step_ci95_c[0] < 1.0 < found.step_ci95_c[1]
    done = jenacast("prepare", "--data-dir", broken_dir)
    *_, finding, table = done.stdout.rstrip().split("\n\n")
    assert finding == f"Against Thuringia (48 months) the temperature steps by {found.step_c:+.2f} °C in 2010-03."
    assert table.splitlines()[2].split()[0] == "2010-03"
    assert max(map(len, [finding, *table.splitlines()])) <= 80


def test_a_manifest_of_an_earlier_version_knows_nothing_of_breaks(data_dir):
    path = data_dir / "prepared" / MANIFEST
    content = json.loads(path.read_text())
    del content["homogeneity"]
    path.write_text(json.dumps(content))
    assert load_prepared(data_dir).manifest.homogeneity is None


@pytest.mark.pictures
def test_the_report_shows_the_months_and_the_step():
    record = Break(month="2010-03", month_ci95=("2010-02", "2010-03"), step_c=0.8, step_ci95_c=(0.7, 0.9), p=0.0005)
    months = [f"{2009 + month // 12}-{month % 12 + 1:02d}" for month in range(36)]
    found = Homogeneity(difference_c={month: float(month >= "2010-03") for month in months}, breaks=[record])
    (part,) = describe_homogeneity(found, "data-0")
    assert "+0.80 °C in 2010-03" in part.pictures[0].finding
    assert "Thuringia" in part.pictures[0].svg
    assert part.tables[0].rows[0][0] == "2010-03"
    assert describe_homogeneity(Homogeneity(), "data-0") == []
    assert describe_homogeneity(None, "data-0") == []


@pytest.mark.real
def test_the_station_broke_in_the_winter_of_2012(real_series):
    raw = read_station_csv(real_series)
    (found,) = audit_homogeneity(clean(raw, "strict").series, synthetic=False).breaks
    assert "2011-12" <= found.month <= "2012-02"
    assert found.step_c == pytest.approx(0.77, abs=0.03)
    assert found.p < 0.001
    assert [found] == audit_homogeneity(clean(raw, "book").series, synthetic=False).breaks


@pytest.mark.real
def test_nothing_broke_in_the_years_after(real_series, later_files):
    later = [later_files[0].parent / f"mpi_roof_{name}.csv.gz" for name in LATER]
    files = [read_station_csv(path) for path in (real_series, *later)]
    series = clean(concatenate(files), "strict").series
    assert compare_with_region(series).months[-1] == np.datetime64("2024-09")
    (found,) = audit_homogeneity(series, synthetic=False).breaks
    assert found.month == "2012-02"
    assert found.step_c == pytest.approx(0.77, abs=0.03)
