import json
import os
import time
from dataclasses import astuple, replace
from functools import cache
from importlib.metadata import version

import pytest

from jenacast.doctor import examine, hardware, probes
from jenacast.doctor.examine import Findings, find_problems
from jenacast.doctor.hardware import Cpu, Driver, Gpu
from jenacast.doctor.probes import Probe, probe
from jenacast.runtime import has_gpu, load_tensorflow
from jenacast.training.backend import RecurrentBackend as Backend

GPU_LINE = "GPU 0: NVIDIA H200 (UUID: GPU-5ad1b0f6-3e11-4c1b-9d7a-0a1b2c3d4e5f)"
NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
    "Make sure that the latest NVIDIA driver is installed and running."
)
KINDS = ("problem:", "remedy: ")  # the beginnings of the lines that tell of one


@pytest.fixture
def fake_nvidia_smi(tmp_path, monkeypatch):
    """A function that puts a shell script before others on PATH as `nvidia-smi`."""

    def fake(script):
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "nvidia-smi").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    return fake


@pytest.fixture
def unseen_gpu(fake_nvidia_smi, monkeypatch):
    """A GPU that NVIDIA's driver lists and TensorFlow does not see, for want of the CUDA libraries."""
    if has_gpu():
        pytest.skip("TensorFlow sees a GPU here")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    fake_nvidia_smi(f'[ "$1" = -L ] && echo "{GPU_LINE}"')


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


SOUND = Findings(
    versions={},
    cpu=Cpu(cores=2, machine_cores=2),
    gpus=[],
    driver=Driver(loaded=False, gpus=[], fault=""),
    cudnn=None,
    xla=Probe(started=True, works=True, error=""),
    kernels=[],
    windows_per_second=1.0,
    training=[],
    notes=[],
    problems=[],
)


def problems(**found):
    """What is wrong with a machine that is sound but for this."""
    return find_problems(replace(SOUND, **found))


def only_problem(**found):
    (problem,) = problems(**found)
    return problem.problem, problem.remedy


@pytest.mark.system
def test_a_sound_machine_is_described_in_one_object_and_for_people(diagnose, monkeypatch):
    recipes = ["stacked-gru", "dense", "lstm-unrolled", "simple-rnn", "conv1d"]
    monkeypatch.setattr(examine, "recipe_names", lambda: recipes)
    done, for_people = diagnose()
    assert (done.exit_code, for_people.exit_code) == (0, 0), done.output
    assert done.stderr.startswith("measuring speed on a made-up series, a few seconds\n")
    found = json.loads(done.stdout)
    assert found["problems"] == []
    installed = {name: version(name) for name in ("jenacast", "tensorflow", "keras", "numpy")}
    assert installed.items() <= found["versions"].items()
    assert 1 <= found["cpu"]["cores"] <= found["cpu"]["machine_cores"] == os.cpu_count()
    assert found["xla"] == {"started": True, "works": True, "error": ""}
    assert (found["cudnn"] is None) == (found["gpus"] == []) == (not has_gpu())
    assert has_gpu() or found["notes"][0] == "no GPU: training runs on the CPU"
    kernels = {row["recipe"]: row for row in found["kernels"]}
    fast = "cuDNN" if has_gpu() else "XLA"
    assert kernels["stacked-gru"]["kernel"] == "TensorFlow"
    assert kernels["stacked-gru"]["engines"]["keras"] == "TensorFlow"
    assert kernels["stacked-gru"]["engines"]["weight-drop"] == fast
    assert [kernels[name]["engines"] for name in ("dense", "lstm-unrolled", "simple-rnn")] == [{}] * 3
    assert found["windows_per_second"] > 0
    measured = {(row["recipe"], row["engine"], row["kernel"]): row["steps_per_second"] for row in found["training"]}
    assert set(measured) == {("stacked-gru", "keras", "TensorFlow"), ("stacked-gru", "weight-drop", fast)}
    assert min(measured.values()) > 0

    lines = [line.split() for line in for_people.stdout.splitlines()]
    assert set(recipes) <= {line[0] for line in lines if line}
    assert (["cuDNN", "works"] if has_gpu() else ["cuDNN", "no", "GPU"]) in lines
    assert ["XLA", "works"] in lines
    assert ["stacked-gru", "TensorFlow", "TensorFlow", "XLA", fast] in lines
    assert ["conv1d", "TensorFlow"] in lines
    assert lines[-1] == ["no", "problem", "was", "found"]
    assert max(map(len, for_people.stdout.splitlines())) <= 140


@pytest.mark.usefixtures("unseen_gpu")
def test_a_gpu_that_tensorflow_does_not_see_is_a_problem_with_its_remedy():
    problem, remedy = only_problem(driver=hardware.find_driver())
    assert problem.startswith("there is a GPU (NVIDIA H200), but TensorFlow sees none: CUDA libraries")
    assert remedy == "pip install 'jenacast[gpu]'"


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


@pytest.mark.usefixtures("unseen_gpu")
@pytest.mark.parametrize(("visible", "hides"), [("-1", True), ("", True), ("-1,0", True), ("1", True), ("0", False)])
def test_the_variable_that_hides_the_gpus_is_named_as_the_cause(monkeypatch, visible, hides):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    problem, remedy = only_problem(driver=hardware.find_driver())
    assert (f"CUDA_VISIBLE_DEVICES={visible!r}" in problem) == hides
    assert (remedy == "unset CUDA_VISIBLE_DEVICES") == hides


