"""Tests of supervisors run on the run queue and on plain asyncio tasks, the fallback; in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

import actorpar as ap
from tests.flow.conftest import engine as engine
from tests.flow.conftest import pytest_asyncio_loop_factories as pytest_asyncio_loop_factories

from .acting import Journal


@pytest.fixture
def journal() -> Journal:
    """What the children of the test did, in order."""
    return Journal()


@pytest.fixture
async def system() -> AsyncIterator[ap.ActorSystem]:
    """A system that is left at the end of the test."""
    async with ap.ActorSystem("test") as system:
        yield system
