import json
import os
from functools import cache
from importlib.metadata import version

import pytest

from jenacast.doctor import examine, probes
from jenacast.doctor.probes import probe
from jenacast.models import compiled
from jenacast.runtime import has_gpu

KINDS = ("problem:", "remedy: ")  # the beginnings of the lines that tell of one


@pytest.fixture
def diagnose(jenacast, monkeypatch):
    """A function that examines this machine once, with one step of each measurement, and tells it in both ways."""
    monkeypatch.setattr("jenacast.doctor.speed.SECONDS", 0.0001)

    def run():
        monkeypatch.setattr(examine, "examine", cache(examine.examine))
        return jenacast("doctor", "--json"), jenacast("doctor")

    return run


@pytest.fixture
def place_tensorflow(tmp_path, monkeypatch):
    """A function that gives the processes to come a `tensorflow` of this code instead of the real one."""

    def place(code):
        (tmp_path / "tensorflow.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return place


@pytest.mark.system
def test_a_sound_machine_is_described_in_one_object_and_for_people(diagnose, monkeypatch):
    recipes = ["stacked-gru", "dense", "lstm-unrolled", "simple-rnn", "conv1d"]
    monkeypatch.setattr(examine, "recipe_names", lambda: recipes)
    done, for_people = diagnose()
    assert (done.exit_code, for_people.exit_code) == (0, 0), done.output
    assert done.stderr.startswith("trying TensorFlow and XLA\nmeasuring speed on a made-up series, a few seconds\n")
    found = json.loads(done.stdout)
    assert found["problems"] == []
    installed = {name: version(name) for name in ("jenacast", "tensorflow", "keras", "numpy")}
    assert installed.items() <= found["versions"].items()
    assert 1 <= found["cpu"]["cores"] <= found["cpu"]["machine_cores"] == os.cpu_count()
    assert found["xla"] == {"started": True, "works": True, "error": ""}
    assert (found["cudnn"] is None) == (found["gpus"] == []) == (not has_gpu())
    assert has_gpu() or found["notes"][0] == "no GPU: training runs on the CPU"
    kernels = {row["recipe"]: row for row in found["kernels"]}
    on_cpu = "compiled C" if compiled.has_compiler() else "XLA"
    fast, engine = ("cuDNN", "weight-drop") if has_gpu() else (on_cpu, "tied")
    assert (kernels["stacked-gru"]["kernel"], kernels["stacked-gru"]["engine"]) == (fast, engine)
    assert kernels["stacked-gru"]["engines"]["keras"] == "TensorFlow"
    assert kernels["stacked-gru"]["engines"]["weight-drop"] == fast
    assert [kernels[name]["engines"] for name in ("dense", "lstm-unrolled", "simple-rnn")] == [{}] * 3
    assert found["windows_per_second"] > 0
    measured = {(row["recipe"], row["engine"], row["kernel"]): row["steps_per_second"] for row in found["training"]}
    assert set(measured) == {("stacked-gru", "keras", "TensorFlow"), ("stacked-gru", engine, fast)}
    assert min(measured.values()) > 0

    lines = [line.split() for line in for_people.stdout.splitlines()]
    assert set(recipes) <= {line[0] for line in lines if line}
    assert (["cuDNN", "works"] if has_gpu() else ["cuDNN", "no", "GPU"]) in lines
    assert ["XLA", "works"] in lines
    tied = "XLA" if has_gpu() else fast
    assert f"stacked-gru {fast} {engine} TensorFlow {tied} {fast}".split() in lines
    assert ["conv1d", "TensorFlow"] in lines
    assert lines[-1] == ["no", "problem", "was", "found"]
    assert max(map(len, for_people.stdout.splitlines())) <= 80


@pytest.mark.system
def test_faults_are_told_with_their_remedies_and_nothing_is_trained_with_what_is_broken(
    diagnose, fake_nvidia_smi, monkeypatch
):
    # XLA itself ends any process that compiles under a flag it does not know.
    monkeypatch.setenv("XLA_FLAGS", "--no_such_flag=1")
    monkeypatch.setattr(examine, "recipe_names", lambda: ["stacked-gru"])
    fake_nvidia_smi("echo No devices were found >&2; exit 6")
    done, for_people = diagnose()
    assert (done.exit_code, for_people.exit_code) == (1, 1)
    found = json.loads(done.stdout)
    driver, xla = found["problems"]
    assert driver["problem"] == "nvidia-smi fails: No devices were found"
    assert driver["remedy"].startswith("mend the NVIDIA driver")
    assert xla["problem"] == "XLA does not work: Unknown flag in XLA_FLAGS: --no_such_flag=1"
    assert xla["remedy"].startswith("unset XLA_FLAGS")
    assert "model.engine=keras" in xla["remedy"]
    assert "XLA_FLAGS is set: --no_such_flag=1" in found["notes"]
    rates = {row["kernel"]: row["steps_per_second"] for row in found["training"]}
    assert rates["TensorFlow"] > 0
    assert rates.get("XLA") is None

    told = [f"{kind} {text}" for one in found["problems"] for kind, text in zip(KINDS, one.values(), strict=True)]
    assert for_people.stdout.splitlines()[-4:] == told


def test_a_tensorflow_that_does_not_start_is_told_in_one_line(jenacast, place_tensorflow):
    place_tensorflow("raise ImportError('libc.so is too old. It is of 1999')")
    done = jenacast("doctor", "--json")
    assert done.exit_code == 1
    assert done.stdout == ""
    trying, error = done.stderr.splitlines()
    assert trying.startswith("trying TensorFlow")
    assert error.startswith("error: TensorFlow does not start: libc.so is too old; reinstall it: pip install ")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import time; time.sleep(60)", "no answer within 1 s"),
        ("import os; os.abort()", "the process ended with code -6"),
        ("import os; os.write(2, b'Could not load library libcudnn.so\\n'); os.abort()", "Could not load library"),
    ],
)
def test_a_trial_that_hangs_or_crashes_is_a_finding(place_tensorflow, monkeypatch, code, told):
    monkeypatch.setattr(probes, "PROBE_SECONDS", 1)
    place_tensorflow(code)
    tried = probe("cudnn")
    assert (tried.started, tried.works) == (False, False)
    assert tried.error.startswith(told)


@pytest.mark.system
def test_cudnn_works_where_there_is_a_gpu_and_says_why_elsewhere():
    tried = probe("cudnn")
    assert tried.started
    assert tried.works == has_gpu()
    assert ("cuDNN is not supported" in tried.error) == (not has_gpu())