def test_a_driver_that_lists_nothing_is_a_gpu_all_the_same(monkeypatch, tmp_path):
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15\n")
    monkeypatch.setattr(hardware, "DRIVER_FILE", tmp_path / "version")
    monkeypatch.setenv("PATH", str(tmp_path))  # no nvidia-smi
    assert hardware.find_driver() == Driver(loaded=True, gpus=[], fault="")
    problem, remedy = only_problem(driver=hardware.find_driver())
    assert problem.startswith("there is an NVIDIA driver, but TensorFlow sees none")
    assert remedy


def test_where_the_libraries_are_there_the_driver_is_suspected(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(hardware, "distribution", lambda name: None)
    problem, remedy = only_problem(driver=Driver(loaded=True, gpus=["NVIDIA H200"], fault=""))
    assert "the driver may be older than CUDA 1" in problem
    assert "update the NVIDIA driver" in remedy
    assert "--gpus all" in remedy


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        (
            f'echo "{NO_DRIVER}"; exit 9',
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver",
        ),
        ("echo No devices were found >&2; exit 6", "No devices were found"),
        ("exit 3", "it ends with code 3"),
        ("printf '\\377\\n'; exit 3", "\ufffd"),
        ("exec sleep 60", "no answer within 1 s"),
    ],
    ids=["no driver", "no devices", "silent", "not UTF-8", "hangs"],
)
def test_an_nvidia_smi_that_fails_is_a_problem_and_no_more(fake_nvidia_smi, monkeypatch, script, fault):
    fake_nvidia_smi(script)
    monkeypatch.setattr(hardware, "NVIDIA_SMI_SECONDS", 1.0)
    monkeypatch.setattr(hardware, "DRIVER_FILE", hardware.DRIVER_FILE / "absent")
    began = time.monotonic()
    driver = hardware.find_driver()
    assert time.monotonic() - began < 10
    assert driver == Driver(loaded=False, gpus=[], fault=fault)
    problem, remedy = only_problem(driver=driver)
    assert problem == f"nvidia-smi fails: {fault}"
    assert "driver" in remedy


def test_an_nvidia_smi_that_cannot_run_is_a_problem_too(fake_nvidia_smi, tmp_path, monkeypatch):
    fake_nvidia_smi("")
    (tmp_path / "bin" / "nvidia-smi").write_bytes(b"\x7fELF of another machine")
    assert hardware.find_driver().fault == "Exec format error"


def test_a_tensorflow_that_does_not_start_is_told_in_one_line(jenacast, place_tensorflow):
    place_tensorflow("raise ImportError('libc.so is too old. It is of 1999')")
    done = jenacast("doctor", "--json")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: TensorFlow does not start: libc.so is too old; reinstall it: pip install ")
    assert done.stderr.count("\n") == 1


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


def test_a_gpu_that_is_not_used_well_is_told_with_its_remedies():
    gpu = Gpu("NVIDIA H200", "9.0", memory_growth=True)
    assert problems(gpus=[gpu], cudnn=SOUND.xla) == problems() == []
    broken = Probe(started=True, works=False, error="DNN library initialization failed")
    first, second = problems(gpus=[replace(gpu, memory_growth=False)], cudnn=broken)
    assert first.problem == "cuDNN does not work: DNN library initialization failed"
    assert "pip install 'jenacast[gpu]' brings cuDNN" in first.remedy
    assert second.remedy == "unset TF_FORCE_GPU_ALLOW_GROWTH"


def test_a_training_that_fails_is_a_finding(monkeypatch):
    monkeypatch.setattr("jenacast.doctor.speed.SECONDS", 0.0001)

    def fail(batches, config, kernel):
        load_tensorflow().debugging.assert_equal(1, 2, "OOM when allocating a tensor. Hint: none")

    monkeypatch.setattr(examine, "steps_per_second", fail)
    kernels = [
        examine.RecipeKernels("stacked-gru", Backend.XLA, {"keras": Backend.TENSORFLOW, "weight-drop": Backend.XLA})
    ]
    _, training = examine.measure_speed(kernels, broken={Backend.XLA})
    assert [speed.steps_per_second for speed in training] == [None, None]
    assert [speed.error for speed in training] == ["OOM when allocating a tensor", "XLA does not work"]
    broken = Probe(started=True, works=False, error="it fails")
    _, (problem, remedy) = map(astuple, problems(training=training, xla=broken))
    assert problem == "stacked-gru does not train with engine keras: OOM when allocating a tensor"
    assert "nvidia-smi" in remedy


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not bind processes to cores")
def test_a_process_bound_to_one_core_of_many_is_told():
    cores = os.sched_getaffinity(0)
    if len(cores) == 1:
        pytest.skip("there is one core")
    try:
        os.sched_setaffinity(0, {min(cores)})
        cpu = hardware.find_cpu()
    finally:
        os.sched_setaffinity(0, cores)
    assert cpu == Cpu(cores=1, machine_cores=os.cpu_count())
    problem, remedy = only_problem(cpu=cpu)
    assert problem == f"this process may use 1 core of the machine's {os.cpu_count()}"
    assert "taskset" in remedy
    assert problems(cpu=hardware.find_cpu()) == []
