"""Channels under test: opened for one test, used from processes and from ordinary tasks, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest

import actorpar as ap
from actorpar.testing import Trial, VirtualClock

#: Opens a channel with the options of `open_channel`; its ends are closed after the test.
Channel = Callable[..., tuple[ap.Sender[Any], ap.Receiver[Any]]]

#: Virtual seconds after which everything that can go on has gone on.
PATIENCE = 1.0


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.get_closest_marker("virtual_time") is not None:
        return {"virtual": VirtualClock}
    return {"default": asyncio.new_event_loop}


@pytest.fixture(params=["processes", "tasks"])
async def trial(request: pytest.FixtureRequest) -> AsyncIterator[Trial]:
    """Starts operations as processes, then as ordinary tasks."""
    async with Trial(ap.open_channel, processes=request.param == "processes", patience=PATIENCE) as trial:
        yield trial


@pytest.fixture
def channel(trial: Trial) -> Channel:
    """`open_channel` for one test."""

    def open_one(capacity: float, **options: Any) -> tuple[ap.Sender[Any], ap.Receiver[Any]]:
        tx, rx = ap.open_channel[Any](capacity, **options)
        trial.keep(tx, rx)
        return tx, rx

    return open_one
