"""Random programs of a few actors and senders, held to what every order of their steps must keep.

A program is what two senders do one after another, and what somebody outside does meanwhile: cancel the operation in
hand, stop, kill, suspend and resume actors, let everything run for a while. The handlers are of every style, and do
what their message says: return, wait, fail, reject, end their actor, stash, defer, forward, ask on.

Kept, whatever happens: AC-1 (one at a time), AC-2 (the order of each sender), AC-3 (at most once), AC-6 (the bound),
AC-7 and AC-8 (what was accepted is handled or is a dead letter, and an ask ends), AC-11 (stash), AC-13 (one answer),
AC-22 (what was given up before it began never begins), and a state without remains once everything is at rest.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import actorpar as ap
from actorpar.actors.cell import Cell
from actorpar.actors.states import IDLE
from actorpar.actors.timed import cell_of
from actorpar.channels import env
from actorpar.testing import run_virtual

MAILBOX = 3
ACTORS = 4
SENDERS = 2

CALM = ["return", "return", "turn", "wait", "defer", "answer", "forward", "stash", "unstash", "ask on", "tell on"]
WILD = ["fail", "reject", "stop", "kill", "tell itself"]


class Op(NamedTuple):
    """One operation of a sender: how it sends, to which actor, and what the handler is to do."""

    way: str
    actor: int
    deed: str


class Log:
    """What happened in one run."""

    def __init__(self) -> None:
        self.time = 0
        self.begun: dict[Any, int] = {}
        self.twice: list[Any] = []
        self.order: dict[int, list[tuple[int, int]]] = {}
        self.answers: dict[Any, Any] = {}
        self.accepted: set[Any] = set()
        self.refused: set[Any] = set()
        self.ended: dict[Any, int] = {}
        self.overlaps: list[Any] = []
        self.forwards = 0
        self.stashes = 0

    def tick(self) -> int:
        self.time += 1
        return self.time


class Worker(ap.Actor, mailbox=MAILBOX, stash=100):
    """Does what its message says, and writes it down."""

    reenters = False

    def __init__(self, log: Log, number: int, others: list[Any], gate: asyncio.Event) -> None:
        self.log, self.number, self.others, self.gate = log, number, others, gate
        self.inside: Any = None
        self.replies: list[ap.Reply[Any]] = []
        self.stashed: set[Any] = set()

    def work(self, ident: Any, deed: str) -> Any:
        raise NotImplementedError

    def begin(self, ident: Any, deed: str) -> str:
        """Write it down; the deed, or "put aside"."""
        if deed == "stash" and ident not in self.stashed:
            self.stashed.add(ident)
            self.ctx.stash()
            self.log.stashes += 1
            return "put aside"
        if self.inside is not None and not self.reenters:
            self.log.overlaps.append((self.inside, ident))
        self.inside = ident
        if ident in self.log.begun:
            self.log.twice.append(ident)
        self.log.begun[ident] = self.log.tick()
        if deed != "stash":
            self.log.order.setdefault(self.number, []).append(ident)
        return deed

    def act(self, ident: Any, deed: str) -> Any:
        """What needs no await."""
        me: Any = self.ctx.ref
        if deed == "fail":
            raise ValueError(ident)
        if deed == "reject":
            raise ap.Reject(str(ident))
        if deed == "stop":
            self.ctx.stop()
        elif deed == "kill":
            self.ctx.system.kill(me)
        elif deed == "defer":
            self.replies.append(self.ctx.defer())
            return self.replies[-1]
        elif deed == "answer":
            for reply in self.replies:
                reply.send("answered later")
            self.replies.clear()
        elif deed == "unstash":
            self.ctx.unstash_all()
        elif deed == "forward":
            self.log.forwards += 1
            return self.ctx.forward(
                self.others[(self.number + 1) % ACTORS], Worker.work, ("forwarded", ident), "return"
            )
        elif deed in ("tell on", "tell itself"):
            other = me if deed == "tell itself" else self.others[(self.number + 1) % ACTORS]
            onward = (deed, ident)
            (self.log.accepted if other.tell(Worker.work, onward, "return") else self.log.refused).add(onward)
        return ("did", ident)

    def finish(self) -> None:
        self.inside = None


class PlainWorker(Worker):
    def work(self, ident: Any, deed: str) -> Any:
        if self.begin(ident, deed) == "put aside":
            return None
        try:
            return self.act(ident, deed)
        finally:
            self.finish()


class AsyncWorker(Worker):
    async def work(self, ident: Any, deed: str) -> Any:
        if self.begin(ident, deed) == "put aside":
            return None
        try:
            if deed == "wait":
                await self.gate.wait()
            elif deed == "turn":
                await asyncio.sleep(0)
            elif deed == "ask on":
                with contextlib.suppress(ap.ActorError):
                    other = self.others[(self.number + 1) % ACTORS]
                    await other.within(1).ask(Worker.work, ("asked on", ident), "return")
            return self.act(ident, deed)
        finally:
            self.finish()


class SlowWorker(AsyncWorker):
    async def work(self, ident: Any, deed: str) -> Any:
        if deed != "stash":
            await asyncio.sleep(0)
        try:
            return await AsyncWorker.work(self, ident, deed)
        finally:
            await asyncio.sleep(0)


class ReentrantWorker(SlowWorker, reentrant=True):
    reenters = True


CLASSES: list[type[Worker]] = [PlainWorker, AsyncWorker, SlowWorker, ReentrantWorker]

ORDERS = ["turns", "turns", "turns", "cancel", "stop", "kill", "suspend", "resume", "open", "second", "end it full"]

deeds = st.sampled_from(CALM * 2 + WILD)
ops = st.builds(Op, st.sampled_from(["tell", "tell", "ask", "send", "teller", "ask within"]), st.integers(0, 3), deeds)
scripts = st.lists(st.lists(ops, max_size=10), min_size=SENDERS, max_size=SENDERS)
outside = st.lists(
    st.tuples(
        st.sampled_from(ORDERS),
        st.integers(0, 3),
    ),
    max_size=14,
)


async def perform(op: Op, ident: Any, refs: list[Any], log: Log) -> None:
    """One operation of a sender, to its end; what came of it goes to the log."""
    ref = refs[op.actor]
    if op.way in ("tell", "teller"):
        tell = ref.teller(Worker.work) if op.way == "teller" else lambda *args: ref.tell(Worker.work, *args)
        (log.accepted if tell(ident, op.deed) else log.refused).add(ident)
        return
    try:
        if op.way == "send":
            await ref.send(Worker.work, ident, op.deed)
            log.accepted.add(ident)
        else:
            asked = ref.within(0.5 if op.way == "ask within" else None)
            log.answers[ident] = await asked.ask(Worker.work, ident, op.deed)
    except (ap.ActorError, asyncio.CancelledError) as error:
        log.answers[ident] = error
        if isinstance(error, asyncio.CancelledError):
            raise
    finally:
        log.ended[ident] = log.tick()


async def send_all(script: list[Op], sender: int, refs: list[Any], log: Log, in_hand: dict[int, Any]) -> None:
    """One sender: its operations, one after another; a cancelled one is given up, and the next begins."""
    for place, op in enumerate(script):
        task = in_hand[sender] = asyncio.ensure_future(perform(op, (sender, place), refs, log))
        await asyncio.wait([task])
        log.ended.setdefault((sender, place), log.tick())  # one that was cancelled before it began wrote nothing
        if not task.cancelled() and task.exception() is not None:
            raise task.exception()  # type: ignore[misc]


async def run(program: list[list[Op]], orders: list[tuple[str, int]]) -> None:
    log = Log()
    gate = asyncio.Event()
    refs: list[Any] = []
    in_hand: dict[int, Any] = {}
    async with ap.ActorSystem(shutdown=5) as system:
        for number, cls in enumerate(CLASSES):
            refs.append(await system.spawn(cls, log, number, refs, gate))
        senders = [
            asyncio.ensure_future(send_all(script, sender, refs, log, in_hand)) for sender, script in enumerate(program)
        ]
        stopping = []
        for order, number in orders:
            ref = refs[number]
            if order == "turns":
                for _ in range(number * number + 1):
                    await asyncio.sleep(0)
            elif order == "second":
                await asyncio.sleep(1)
            elif order == "cancel" and number % SENDERS in in_hand:
                in_hand[number % SENDERS].cancel()
            elif order == "stop":
                stopping.append(asyncio.ensure_future(system.stop(ref, timeout=1)))
            elif order == "kill":
                system.kill(ref)
            elif order == "end it full" and ref.is_alive():  # with everything that came meanwhile in its mailbox
                system.suspend(ref)
                await asyncio.sleep(0.1)
                system.kill(ref)
            elif order in ("suspend", "resume") and ref.is_alive():
                (system.suspend if order == "suspend" else system.resume)(ref)
            elif order == "open":
                gate.set()
            for ref in refs:
                assert len(ref) <= MAILBOX + log.stashes, "AC-6: what was stashed comes on top, and nothing else"
        gate.set()
        for ref in refs:
            if ref.is_alive():
                system.resume(ref)
        await asyncio.sleep(10)
        check_rest(refs)
        for ref in refs[::2]:  # the others end with what they have stashed and deferred
            ref.tell(Worker.work, ("last", ref.name), "unstash")
            await asyncio.sleep(1)
            ref.tell(Worker.work, ("last answer", ref.name), "answer")
            await asyncio.sleep(1)
        for ref in refs:
            await system.stop(ref, timeout=1)
        for sender in senders:
            await asyncio.wait_for(sender, 100)
        for each in stopping:
            await each
    check(program, log, system)


def check_rest(refs: list[Any]) -> None:
    """Nothing is on its way: no remains in any living actor."""
    for ref in refs:
        cell: Cell = cell_of(ref)
        dispatcher = cell.dispatcher
        assert (dispatcher.depth, dispatcher.cell, dispatcher.draining, dispatcher.scheduled) == (0, None, None, False)
        assert dispatcher.waiting == 0
        if not ref.is_alive():
            continue
        assert cell.state == IDLE, ref
        assert not cell.batch
        assert not cell.box
        assert len(ref) == 0
        assert cell.has_room()
        door = None if cell.more is None else cell.more.door
        if door is not None:
            assert (door.core.reserved, len(door.core.senders)) == (0, 0)
        if cell.more is not None:
            assert not cell.more.runners


def check(program: list[list[Op]], log: Log, system: ap.ActorSystem) -> None:
    """What must hold after every run."""
    assert log.overlaps == [], "AC-1"
    assert log.twice == [], "AC-3"
    for number, begun in log.order.items():
        for sender in range(SENDERS):
            places = [place for who, place in (ident for ident in begun) if who == sender]
            assert places == sorted(places), f"AC-2: {sender} to {number}: {places}"
    for ident in log.refused:
        assert ident not in log.begun, f"AC-6: {ident} was refused, and handled"
    for sender, script in enumerate(program):
        for place, op in enumerate(script):
            check_ask(program, (sender, place), op, log)
    unheard = [ident for ident in log.accepted if ident not in log.begun]
    lost = len(log.refused) + len(unheard)
    # A handler of these may be in hand, and end with its actor, before it has written anything down.
    in_hand = sum(not begins_at_once(program, ident) for ident in unheard)
    letters = system.counters.dead_letters.total()
    forwards = log.forwards + ACTORS  # and the last messages, which are told whoever is alive
    assert lost - in_hand <= letters <= lost + forwards, f"AC-8: {lost} were not handled, {letters} are dead letters"


def begins_at_once(program: list[list[Op]], ident: Any) -> bool:
    """True if the handler of this message writes down that it has begun in its first step, inside the actor's turn."""
    sender, place = ident
    if not isinstance(sender, int):
        return False
    actor = program[sender][place].actor
    return actor == 0 or (actor == 1 and not env.plain_tasks)


