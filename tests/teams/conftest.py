"""Tests of teams: in virtual time where patience counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest

from actorpar.testing import VirtualClock


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.get_closest_marker("virtual_time") is not None:
        return {"virtual": VirtualClock}
    return {"default": asyncio.new_event_loop}
