"""Systems under observation: in virtual time, or on both loops where there is a socket; on the run queue or off."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import uvloop

from actorpar.testing import VirtualClock
from tests.processes.conftest import engine as engine


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.get_closest_marker("virtual_time") is not None:
        return {"virtual": VirtualClock}
    return {"default": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder under which control sockets are made; its path is short, as the path of a socket must be."""
    folder = Path(tempfile.mkdtemp(prefix="observe-", dir="/tmp"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.delenv("ACTORPAR_CONTROL", raising=False)
    monkeypatch.setattr("actorpar.observe.sockets.SHARED", str(folder / "shared"))
    yield folder
    shutil.rmtree(folder)
