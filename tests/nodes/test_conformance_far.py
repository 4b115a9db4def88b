"""NET-12: the conformance kit of the channels, unchanged, with one end in another operating-system process."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvloop

from actorpar.nodes.node import Node
from actorpar.testing import CHANNEL_CHECKS, SELECT_CHECKS, Check
from tests.nodes.elsewhere import Far, receiver_far, sender_far

#: Seconds after which an operation is taken to wait.
PATIENCE = 0.03

#: A select is one call in one process, so its guards cannot be on the two ends of a pair that is in two. These selects
#: have a send guard on one channel and a receive guard on another one: of the first the receiver is far, of the other
#: the sender.
CROSSED = {"a_send_guard_is_chosen_once_there_is_room", "an_item_that_was_not_chosen_stays_with_the_caller"}
#: This one has guards on both ends of one channel.
LEFT_OUT = {"a_select_never_pairs_with_itself"}
SELECTS_WHERE_IT_RECEIVES = {
    name: check for name, check in SELECT_CHECKS.items() if name not in CROSSED and name not in LEFT_OUT
}

#: What is asked of pairs whose receiver is far, whose sender is, and of both kinds in turn.
ARRANGEMENTS: dict[str, dict[str, Check]] = {
    "receiver_far": CHANNEL_CHECKS,
    "sender_far": {**CHANNEL_CHECKS, **SELECTS_WHERE_IT_RECEIVES},
    "crossed": {name: SELECT_CHECKS[name] for name in sorted(CROSSED)},
}
#: Who calls: over each link one of them, so that each pair is used by both.
FROM_PROCESSES = {("pipe", "receiver_far"), ("pipe", "crossed"), ("tcp", "sender_far")}


class Near:
    """This process: a loop, its node, and the process that is far."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.runner = asyncio.Runner(loop_factory=uvloop.new_event_loop if kind == "pipe" else asyncio.new_event_loop)
        self.runner.run(self._start(kind))

    async def _start(self, kind: str) -> None:
        self.node = Node("near")
        self.far = await Far(self.node).start(kind)

    async def _end(self) -> None:
        try:
            await self.far.end()
        finally:
            await self.node.close()

    def close(self) -> None:
        try:
            self.runner.run(self._end())
        finally:
            self.runner.close()

    def pairs(self, name: str) -> Callable[[float], Any]:
        """What opens pairs whose ends are apart."""
        if name == "crossed":
            turn = itertools.cycle([receiver_far, sender_far])
            return lambda capacity: next(turn)(self.far, capacity)
        pair = {"receiver_far": receiver_far, "sender_far": sender_far}[name]
        return lambda capacity: pair(self.far, capacity)


@pytest.fixture(scope="module", params=["pipe", "tcp"])
def near(request: pytest.FixtureRequest) -> Iterator[Near]:
    """One other process for all checks over one kind of link."""
    near = Near(request.param)
    try:
        yield near
    finally:
        near.close()


@pytest.mark.parametrize(
    ("pair", "check"),
    [
        pytest.param(pair, check, id=f"{pair}-ch{int(check.rule.removeprefix('CH-')):02}_{check.name}")
        for pair, checks in ARRANGEMENTS.items()
        for check in checks.values()
    ],
)
def test_net12_every_check_passes_with_an_end_in_another_process(near: Near, pair: str, check: Check) -> None:
    processes = (near.kind, pair) in FROM_PROCESSES
    near.runner.run(check.run(near.pairs(pair), processes=processes, patience=PATIENCE))


def test_net12_of_the_whole_kit_one_check_alone_cannot_be_asked_of_two_processes() -> None:
    run = {name for checks in ARRANGEMENTS.values() for name in checks}
    assert {*CHANNEL_CHECKS, *SELECT_CHECKS} - run == LEFT_OUT
