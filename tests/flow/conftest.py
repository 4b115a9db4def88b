"""Tests of pipelines run on the run queue and on plain asyncio tasks, the fallback; in virtual time where it counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest

from actorpar.channels import env
from actorpar.testing import VirtualClock


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.get_closest_marker("virtual_time") is not None:
        return {"virtual": VirtualClock}
    return {"default": asyncio.new_event_loop}


@pytest.fixture(params=["run queue", "plain tasks"], autouse=True)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What runs the workers of the test."""
    name: str = request.param
    monkeypatch.setattr(env, "plain_tasks", name == "plain tasks")
    return name
