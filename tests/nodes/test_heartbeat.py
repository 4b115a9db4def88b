"""NET-41: a node whose loop is busy is stalled, not down."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from actorpar.channels import env
from actorpar.nodes import heartbeat as heartbeats
from actorpar.nodes.codec import audit
from actorpar.nodes.heartbeat import Heartbeat
from actorpar.nodes.protocol import frame as frames
from actorpar.nodes.protocol.inbound import Inbound
from actorpar.nodes.stream import Stream
from tests.launch.test_launching import APP, run
from tests.nodes.test_stream import Sink


class Watched:
    """A heartbeat on a clock of the test, and what it did."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.beats: list[bytes] = []
        self.stalls: list[tuple[float, str]] = []
        monkeypatch.setattr(env, "clock", lambda: self.now)
        self.heartbeat = Heartbeat(lambda: [self], lambda age, stack: self.stalls.append((age, stack)))

    def beat(self, frame: bytes) -> None:
        self.beats.append(frame)

    def look(self, after: float) -> None:
        """Time passes, and the thread looks: in a thread of its own, as ever."""
        self.now += after
        thread = threading.Thread(target=self.heartbeat.look)
        thread.start()
        thread.join()

    def ages(self) -> list[int]:
        """The milliseconds that the heartbeats told."""
        reader = frames.FrameReader()
        reader.begin(Inbound())
        data = b"".join(self.beats)
        reader.buffer()[: len(data)] = data
        told = reader.advance(len(data))
        assert {message.kind for message in told} <= {frames.HEARTBEAT}
        return [int.from_bytes(message.body, "little") for message in told]


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setattr(heartbeats, "LOOK", 3600.0)  # the test looks
    made = Watched(monkeypatch)
    yield made
    made.heartbeat.close()


def test_net41_a_loop_that_runs_speaks_for_itself(watched: Watched) -> None:
    for _ in range(5):
        watched.look(0.9)
        watched.heartbeat.tick()
    assert watched.beats == []
    assert watched.stalls == []


def test_the_lag_is_the_worst_of_the_latest_ticks_or_of_the_one_that_is_due(watched: Watched) -> None:
    lags = []
    for late in (0.0, 0.3, 0.1, 0.0, 0.0, 0.05):
        watched.now += heartbeats.TICK + late
        watched.heartbeat.tick()
        lags.append(round(watched.heartbeat.lag, 6))
    assert lags == [0.0, 0.3, 0.3, 0.3, 0.3, 0.1]
    watched.now += heartbeats.TICK + 7.0
    assert round(watched.heartbeat.lag, 6) == 7.0


def test_net41_a_late_loop_is_spoken_for_at_every_look_with_the_age_of_its_last_tick(watched: Watched) -> None:
    for _ in range(4):
        watched.look(0.5)
    assert watched.ages() == [1000, 1500, 2000]


def test_net41_a_stall_is_told_once_with_the_stack_that_blocks_the_loop(watched: Watched) -> None:
    watched.look(8.0)
    watched.look(0.5)
    ((age, stack),) = watched.stalls
    assert age == 8.0
    assert "test_net41_a_stall_is_told_once_with_the_stack_that_blocks_the_loop" in stack
    watched.heartbeat.tick()
    watched.look(0.5)
    assert len(watched.stalls) == 1
    watched.look(0.5)
    assert len(watched.stalls) == 2


def test_net41_an_age_beyond_all_bounds_is_a_valid_heartbeat(watched: Watched) -> None:
    watched.look(1e9)
    assert watched.ages() == [2**32 - 1]


def test_net41_a_thread_that_fails_is_logged_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(heartbeats, "LOOK", 0.0)
    monkeypatch.setattr(heartbeats, "LATE", 0.0)
    goes_on = threading.Event()
    times = iter(range(100))

    def streams() -> list[Stream]:
        if next(times) == 0:
            raise RuntimeError("the streams changed")
        goes_on.set()
        return []

    heartbeat = Heartbeat(streams, lambda age, stack: None)
    assert goes_on.wait(5)
    heartbeat.close()
    assert "the streams changed" in caplog.text
    assert not heartbeat._thread.is_alive()


async def test_net41_the_other_side_hears_a_node_whose_loop_is_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "LOOK", 0.001)
    monkeypatch.setattr(heartbeats, "LATE", 0.002)
    a, b = socket.socketpair()
    stream = Stream(a)
    stream.start(Sink())
    stalled = threading.Event()
    heartbeat = Heartbeat(lambda: [stream], lambda age, stack: stalled.set())
    b.settimeout(5)
    heard = b.recv(frames.HEADER.size + 4)  # the thread of the loop stands here
    assert stalled.wait(5)
    heartbeat.close()
    size, kind, *_ = frames.HEADER.unpack_from(heard)
    assert (size, kind) == (4, frames.HEARTBEAT)
    stream.close()
    b.close()
    await asyncio.sleep(0)


def test_net41_a_handler_that_computes_for_8_s_is_one_stall_and_no_end() -> None:
    done = run("run", f"{APP}:computes", "--nodes", "1", "--down-after", "4")
    assert "answer 42" in done.stdout, done.stderr
    assert "events NodeStalled" in done.stdout


def test_no_pickle_has_been_read_on_any_link() -> None:
    assert [event for event in audit.events if "pickle" in event] == []
