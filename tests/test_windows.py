from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jenacast.data.windows import book_windows, epoch_order, split_rows, strict_windows
from jenacast.runtime import load_tensorflow

START = np.datetime64("2010-01-01T00:10:00", "s")
MINUTE, HOUR = np.timedelta64(60, "s"), np.timedelta64(3600, "s")


def clock(steps_minutes):
    """Times that begin at `START`, with these minutes between them."""
    return START + np.cumsum([0, *steps_minutes]) * MINUTE


def strict(times, start=0, stop=None, *, usable=None, observed=None, history_hours=3, lead_hours=2):
    stop = len(times) if stop is None else stop
    all_of_them = np.ones(stop - start, dtype=bool)
    return strict_windows(
        times,
        start,
        stop,
        usable=all_of_them if usable is None else usable,
        observed=all_of_them if observed is None else observed,
        history_hours=history_hours,
        lead_hours=lead_hours,
    )


def pairs(windows):
    """[(rows of the history, row of the target), ...], each history one slice of its lane."""
    slices = (windows.lanes[start : start + windows.history] for start in windows.starts)
    return [(tuple(rows.tolist()), int(target)) for rows, target in zip(slices, windows.targets, strict=True)]


def keras_pairs(rows, start, stop, *, rate, history, lead):
    """The same from Keras' utility, called as the book calls it, on a series whose values are its row numbers."""
    load_tensorflow()
    import keras

    delay = rate * (history + lead - 1)
    raw, temperature = np.arange(rows)[:, None], np.arange(rows)
    if start >= rows - delay:  # the utility takes no border beyond its data
        return []
    batches = keras.utils.timeseries_dataset_from_array(
        raw[:-delay],
        targets=temperature[delay:],
        sampling_rate=rate,
        sequence_length=history,
        shuffle=False,
        batch_size=10_000,
        start_index=start,
        end_index=stop if stop < rows - delay else None,
    )
    found = []
    for histories, targets in batches.as_numpy_iterator():
        found += [(tuple(h[:, 0].tolist()), int(t)) for h, t in zip(histories, targets, strict=True)]
    return found


@settings(max_examples=25, deadline=None)
@given(
    data=st.data(),
    rate=st.integers(1, 6),
    history=st.integers(1, 8),
    lead=st.integers(1, 6),
)
def test_book_windows_are_those_of_keras(data, rate, history, lead):
    delay = rate * (history + lead - 1)
    rows = delay + data.draw(st.integers(rate + 1, 120), "rows beyond the delay")
    start = data.draw(st.one_of(st.just(0), st.integers(0, rows - 1)), "start")
    stop = data.draw(st.one_of(st.just(rows), st.integers(start + 1, rows)), "stop")
    windows = book_windows(rows, start, stop, rows_per_hour=rate, history_hours=history, lead_hours=lead)
    expected = keras_pairs(rows, start, stop, rate=rate, history=history, lead=lead)
    assert pairs(windows) == expected
    assert windows.history_rows().tolist() == [list(rows) for rows, _ in expected]
    assert windows.last_rows.tolist() == [rows[-1] for rows, _ in expected]
    assert sorted(windows.lanes) == list(range(start, stop))


@pytest.mark.parametrize(
    ("rows", "rows_per_hour", "sizes", "counts"),
    [
        (420_451, 6, (210_225, 105_112, 105_114), (209_511, 104_398, 103_542)),
        (420_551, 6, (210_275, 105_137, 105_139), (209_561, 104_423, 103_567)),
        (70_092, 1, (35_046, 17_523, 17_523), (34_927, 17_404, 17_261)),
    ],
)
def test_the_published_counts_come_out(rows, rows_per_hour, sizes, counts):
    edges = [0, *split_rows(rows), rows]
    splits = list(pairwise(edges))
    assert tuple(stop - start for start, stop in splits) == sizes
    rule = {"rows_per_hour": rows_per_hour, "history_hours": 120, "lead_hours": 24}
    assert tuple(len(book_windows(rows, *split, **rule)) for split in splits) == counts


