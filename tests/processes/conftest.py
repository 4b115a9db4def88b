"""Every test here runs on both event loops, and on the run queue as well as on plain asyncio tasks, the fallback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import uvloop

from actorpar.channels import env


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"default": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=["run queue", "plain tasks"], autouse=True)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What runs the processes of the test."""
    name: str = request.param
    monkeypatch.setattr(env, "plain_tasks", name == "plain tasks")
    return name
