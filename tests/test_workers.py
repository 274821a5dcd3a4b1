import logging
import os
import signal
import stat
import sys
import threading
import time
from ctypes.util import find_library

import pytest

from jenacast.experiments import workers
from jenacast.experiments.workers import run_side_by_side


@pytest.mark.parametrize(
    ("jobs", "at_once", "cores", "gpus", "visible", "expected"),
    [
        (2, None, {0, 1, 2, 3}, 0, None, [({0, 2}, None), ({1, 3}, None)]),
        (8, None, {4, 6}, 0, None, [({4}, None), ({6}, None)]),
        (1, None, {0, 1}, 0, None, [({0, 1}, None)]),
        (4, None, {0, 1, 2}, 2, None, [({0, 2}, "0"), ({1}, "1")]),
        (4, None, {0, 1}, 2, "3,5", [({0}, "3"), ({1}, "5")]),
        (1, None, {0, 1}, 2, None, [({0, 1}, "0")]),
        (0, None, {0, 1}, 0, None, []),
        # As many as wanted, even where they overlap
        (2, 2, {0, 1, 2, 3}, 0, None, [({0, 2}, None), ({1, 3}, None)]),
        (3, 3, {4, 6}, 0, None, [({4}, None), ({6}, None), ({4}, None)]),
        (3, 3, {0, 1, 2}, 2, None, [({0}, "0"), ({1}, "1"), ({2}, "0")]),
    ],
)
def test_the_machine_is_divided_into_shares(jobs, at_once, cores, gpus, visible, expected, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores)
    monkeypatch.setattr(workers, "DRIVER_LIBRARY", find_library("c") if gpus else "libmissing.so.1")
    monkeypatch.setattr(workers, "count_gpus", lambda: gpus or pytest.fail("TensorFlow is asked"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [(set(share.cores), share.gpu) for share in workers.device_shares(jobs, at_once)] == expected


@pytest.fixture
def script(tmp_path, monkeypatch):
    """A function that makes every job a shell script, whose $3 and following are the job's arguments."""
    monkeypatch.setattr(workers, "DRIVER_LIBRARY", "libmissing.so.1")

    def make(lines):
        path = tmp_path / "script"
        path.write_text(f"#!/bin/sh\n{lines}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(sys, "executable", str(path))

    return make


def test_jobs_are_bound_to_shares_their_output_is_logged_and_those_that_fail_are_named(script, caplog, monkeypatch):
    caplog.set_level(logging.INFO, "jenacast")
    bound = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, cores: bound.append(cores), raising=False)
    script('echo "$3, GPU ${CUDA_VISIBLE_DEVICES-none}" >&2; [ "$3" != killed ] || kill -9 $$; exit "$4"')
    jobs = {"first": ["well", "0"], "second": ["badly", "3"], "third": ["killed", "0"], "fourth": ["well", "0"]}
    assert run_side_by_side(jobs) == ["second", "third"]
    said = ["first: well", "fourth: well", "second: badly", "third: killed"]
    assert sorted(caplog.messages) == [f"{each}, GPU none" for each in said]
    shares = [share.cores for share in workers.device_shares(len(jobs))]
    assert len(bound) == len(jobs)
    assert set(bound) == set(shares)
    assert run_side_by_side({}) == []


def test_what_stops_the_parent_stops_the_jobs_and_no_other_begins(script, tmp_path):
    script('touch "$3"; exec sleep 60')
    places = [tmp_path / f"began-{number}" for number in range(3)]

    def interrupt():
        while not all(place.exists() for place in places[:2]):
            time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    thread, began = threading.Thread(target=interrupt), time.monotonic()
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run_side_by_side({place.name: [str(place)] for place in places}, at_once=2)
    assert time.monotonic() - began < 30
    assert [place.exists() for place in places] == [True, True, False]
    thread.join()
