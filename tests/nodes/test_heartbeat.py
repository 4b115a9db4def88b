"""NET-41: a node whose loop is busy is stalled, not down."""

from __future__ import annotations

import time

from actorpar.nodes.codec import audit
from actorpar.nodes.heartbeat import Heartbeat
from tests.launch.test_launching import APP, run


def test_net41_a_late_loop_is_spoken_for_and_its_stack_is_kept() -> None:
    beats: list[bytes] = []
    stalls: list[tuple[float, str]] = []

    class Quiet:
        def beat(self, frame: bytes) -> None:
            beats.append(frame)

    heartbeat = Heartbeat(lambda: [Quiet()], lambda age, stack: stalls.append((age, stack)))  # type: ignore[list-item]
    try:
        end = time.monotonic() + 1.8
        while time.monotonic() < end:
            sum(range(10_000))
        assert len(beats) >= 1
        assert len(stalls) == 1
        assert "test_net41_a_late_loop_is_spoken_for" in stalls[0][1]
        heartbeat.tick()
    finally:
        heartbeat.close()


def test_net41_a_handler_that_computes_for_8_s_is_one_stall_and_no_end() -> None:
    done = run("run", f"{APP}:computes", "--nodes", "1", "--down-after", "4")
    assert "answer 42" in done.stdout, done.stderr
    assert "events NodeStalled" in done.stdout


def test_no_pickle_has_been_read_on_any_link() -> None:
    assert [event for event in audit.events if "pickle" in event] == []
