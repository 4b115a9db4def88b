"""NET-12: the conformance kit of the channels, unchanged, over links: Unix sockets and TCP, ends moved to and fro."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvloop

from actorpar.testing import CHANNEL_CHECKS, SELECT_CHECKS, Check
from tests.nodes.meshed import PAIRS, mesh

CHECKS = {**CHANNEL_CHECKS, **SELECT_CHECKS}

#: (kind of link, pair, callers, loop, what the pair lacks)
BACKINGS: dict[str, tuple[str, str, str, Any, frozenset[str]]] = {
    "unix-receiver_moved": ("unix", "receiver_moved", "processes", uvloop.new_event_loop, frozenset()),
    "unix-receiver_moved-tasks": ("unix", "receiver_moved", "tasks", asyncio.new_event_loop, frozenset()),
    "unix-sender_moved": ("unix", "sender_moved", "processes", asyncio.new_event_loop, frozenset()),
    "tcp-both_moved": ("tcp", "both_moved", "processes", uvloop.new_event_loop, frozenset()),
    "tcp-moved_twice": ("tcp", "moved_twice", "tasks", uvloop.new_event_loop, frozenset()),
    "tcp-away": ("tcp", "away", "processes", asyncio.new_event_loop, frozenset({"readiness"})),
}
#: Seconds after which an operation over these links is taken to wait.
PATIENCE = 0.03


@pytest.mark.parametrize(
    ("backing", "check"),
    [
        pytest.param(backing, check, id=f"{backing}-ch{int(check.rule.removeprefix('CH-')):02}_{check.name}")
        for backing, (*_, lacks) in BACKINGS.items()
        for check in CHECKS.values()
        if not check.needs & lacks
    ],
)
def test_net12_every_check_passes_over_a_link(backing: str, check: Check) -> None:
    kind, pair, callers, loop, _ = BACKINGS[backing]

    async def run() -> None:
        async with mesh(3, kind) as nodes:
            await check.run(
                lambda capacity: PAIRS[pair](nodes, capacity), processes=callers == "processes", patience=PATIENCE
            )

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())