@given(
    rate=st.sampled_from([1, 2, 3, 4, 6]),
    rows=st.integers(60, 300),
    history=st.integers(1, 8),
    lead=st.integers(1, 6),
)
def test_on_a_ramp_the_target_is_the_lead_above_the_last_row(rate, rows, history, lead):
    times = clock([60 // rate] * (rows - 1))
    hours = {"history_hours": history, "lead_hours": lead}
    by_position = book_windows(rows, 0, rows, rows_per_hour=rate, **hours)
    by_time = strict(times, **hours)
    for windows in (by_position, by_time):
        assert set(windows.targets - windows.last_rows) <= {lead * rate}
    assert len(by_time) == max(0, rows - (history + lead - 1) * rate)
    # By position the last `span` windows are given away, since the series is cut first.
    assert len(by_position) == max(0, len(by_time) - (history - 1) * rate)


def brute_force(times, start, stop, usable, observed, history, lead):
    """Every window there is, found by looking each of its times up."""
    row_at = {time: row for row, time in enumerate(times.tolist()) if start <= row < stop}
    found = []
    for now in row_at:
        hours = np.timedelta64(1, "h").astype(object)
        history_rows = [row_at.get(now - back * hours) for back in range(history - 1, -1, -1)]
        target = row_at.get(now + lead * hours)
        whole = target is not None and None not in history_rows
        if whole and observed[target - start] and all(usable[row - start] for row in history_rows):
            found.append((tuple(history_rows), target))
    return found


STEPS = st.sampled_from([10, 10, 10, 20, 30, 60, 60, 60, 60, 70, 130])


@settings(max_examples=300, deadline=None)
@given(data=st.data(), steps=st.one_of(st.lists(STEPS, max_size=90), st.lists(st.sampled_from([60, 60, 60, 120]))))
def test_strict_windows_are_all_there_are_and_no_others(data, steps):
    times = clock(steps)
    start = data.draw(st.integers(0, len(times) - 1), "start")
    stop = data.draw(st.integers(start, len(times)), "stop")
    seed = data.draw(st.integers(0, 2**32 - 1), "seed")
    share = data.draw(st.sampled_from([0, 0.05, 0.3]), "share of bad rows")
    usable, observed = np.random.default_rng(seed).random((2, stop - start)) >= share
    history, lead = data.draw(st.integers(1, 5), "history"), data.draw(st.integers(1, 4), "lead")

    windows = strict(times, start, stop, usable=usable, observed=observed, history_hours=history, lead_hours=lead)
    assert pairs(windows) == brute_force(times, start, stop, usable, observed, history, lead)
    assert windows.history_rows().tolist() == [list(rows) for rows, _ in pairs(windows)]
    assert sorted(windows.lanes) == list(range(start, stop))
    if len(windows):
        assert (np.diff(times[windows.history_rows()], axis=1) == HOUR).all()
        assert (times[windows.targets] - times[windows.last_rows] == lead * HOUR).all()
        assert (np.diff(windows.last_rows) > 0).all()


def test_a_missing_hour_costs_the_windows_that_need_it():
    times = np.delete(clock([60] * 19), 8)
    windows = strict(times)  # three hours of history, two of lead
    nows = (times[windows.last_rows] - START) // HOUR
    assert nows.tolist() == [2, 3, 4, 5, 7, 11, 12, 13, 14, 15, 16, 17]  # 6 needs hour 8 as target; 9, 10 behind it


def test_an_unusable_row_may_be_a_target_and_an_unobserved_one_an_input():
    times, bad = clock([60] * 9), np.arange(10) == 5
    assert strict(times, usable=~bad).last_rows.tolist() == [2, 3, 4]
    assert strict(times, observed=~bad).last_rows.tolist() == [2, 4, 5, 6, 7]


def test_hours_that_interleave_give_the_windows_of_both():
    tens, forties = clock([60] * 19), clock([60] * 19) + 30 * MINUTE
    times = np.sort(np.concatenate([tens, forties]))
    windows = strict(times)
    histories = times[windows.history_rows()]
    assert len(windows) == 2 * (20 - 3 - 2 + 1)
    for series in (tens, forties):
        mine = np.isin(histories, series).all(axis=1)
        np.testing.assert_array_equal(histories[mine][:, -1], series[2:18])
        np.testing.assert_array_equal(times[windows.targets[mine]], series[4:])


def test_every_nth_window_begins_with_the_first():
    windows = strict(clock([60] * 19))
    assert pairs(windows.pick(slice(None, None, 3))) == pairs(windows)[::3]
    assert pairs(windows.pick(slice(None))) == pairs(windows)


@given(windows=st.integers(0, 3000), seed=st.integers(0, 2**32 - 1), epoch=st.integers(0, 10_000))
def test_an_epochs_order_is_a_permutation_that_seed_and_epoch_decide(windows, seed, epoch):
    order = epoch_order(windows, seed=seed, epoch=epoch)
    assert sorted(order) == list(range(windows))
    np.random.seed(epoch)  # noqa: NPY002 - the global generator must not matter
    np.testing.assert_array_equal(epoch_order(windows, seed=seed, epoch=epoch), order)


@given(st.sets(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=6))
def test_each_seed_and_epoch_has_an_order_of_its_own(keys):
    orders = {tuple(epoch_order(100, seed=seed, epoch=epoch)) for seed, epoch in keys}
    assert len(orders) == len(keys)
