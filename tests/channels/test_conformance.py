"""The conformance kit over every flavour, from processes and from ordinary tasks, on both loops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

import actorpar as ap
from actorpar.testing import CHANNEL_CHECKS, SELECT_CHECKS, Check, MakePair, check_channel, check_select

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "default": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


def plain(capacity: float) -> tuple[ap.Sender[Any], ap.Receiver[Any]]:
    return ap.open_channel[Any](capacity)


def timed(capacity: float) -> tuple[ap.Sender[Any], ap.Receiver[Any]]:
    return ap.open_channel[Any](capacity, timed=True)


def rejecting(capacity: float) -> tuple[ap.Sender[Any], ap.Receiver[Any]]:
    return ap.open_channel[Any](capacity, overflow="reject")


def dropping_new(capacity: float) -> tuple[ap.Sender[Any], ap.Receiver[Any]]:
    return ap.open_channel[Any](capacity, overflow="drop_new")


def dropping_old(capacity: float) -> tuple[ap.Sender[Any], ap.Receiver[Any]]:
    return ap.open_channel[Any](capacity, overflow="drop_old")


def broadcast(capacity: float) -> tuple[ap.Sender[Any], ap.Receiver[Any]]:
    tx, hub = ap.open_broadcast[Any](capacity)
    with hub:  # one subscriber, and nobody else can come
        return tx, hub.subscribe()


LOSSY = frozenset({"rendezvous", "unbounded", "back-pressure"})
BACKINGS: dict[str, tuple[MakePair, frozenset[str]]] = {
    "plain": (plain, frozenset()),
    "timed": (timed, frozenset()),
    "reject": (rejecting, LOSSY),
    "drop_new": (dropping_new, LOSSY),
    "drop_old": (dropping_old, LOSSY),
    "broadcast": (broadcast, frozenset({"rendezvous"})),
}

ALL_CHECKS = {**CHANNEL_CHECKS, **SELECT_CHECKS}

#: Seconds after which an operation on an in-memory channel is taken to wait: a few turns of any loop.
PATIENCE = 0.002


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("caller", ["processes", "tasks"])
@pytest.mark.parametrize(
    ("backing", "check"),
    [
        pytest.param(backing, check, id=f"{backing}-ch{int(check.rule.removeprefix('CH-')):02}_{check.name}")
        for backing, (_, lacks) in BACKINGS.items()
        for check in ALL_CHECKS.values()
        if not check.needs & lacks
    ],
)
def test_ch50_every_flavour_passes_every_check(backing: str, check: Check, caller: str, loop: str) -> None:
    make_pair, _ = BACKINGS[backing]
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(check.run(make_pair, processes=caller == "processes", patience=PATIENCE))


async def test_the_whole_kit_is_one_call() -> None:
    await check_channel(plain, patience=0)
    await check_select(plain, patience=0)
