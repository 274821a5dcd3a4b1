"""What is found of drivers, GPUs and cores, and which of it is a problem."""

import os
import time
from dataclasses import astuple, replace

import pytest

from jenacast.doctor import examine, hardware
from jenacast.doctor.examine import Findings, find_problems
from jenacast.doctor.hardware import Cpu, Driver, Gpu
from jenacast.doctor.probes import Probe
from jenacast.runtime import has_gpu, load_tensorflow
from jenacast.training.backend import RecurrentBackend as Backend

GPU_LINE = "GPU 0: NVIDIA H200 (UUID: GPU-5ad1b0f6-3e11-4c1b-9d7a-0a1b2c3d4e5f)"


NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
    "Make sure that the latest NVIDIA driver is installed and running."
)


@pytest.fixture
def unseen_gpu(fake_nvidia_smi, monkeypatch):
    """A GPU that NVIDIA's driver lists and TensorFlow does not see, for want of the CUDA libraries."""
    if has_gpu():
        pytest.skip("TensorFlow sees a GPU here")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    fake_nvidia_smi(f'[ "$1" = -L ] && echo "{GPU_LINE}"')


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


@pytest.mark.usefixtures("unseen_gpu")
def test_a_gpu_that_tensorflow_does_not_see_is_a_problem_with_its_remedy():
    problem, remedy = only_problem(driver=hardware.find_driver())
    assert problem.startswith("there is a GPU (NVIDIA H200), but TensorFlow sees none: CUDA libraries")
    assert remedy.startswith("pip install '.[gpu]'")


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


def test_a_gpu_that_is_not_used_well_is_told_with_its_remedies():
    gpu = Gpu("NVIDIA H200", "9.0", memory_growth=True)
    assert problems(gpus=[gpu], cudnn=SOUND.xla) == problems() == []
    broken = Probe(started=True, works=False, error="DNN library initialization failed")
    first, second = problems(gpus=[replace(gpu, memory_growth=False)], cudnn=broken)
    assert first.problem == "cuDNN does not work: DNN library initialization failed"
    assert all(part in first.remedy for part in ("pip install '.[gpu]'", "brings cuDNN"))
    assert second.remedy == "unset TF_FORCE_GPU_ALLOW_GROWTH"


def test_a_training_that_fails_is_a_finding(monkeypatch):
    monkeypatch.setattr("jenacast.doctor.speed.SECONDS", 0.0001)

    def fail(batches, config, kernel):
        load_tensorflow().debugging.assert_equal(1, 2, "OOM when allocating a tensor. Hint: none")

    monkeypatch.setattr(examine, "steps_per_second", fail)
    kernels = [
        examine.RecipeKernels("stacked-gru", Backend.XLA, "tied", {"keras": Backend.TENSORFLOW, "tied": Backend.XLA})
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
