"""NET-12: the conformance kit of the channels, unchanged, over pipes, with all that crosses in shared memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvloop

from actorpar.nodes import lending
from actorpar.nodes.codec.schema import Schema
from actorpar.nodes.link import Link
from actorpar.testing import CHANNEL_CHECKS, SELECT_CHECKS, Check
from tests.nodes.meshed import PAIRS, mesh
from tests.nodes.sharing import arena_of_its_own, lent, share

CHECKS = {**CHANNEL_CHECKS, **SELECT_CHECKS}

#: Pair, callers, loop, what the pair lacks.
BACKINGS: dict[str, tuple[str, str, Any, frozenset[str]]] = {
    "receiver_moved": ("receiver_moved", "processes", uvloop.new_event_loop, frozenset()),
    "moved_twice": ("moved_twice", "tasks", asyncio.new_event_loop, frozenset()),
    "away": ("away", "processes", uvloop.new_event_loop, frozenset({"readiness"})),
}
#: Seconds after which an operation over these links is taken to wait.
PATIENCE = 0.03


class Beside:
    """Has each batch cross in a buffer of its own, and counts those that a link took."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken = 0
        self._encode, self._decode = Schema.encode, Schema.decode
        monkeypatch.setattr(lending, "LENT_FROM", 1)
        monkeypatch.setattr(Schema, "encode", lambda schema, items, port: self.encode(schema, items, port))
        monkeypatch.setattr(Schema, "decode", lambda schema, *came: self.decode(schema, *came))

    def encode(self, schema: Schema, items: list[Any], port: Any) -> tuple[bytes, list[Any]]:
        body, buffers = self._encode(schema, items, port)
        self.taken += isinstance(getattr(port, "_peer", None), Link)
        return body, [*buffers, memoryview(body)]

    def decode(self, schema: Schema, body: Any, buffers: list[Any], port: Any) -> list[Any]:
        assert buffers[-1] == body
        return self._decode(schema, bytes(buffers[-1]), buffers[:-1], port)


@pytest.mark.parametrize(
    ("backing", "check"),
    [
        pytest.param(backing, check, id=f"{backing}-ch{int(check.rule.removeprefix('CH-')):02}_{check.name}")
        for backing, (*_, lacks) in BACKINGS.items()
        for check in CHECKS.values()
        if not check.needs & lacks
    ],
)
def test_net12_every_check_passes_through_shared_memory(
    backing: str, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair, callers, loop, _ = BACKINGS[backing]
    beside = Beside(monkeypatch)

    async def run() -> None:
        with arena_of_its_own(limit=32 << 20) as arena:
            async with mesh(3, "pipe") as nodes:
                await share(*nodes.nodes)
                await check.run(
                    lambda capacity: PAIRS[pair](nodes, capacity), processes=callers == "processes", patience=PATIENCE
                )
                assert lent(*nodes.nodes) == beside.taken
            assert arena.used == 0

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())
