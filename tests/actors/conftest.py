"""Actors under test: on the run queue and on plain asyncio tasks, with handlers of three styles."""

from __future__ import annotations

import pytest

from tests.channels.conftest import pytest_asyncio_loop_factories as pytest_asyncio_loop_factories
from tests.processes.conftest import engine as engine

from .staff import DESKS, Desk


@pytest.fixture(params=DESKS, ids=lambda cls: cls.style)
def desk(request: pytest.FixtureRequest) -> type[Desk]:
    """An actor class whose handlers are plain `def`, `async def` that do not suspend, or `async def` that do."""
    cls: type[Desk] = request.param
    return cls