def check_ask(program: list[list[Op]], ident: Any, op: Op, log: Log) -> None:
    answer = log.answers.get(ident)
    begun = log.begun.get(ident)
    if op.way in ("ask", "ask within"):
        assert ident in log.ended, "AC-8: an ask that never ended"
    at_once = begins_at_once(program, ident)
    if isinstance(answer, asyncio.CancelledError | ap.AskTimeout) and begun is not None and at_once:
        assert begun < log.ended[ident], f"AC-22: {ident} began after it was given up"
    if isinstance(answer, ap.MailboxFull) and op.deed != "forward":
        assert begun is None
    if isinstance(answer, tuple):
        assert answer in (("did", ident), ("did", ("forwarded", ident)))
        assert begun is not None
    elif answer is not None and not isinstance(answer, BaseException):
        assert (answer, op.deed) == ("answered later", "defer")


@contextlib.contextmanager
def engine(name: str) -> Iterator[None]:
    """Run processes on the run queue, or as plain tasks."""
    before = env.plain_tasks
    env.plain_tasks = name == "plain tasks"
    try:
        yield
    finally:
        env.plain_tasks = before


@pytest.mark.parametrize("name", ["run queue", "plain tasks"])
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(program=scripts, orders=outside)
def test_a_random_program_keeps_the_rules(name: str, program: list[list[Op]], orders: list[tuple[str, int]]) -> None:
    with engine(name):
        run_virtual(lambda: run(program, orders))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["run queue", "plain tasks"])
@settings(max_examples=20_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(program=scripts, orders=outside)
def test_many_random_programs_keep_the_rules(name: str, program: list[list[Op]], orders: list[tuple[str, int]]) -> None:
    with engine(name):
        run_virtual(lambda: run(program, orders))
