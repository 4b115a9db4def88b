from __future__ import annotations

from pathlib import Path

import pytest
from samples import write_samples

from tests.gpu.pocl import why_no_opencl

#: PoCL, without a device of its own, is one processor; more threads of it only wait for each other.
ONE_THREAD = {"POCL_MAX_PTHREAD_COUNT": "1", "ACTORPAR_DEVICE": "opencl"}


@pytest.fixture(scope="session")
def opencl() -> None:
    """There is a device of OpenCL that compiles; otherwise the test is skipped."""
    if why := why_no_opencl():
        pytest.skip(why)


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
