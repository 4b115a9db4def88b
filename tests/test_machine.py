"""What `actorpar doctor` says of the machine."""

from __future__ import annotations

import os
import resource
import shutil
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from actorpar import machine
from actorpar.gpu.finding import Findings, Found
from actorpar.machine import Finding


@pytest.mark.parametrize(
    ("limits", "text", "status"),
    [
        ((256, 4096), "256, few for many connections; raise it with `ulimit -n 4096`", "note"),
        ((65536, 65536), "65536 (at most 65536)", "ok"),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), "unlimited (at most unlimited)", "ok"),
    ],
)
def test_the_limit_of_open_files_is_told(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], text: str, status: str
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    assert machine.open_files() == Finding("open files", text, status)


def test_the_limit_of_processes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 128))
    assert machine.processes().status == "note"
    monkeypatch.setattr(resource, "getrlimit", lambda _: (4096, resource.RLIM_INFINITY))
    assert machine.processes() == Finding("processes", "4096 (at most unlimited)")


@pytest.mark.parametrize(
    ("environment", "text", "status"),
    [
        ({"OMP_NUM_THREADS": "1"}, "4; OMP_NUM_THREADS=1: 4 processes at a time without more", "ok"),
        ({"OMP_NUM_THREADS": "3"}, "4; OMP_NUM_THREADS=3: 1 process at a time without more", "ok"),
        ({"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "8"}, "4; OMP_NUM_THREADS=1; MKL_NUM_THREADS=8: more", "note"),
        ({"OMP_NUM_THREADS": "many"}, "4; OMP_NUM_THREADS=many: no number", "note"),
        ({}, "4; numeric libraries start 4 threads in every process", "ok"),
    ],
)
def test_cores_are_told_against_the_threads_of_blas(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], text: str, status: str
) -> None:
    monkeypatch.setattr("actorpar.launch.cores.usable", lambda: 4)
    found = machine.cores(environment)
    assert found.text.startswith(text)
    assert found.status == status


def test_shared_memory_is_told_with_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.shared_memory(str(tmp_path / "absent")).status == "note"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=2 << 30, free=1 << 30))
    assert machine.shared_memory(str(tmp_path)) == Finding("shared memory", f"{tmp_path}: 1024 MiB free of 2048")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=64 << 20, free=60 << 20))
    assert "--shm-size" in machine.shared_memory(str(tmp_path)).text
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "nothing may be written" in machine.shared_memory(str(tmp_path)).text


def test_the_keys_that_nodes_can_have_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssl, "HAS_PSK", True, raising=False)
    assert "by one key" in machine.tls().text
    monkeypatch.setattr(ssl, "HAS_PSK", False, raising=False)
    assert "by certificates (`actorpar key certs`)" in machine.tls().text
    monkeypatch.setattr(ssl, "HAS_TLSv1_3", False)
    assert machine.tls().status == "note"


@pytest.fixture
def mpiexec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, str]]:
    """An environment whose mpiexec is this script, and none lies beside the interpreter."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none" / "python"))

    def made(script: str) -> dict[str, str]:
        path = tmp_path / "mpiexec"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o700)
        return {"PATH": f"{tmp_path}:/bin"}

    return made


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo 'mpiexec (OpenRTE) 4.1.4'", "Open MPI ("),
        ("echo 'mpirun (Open MPI) 5.0.1'", "Open MPI ("),
        ("echo 'HYDRA build details:'", "MPICH ("),
        ("echo 'Intel(R) MPI Library for Linux* OS'", "Intel MPI ("),
        ("echo nothing", "unknown MPI"),
    ],
)
def test_the_vendor_of_mpi_is_told(mpiexec: Callable[[str], dict[str, str]], script: str, says: str) -> None:
    assert says in machine.mpi(mpiexec(script)).text


def test_no_mpi_is_absent_and_one_that_hangs_is_noted(
    mpiexec: Callable[[str], dict[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    absent = machine.mpi({"PATH": str(tmp_path)})
    assert absent.status == "absent"
    assert "pip install 'actorpar[mpi]'" in absent.text
    monkeypatch.setattr(machine, "PATIENCE", 0.1)
    assert machine.mpi(mpiexec("exec sleep 5")).status == "note"


def test_the_launcher_beside_this_python_comes_first_and_a_rank_says_that_it_is_one(
    mpiexec: Callable[[str], dict[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment = mpiexec("echo 'HYDRA build details:'")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    told = machine.mpi({"PATH": "/bin", "PMI_SIZE": "4"})
    assert told == Finding("mpi", f"MPICH ({tmp_path}/mpiexec); started by MPICH as one of 4 ranks")
    assert machine.mpi(environment).text == f"MPICH ({tmp_path}/mpiexec)"
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none" / "python"))
    told = machine.mpi({"PATH": "/none", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "8"})
    assert told.status == "ok"
    assert told.text.endswith("; started by Slurm as one of 8 ranks")


NONE = Findings(missing=("CUDA: no driver", "OpenCL: pyopencl is not installed"))
SOME = Findings((Found("cuda", 0, "NVIDIA H200", 139 << 30), Found("opencl", 0, "pthread", 5 << 29, cpu=True)))


def test_devices_that_can_be_used_are_told_with_their_memory_and_their_drivers(tmp_path: Path) -> None:
    cuda, opencl, _ = machine.devices({"CUDA_VISIBLE_DEVICES": "1"}, SOME, str(tmp_path))
    assert cuda == Finding("cuda", "cuda:0 NVIDIA H200 (139.0 GiB); CUDA_VISIBLE_DEVICES='1'")
    assert opencl == Finding("opencl", "opencl:0 pthread (2.5 GiB, a CPU)")
    version = tmp_path / "proc/driver/nvidia/version"
    version.parent.mkdir(parents=True)
    version.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5\nGCC\n")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidia0").touch()
    assert machine.devices({}, SOME, str(tmp_path))[0].text.endswith("(139.0 GiB); nvidia0, driver 550.54.15")


def test_devices_that_cannot_be_used_are_told_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    cuda, opencl, _ = machine.devices({}, NONE, str(tmp_path))
    assert cuda == Finding("cuda", "no driver", "absent")
    assert opencl == Finding("opencl", "pyopencl is not installed", "absent")
    for name in ("dev/nvidia0", "dev/nvidia1", "dev/nvidiactl", "etc/OpenCL/vendors/pocl.icd"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    cuda, opencl, _ = machine.devices({}, NONE, str(tmp_path))
    assert cuda == Finding("cuda", "no driver; nvidia0, nvidia1, driver not loaded", "note")
    assert opencl.text == "pyopencl is not installed; drivers of the system: pocl"
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    assert machine.devices({}, NONE, str(tmp_path))[1].status == "note"


@pytest.mark.parametrize(
    ("way", "found", "status"),
    [
        ("C callback", SOME, "ok"),
        ("threads: no compiler", SOME, "note"),
        ("threads: no compiler", NONE, "ok"),
    ],
)
def test_how_waits_for_a_device_end_is_told_and_a_fallback_is_noted(
    monkeypatch: pytest.MonkeyPatch, way: str, found: Findings, status: str
) -> None:
    monkeypatch.setattr("actorpar.gpu.completion.path", lambda: way)
    assert machine.devices({}, found)[2] == Finding("device waits", way, status)
