"""What two sides of a link lend each other: freed exactly once, never while a view lives, and never on a mere word."""

from __future__ import annotations

import asyncio
import collections
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actorpar.nodes import lending, shm, slabs
from actorpar.nodes.errors import OutOfSlabs, ProtocolError
from actorpar.nodes.lending import LENT_FROM, Lending, settled
from actorpar.nodes.protocol import frame as frames
from actorpar.nodes.remote import ops
from actorpar.nodes.segment import PAGE
from actorpar.nodes.shm import Descriptor
from actorpar.nodes.slabs import Arena

LIMIT = 64 << 20


def files() -> list[str]:
    """What this process has in /dev/shm."""
    return [name for name in os.listdir(shm.FOLDER) if name.startswith(f"actorpar-{os.getuid()}-{os.getpid()}-")]


@pytest.fixture(autouse=True)
def arena(monkeypatch: pytest.MonkeyPatch) -> Iterator[Arena]:
    made = Arena(limit=LIMIT)
    monkeypatch.setattr(slabs, "_arenas", [made])
    yield made
    made.close()
    assert files() == []


class Side:
    """One side; what it says waits for the other one in `said`."""

    def __init__(self, *, limit: int = LIMIT, near: bool = True) -> None:
        self.said: collections.deque[Any] = collections.deque()
        self.counters: collections.Counter[str] = collections.Counter()
        self.lending = Lending(self.said.append, self.counters, limit)
        self.lending.is_near = near

    def hear(self, other: Side) -> None:
        """Hear all that the other side has said."""
        while other.said:
            op: Any = ops.decode(ops.encode(other.said.popleft()))
            self.lending.on_op(op)

    def lend(self, *buffers: Any) -> list[Any]:
        kind, lent = self.lending.lend(frames.ITEMS, [memoryview(each).cast("B") for each in buffers])
        assert kind == frames.LENT_ITEMS
        return lent

    def lends(self, buffers: list[Any]) -> bool:
        """Whether anything of these would not go by the stream."""
        kind, lent = self.lending.lend(frames.CALL, buffers)
        assert (kind, lent) == (frames.CALL, buffers) or kind == frames.LENT_CALL
        return kind == frames.LENT_CALL


async def talk(one: Side, other: Side) -> None:
    """Until both have heard all that there is."""
    for _ in range(3):
        await asyncio.sleep(0)
        one.hear(other)
        other.hear(one)


async def near() -> tuple[Side, Side]:
    """Two sides that know that they share memory."""
    one, other = Side(), Side()
    one.lending.ask()
    other.lending.ask()
    await talk(one, other)
    return one, other


DATA = bytes(range(256)) * (LENT_FROM // 256)


async def test_net48_what_is_lent_is_read_in_place_and_comes_back_when_its_last_view_is_gone(arena: Arena) -> None:
    one, other = await near()
    assert arena.used == 0
    small = b"small"
    lent = one.lend(small, DATA, small, DATA[::-1])
    assert len(lent) == 3
    came = other.lending.borrow(lent)
    assert [bytes(each) for each in came] == [small, DATA, small, DATA[::-1]]
    del came[3]
    await talk(one, other)
    again = other.lending.borrow(one.lend(*[DATA[::-1]] * 3))
    assert [bytes(each) for each in [*came[1:2], *again]] == [DATA, *[DATA[::-1]] * 3]
    del again
    array: Any = numpy.frombuffer(came[1], "u1")
    array[0] = 99
    del came, lent
    await talk(one, other)
    assert arena.used == len(DATA)
    part = array[7:]
    del array
    await talk(one, other)
    assert arena.used == len(DATA)
    del part
    await talk(one, other)
    assert arena.used == 0


async def test_net48_an_array_that_its_sender_has_dropped_stays_until_its_receiver_has(arena: Arena) -> None:
    one, other = await near()
    mine = slabs.empty_shared(len(DATA), "u1")
    mine[:] = 5
    (view,) = other.lending.borrow(one.lend(mine))
    del mine
    assert arena.used == len(DATA)
    held = other.lending.borrow(one.lend(DATA, DATA))
    assert bytes(view) == b"\5" * len(DATA)
    del view, held
    await talk(one, other)
    assert arena.used == 0


async def test_net49_nothing_is_lent_before_the_other_side_has_told_what_it_sees() -> None:
    one, other = Side(), Side()
    assert not one.lends([DATA])
    assert not one.lends([DATA])
    assert len(one.said) == 1  # asked once
    other.hear(one)
    assert not one.lends([DATA])
    one.hear(other)
    assert one.lends([DATA])
    assert not other.lends([DATA])  # each finds out for itself


async def test_net49_who_is_not_on_this_host_is_not_even_asked() -> None:
    far = Side(near=False)
    assert not far.lends([DATA])
    assert not far.said
    assert files() == []


async def test_net49_who_cannot_see_it_says_nothing_and_is_lent_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        "actorpar.nodes.borrowed.Borrowed.__init__.__kwdefaults__", {"limit": LIMIT, "folder": tmp_path}
    )
    one, other = await near()
    assert not one.lends([DATA])
    assert not other.said


