from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from samples import write_samples

#: PoCL, without a device of its own, is one processor; more threads of it only wait for each other.
ONE_THREAD = {"POCL_MAX_PTHREAD_COUNT": "1", "ACTORPAR_DEVICE": "opencl"}

_TRIAL = """
import pyopencl as cl
context = cl.Context([[device for platform in cl.get_platforms() for device in platform.get_devices()][0]])
cl.Program(context, "__kernel void one(__global float *x) { x[0] = 1; }").build()
"""


@pytest.fixture(scope="session")
def opencl() -> None:
    """There is a device of OpenCL that compiles; otherwise the test is skipped."""
    command = [sys.executable, "-W", "ignore", "-c", _TRIAL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["it crashed"])[-1]
        pytest.skip(f"no device of OpenCL that compiles: install pyopencl, and Debian's pocl-opencl-icd ({why})")


@pytest.fixture
def device(opencl: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Device actors of this process use OpenCL."""
    for name, value in ONE_THREAD.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six pictures, and a file that is none."""
    folder = tmp_path_factory.mktemp("samples")
    write_samples(folder, 200, 6)
    return folder
