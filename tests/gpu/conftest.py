"""Two ways to the fake CUDA driver: a mark for tests that run over it, and a fixture for programs that tests start."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from actorpar.gpu import completion
from tests.gpu.drivers import Libraries
from tests.gpu.fake import controls, delegation
from tests.gpu.fake.lane import Lane, MissingError, lane
from tests.gpu.pocl import why_no_opencl


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{delegation.MARK}: runs with PyCUDA over the fake driver, in another process")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not delegation.is_there():
        delegation.delegate(items)


if delegation.is_there():
    importlib.import_module("pycuda.driver")  # loading it keeps a loop for too long


@pytest.fixture
def fake_cuda() -> Lane:
    """PyCUDA over the fake driver, for programs: `fake_cuda.run("-c", program, FAKE_CUDA_DEVICES="2")`."""
    try:
        return lane()
    except MissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def cuda() -> Iterator[Any]:
    """`pycuda.driver`, with the primary context of device 0 current; for tests that are marked `over_fake_cuda`. Gates
    are closed when the test begins, and after it faults are forgotten."""
    driver = importlib.import_module("pycuda.driver")
    driver.init()
    context = driver.Device(0).retain_primary_context()
    context.push()
    controls.close_gate()
    yield driver
    controls.open_gate()
    controls.heal()
    driver.Context.synchronize()
    gc.collect()
    context.pop()


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> Libraries:
    """Nothing is installed at first."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("ACTORPAR_DEVICE", raising=False)
    monkeypatch.setattr("actorpar.gpu.finding._told", set())
    return Libraries(monkeypatch)


@pytest.fixture
def opencl() -> None:
    """There is a device of OpenCL that compiles; otherwise the test is skipped."""
    if why := why_no_opencl():
        pytest.skip(why)


@pytest.fixture
def spec(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The device of a test that has EVERY_DEVICE as its parameters."""
    wanted, _, way = str(request.param).partition(" ")
    monkeypatch.delenv("ACTORPAR_DEVICE", raising=False)
    monkeypatch.setenv("ACTORPAR_COMPLETION", way)
    if wanted.startswith("opencl") and (why := why_no_opencl()):
        pytest.skip(why)
    completion._library.cache_clear()
    yield wanted
    completion._library.cache_clear()