@pytest.mark.parametrize("said", [b"", b"x" * 32])
async def test_net49_who_claims_to_have_seen_it_breaks_the_protocol(said: bytes) -> None:
    one = Side()
    with pytest.raises(ProtocolError, match="not seen"):
        one.lending.on_op(ops.Seen(0, said))
    one.lending.ask()
    with pytest.raises(ProtocolError, match="not seen"):
        one.lending.on_op(ops.Seen(0, said))
    assert not one.lends([DATA])


async def test_net49_no_more_than_one_secret_is_told() -> None:
    one, other = await near()
    with pytest.raises(ProtocolError, match="second one"):
        other.lending.on_op(ops.Look(0, Descriptor(files()[0], 0, 32)))
    with pytest.raises(ProtocolError, match="secret of 33 bytes"):
        Side().lending.on_op(ops.Look(0, Descriptor(files()[0], 0, 33)))
    assert one.lends([DATA])


async def test_net50_what_is_small_or_too_large_to_copy_at_once_goes_by_the_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, _ = await near()
    assert not one.lends([DATA[1:]])
    monkeypatch.setattr(lending, "MOST_AT_ONCE", len(DATA))
    assert not one.lends([DATA + b"x"])
    assert len(one.lend(DATA, DATA + b"x")) == 2
    large = slabs.empty_shared(2 * len(DATA), "u1")
    assert len(one.lend(large)) == 1  # nothing is copied


async def test_net50_no_other_side_has_more_copies_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = await near()
    monkeypatch.setattr(lending, "MOST_COPIED", 2 * len(DATA))
    mine = slabs.empty_shared(len(DATA), "u1")
    held = [other.lending.borrow(one.lend(each)) for each in (mine, DATA, DATA)]
    assert not one.lends([DATA])
    assert one.counters["shared memory: none free"] == 1
    held.pop()
    await talk(one, other)
    held.append(other.lending.borrow(one.lend(DATA)))
    assert not one.lends([DATA])
    assert len(one.lend(mine)) == 1


async def test_net50_where_there_is_no_memory_everything_goes_by_the_stream_and_is_counted(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    arena.limit = 0
    one, other = await near()
    assert not one.lends([DATA])
    arena.limit = LIMIT
    one.lending.ask()
    await talk(one, other)
    held = one.lend(*[DATA] * (slabs.SEGMENT // len(DATA)))
    arena.limit = arena.size
    assert not one.lends([DATA])
    assert one.counters["shared memory: none free"] == 3  # twice there was none to ask with
    assert len(held) == 1


HOSTILE: list[tuple[str, Any]] = [
    ("does not say what", b"\xc1"),
    ("does not say what", b""),
    ("does not say what", [[0, ["x", 0]]]),
    ("does not say what", [[0, ["x", 0, "y"]]]),
    ("no shared memory", [[0, ["../../etc/passwd", 0, PAGE]]]),
    ("no shared memory", [[0, [f"actorpar-{os.getuid() + 1}-1-{'0' * 32}", 0, PAGE]]]),
    ("gone with its node", [[0, [f"actorpar-{os.getuid()}-1-{'0' * 32}", 0, PAGE]]]),
    ("of shared memory of", [[0, ["<file>", -PAGE, PAGE]]]),
    ("of shared memory of", [[0, ["<file>", 0, 0]]]),
    ("of shared memory of", [[0, ["<file>", slabs.SEGMENT - 1, 2]]]),
    ("of shared memory of", [[0, ["<file>", 2**63, 1]]]),
    ("of shared memory of", [[0, ["<file>", 0, -(2**63)]]]),
    ("borrows more than", [[0, ["<file>", 0, LIMIT + 1]]]),
    ("borrows more than", [[n, ["<file>", 0, slabs.SEGMENT]] for n in range(LIMIT // slabs.SEGMENT + 1)]),
    ("buffer 1 of a message of 0", [[1, ["<file>", 0, 1]]]),
    ("buffer -1 of a message of 0", [[-1, ["<file>", 0, 1]]]),
    ("buffer 4096 of", [[n, ["<file>", 0, 1]] for n in range(4097)]),
]


@pytest.mark.parametrize(("match", "notes"), HOSTILE)
async def test_net51_a_loan_that_makes_no_sense_breaks_the_protocol_and_reads_nothing(match: str, notes: Any) -> None:
    one, other = await near()
    known = one.lend(DATA)
    name = lending._decode(known[-1])[0][1].name
    if not isinstance(notes, bytes):
        notes = lending._encode([[n, [name if f == "<file>" else f, *rest]] for n, (f, *rest) in notes])
    with pytest.raises(ProtocolError, match=match):
        other.lending.borrow([notes])
    with pytest.raises(ProtocolError, match="does not say what"):
        other.lending.borrow([])
    assert [bytes(each) for each in other.lending.borrow(known)] == [DATA]


async def test_net51_who_returns_what_he_does_not_have_breaks_the_protocol(arena: Arena) -> None:
    one, other = await near()
    held = other.lending.borrow(one.lend(DATA))
    place = next(iter(one.lending._copies))
    one.lending.on_op(ops.Returned(0, [place]))
    with pytest.raises(ProtocolError, match="does not have"):
        one.lending.on_op(ops.Returned(0, [place]))
    with pytest.raises(ProtocolError, match="does not have"):
        one.lending.on_op(ops.Returned(0, [Descriptor("x", 0, 1)]))
    del held


async def test_net51_what_is_lent_when_the_session_ends_is_never_used_again_and_stays_readable(arena: Arena) -> None:
    one, other = await near()
    (view,) = other.lending.borrow(one.lend(DATA))
    one.lending.close()
    other.lending.close()
    assert files() == []
    third, fourth = await near()
    held: list[Any] = []
    for _ in range(3):
        held = fourth.lending.borrow(third.lend(DATA[::-1]))
    assert bytes(view) == DATA
    del view, held
    await talk(third, fourth)
    assert not other.said
    assert arena.used == 0


async def test_net52_a_node_that_closes_waits_until_what_it_lent_is_reached() -> None:
    one, other = await near()
    lent = [one.lend(bytes(slabs.SEGMENT // 2)) for _ in range(3)]
    waiting = asyncio.ensure_future(settled([one.lending]))
    await asyncio.sleep(0)
    views = [other.lending.borrow(each) for each in lent[:2]]
    await talk(one, other)
    assert not waiting.done()
    views.append(other.lending.borrow(lent[2]))
    await talk(one, other)
    await waiting
    await settled([one.lending, other.lending])
    del views


async def test_net52_it_does_not_wait_for_a_session_that_is_over() -> None:
    one, _ = await near()
    one.lend(DATA)
    waiting = asyncio.ensure_future(settled([one.lending]))
    await asyncio.sleep(0)
    one.lending.close()
    for _ in range(3):
        await asyncio.sleep(0)
    assert waiting.done()
    await settled([one.lending])


async def test_views_that_are_dropped_in_another_thread_come_back(arena: Arena) -> None:
    one, other = await near()
    views = [other.lending.borrow(one.lend(DATA)) for _ in range(lending.RETURNS + 1)]
    thread = threading.Thread(target=views.clear)
    thread.start()
    thread.join()
    await talk(one, other)
    assert arena.used == 0


class Loans(RuleBasedStateMachine):
    """Two borrowers; messages and ops on their way, views that live for any time, sessions that end."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(slabs, "SEGMENT", 16 * PAGE)
        self.patch.setattr(lending, "LENT_FROM", PAGE)
        self.arena = Arena(limit=64 * PAGE)
        self.patch.setattr(slabs, "_arenas", [self.arena])
        self.pairs: list[tuple[Side, Side]] = []
        self.sent: list[list[tuple[int, list[Any]]]] = [[], []]  # frames on their way
        self.views: list[tuple[int, Any]] = []
        self.mine: list[tuple[int, Any]] = []
        self.number = 0

    def run(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    @initialize()
    def link(self) -> None:
        self.pairs = [self.run(near()), self.run(near())]

    def _new(self, array: Any) -> tuple[int, Any]:
        self.number = self.number % 250 + 1
        array[:] = self.number
        return self.number, array

    @rule(pages=st.integers(1, 20))
    def build(self, pages: int) -> None:
        try:
            self.mine.append(self._new(slabs.empty_shared(pages * PAGE, "u1")))
        except OutOfSlabs:
            assert self.arena.size > 30 * PAGE

    @precondition(lambda self: self.mine)
    @rule(which=st.integers(0, 99), to=st.integers(0, 1))
    def send_what_was_built(self, which: int, to: int) -> None:
        number, array = self.mine[which % len(self.mine)]
        self._send(to, number, array)

    @rule(pages=st.integers(1, 20), to=st.integers(0, 1))
    def send_a_copy(self, pages: int, to: int) -> None:
        number, array = self._new(numpy.empty(pages * PAGE, "u1"))
        self._send(to, number, array)

    def _send(self, to: int, number: int, array: Any) -> None:
        buffers = [memoryview(array)]
        kind, lent = self.pairs[to][0].lending.lend(frames.ITEMS, buffers)
        if kind == frames.LENT_ITEMS:
            self.sent[to].append((number, lent))

    @precondition(lambda self: any(self.sent))
    @rule(to=st.integers(0, 1))
    def arrive(self, to: int) -> None:
        if self.sent[to]:
            number, lent = self.sent[to].pop(0)
            self.views += [(number, view) for view in self.pairs[to][1].lending.borrow(lent)]

    @precondition(lambda self: self.views)
    @rule(which=st.integers(0, 99))
    def drop_a_view(self, which: int) -> None:
        self.views.pop(which % len(self.views))

    @precondition(lambda self: self.mine)
    @rule(which=st.integers(0, 99))
    def drop_an_array(self, which: int) -> None:
        self.mine.pop(which % len(self.mine))

    @rule(to=st.integers(0, 1))
    def hear(self, to: int) -> None:
        self.run(talk(*self.pairs[to]))

    @rule(to=st.integers(0, 1))
    def end_and_link_again(self, to: int) -> None:
        for side in self.pairs[to]:
            side.lending.close()
        self.sent[to].clear()
        self.pairs[to] = self.run(near())

    @invariant()
    def every_view_and_every_array_shows_what_was_written_to_it(self) -> None:
        for number, view in [*self.views, *self.mine]:
            assert view[0] == view[-1] == view[len(view) // 2] == number
        assert self.arena.size <= 64 * PAGE

    def teardown(self) -> None:
        try:
            for to in (0, 1):
                while self.sent[to]:
                    self.arrive(to)
            self.views.clear()
            self.mine.clear()
            for pair in self.pairs:
                self.run(talk(*pair))
            assert self.arena.used == 0, "all came back, exactly once"
        finally:
            self.arena.close()
            self.patch.undo()
            self.loop.close()


TestLoans = Loans.TestCase
TestLoans.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
