"""Asks: one answer or one error for each, and never a wait for an actor that is gone (AC-13 to AC-22)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import actorpar as ap
from actorpar.actors import life
from actorpar.actors.timed import cell_of
from tests.processes.running import settle

from .staff import CALLERS, DESKS, Busy, Desk, PlainDesk, SlowDesk, fails, from_process, from_task, having, swallow

pytestmark = pytest.mark.virtual_time

Work = Callable[[], Coroutine[Any, Any, Any]]


def now() -> float:
    return asyncio.get_running_loop().time()


def raising(error: BaseException) -> Callable[[Any], Any]:
    """Work that raises."""

    def work(_: Any) -> Any:
        raise error

    return work


async def hang(actor: Desk) -> None:
    await asyncio.get_running_loop().create_future()


async def stubborn(actor: Desk) -> None:
    await swallow()


# -- one answer


@pytest.mark.parametrize("caller", CALLERS)
async def test_ac13_an_ask_returns_what_its_handler_returns(desk: type[Desk], caller: Any) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)

        async def ask() -> list[Any]:
            return [
                await ref.ask(Desk.note, 1),
                await ref.ask(Desk.note, item=None),
                await ref.ask(Desk.do, type),
                await ref.within(None).ask(Desk.note, ValueError),
                await ref.within(2).ask(Desk.look),
            ]

        assert await caller(system, ask) == [1, None, desk, ValueError, [1, None, ValueError]]


async def test_ac13_an_answer_after_the_asker_gave_up_is_dropped_and_counted(desk: type[Desk]) -> None:
    async def answer_late(actor: Desk) -> str:
        await asyncio.sleep(3)
        actor.notes.append("did it")
        return "late"

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        await fails(ap.AskTimeout, ref.within(1).ask(Desk.run, answer_late))
        asking = asyncio.ensure_future(ref.ask(Desk.run, answer_late))
        await asyncio.sleep(2.5)
        asking.cancel()
        await fails(asyncio.CancelledError, asking)
        assert await ref.ask(Desk.look) == ["did it"] * 2
        assert system.counters.late == 2
        assert system.counters.expired == 0


async def test_ac13_each_answer_reaches_its_own_asker(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        answers = await asyncio.gather(*[ref.ask(Desk.note, number) for number in range(200)])
        assert answers == list(range(200))


# -- deadlines


async def test_ac14_an_ask_gives_up_after_five_seconds_or_what_within_says(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk, name="hangs")
        async with Busy(ref):
            for asked, seconds in ((ref, 5.0), (ref.within(0.5), 0.5), (ref.within(30), 30.0), (ref.within(0), 0.0)):
                start = now()
                late = await fails(ap.AskTimeout, asked.ask(Desk.note, 1))
                assert now() - start == pytest.approx(seconds)
                assert isinstance(late, TimeoutError)
                assert "hangs" in str(late)
                assert "note" in str(late)
            patient = asyncio.ensure_future(ref.within(None).ask(Desk.note, 2))
            await asyncio.sleep(1000)
            assert not patient.done()
        assert await patient == 2


async def test_ac14_deadlines_of_many_lengths_expire_each_in_its_time() -> None:
    expired: list[float] = []
    lengths = [3.0, 1.0, 2.0, 1.0, 0.5, 2.0]

    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk)

        async def ask(seconds: float) -> None:
            await fails(ap.AskTimeout, ref.within(seconds).ask(Desk.note, 1))
            expired.append(seconds)
            assert now() == pytest.approx(seconds)

        async with Busy(ref):
            await asyncio.gather(*map(ask, lengths))
        assert expired == sorted(lengths)


async def test_ac14_deadlines_of_one_length_expire_each_in_its_time() -> None:
    expired: list[float] = []

    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk)

        async def ask() -> None:
            await fails(ap.AskTimeout, ref.within(2).ask(Desk.note, 1))
            expired.append(now())

        async with Busy(ref):
            asking = []
            for _ in range(3):
                asking.append(asyncio.ensure_future(ask()))
                await asyncio.sleep(0.5)
            await asyncio.gather(*asking)
        assert expired == [pytest.approx(2), pytest.approx(2.5), pytest.approx(3)]


async def test_ac14_a_handler_that_never_returns_times_out_and_blocks_nobody_else(desk: type[Desk]) -> None:
    async with ap.ActorSystem(shutdown=1) as system:
        ref = await system.spawn(desk)
        other = await system.spawn(desk)
        await fails(ap.AskTimeout, ref.within(1).ask(Desk.run, hang))
        assert await other.ask(Desk.note, 1) == 1
        assert await system.stop(ref, timeout=1) == ap.KILLED


@pytest.mark.parametrize("caller", CALLERS)
async def test_ac15_an_answer_that_is_there_when_the_deadline_passes_wins(caller: Any) -> None:
    replies: list[ap.Reply[str]] = []

    def keep(actor: Desk) -> Any:
        replies.append(actor.ctx.defer(str))
        return replies[-1]

    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk)
        asking = asyncio.ensure_future(caller(system, lambda: ref.within(1).ask(Desk.do, keep)))
        await settle()
        loop = asyncio.get_running_loop()
        loop.call_at(loop.time() + 1 - 1e-9, replies[0].send, "just in time")
        loop.advance(1)  # type: ignore[attr-defined]  # the answer and the deadline are due in the same turn of the loop
        assert await asking == "just in time"


# -- the end of the asked


@pytest.mark.parametrize("how", ["stop", "fail", "kill", "link"])
@pytest.mark.parametrize("caller", CALLERS)
async def test_ac16_the_death_of_the_asked_is_told_at_once(how: str, caller: Any) -> None:
    """The request is deferred, so no handler is in hand."""
    kept: list[Any] = []

    def keep(actor: Desk) -> Any:
        kept.append(actor.ctx.defer())
        return kept[-1]

    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk)
        other = await system.spawn(PlainDesk)
        asking = asyncio.ensure_future(caller(system, lambda: fails(ap.ActorDead, ref.within(None).ask(Desk.do, keep))))
        await settle()
        error = ValueError("boom")
        if how == "stop":
            await system.stop(ref)
        elif how == "fail":
            ref.tell(Desk.do, raising(error))
        elif how == "kill":
            system.kill(ref)
        else:
            await other.ask(Desk.do, lambda actor: actor.ctx.link(ref))
            other.tell(Desk.do, raising(error))
        dead = await asking
        assert now() == 0
        assert (
            dead.reason
            == {
                "stop": ap.SHUTDOWN,
                "fail": ap.Reason("error", error=error),
                "kill": ap.KILLED,
                "link": ap.Reason("error", error=error),
            }[how]
        )
        assert not kept[0].send("late")


@pytest.mark.parametrize("work", [hang, stubborn])
@pytest.mark.parametrize("caller", CALLERS)
async def test_ac16_a_kill_of_the_asked_whose_handler_is_in_hand_fails_the_asker(work: Any, caller: Any) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk)
        asking = asyncio.ensure_future(
            caller(system, lambda: fails(ap.ActorDead, ref.within(None).ask(Desk.run, work)))
        )
        await settle()
        system.kill(ref)
        assert (await asking).reason == ap.KILLED
        assert now() <= life.KILL_GRACE
        assert await system.ended(ref) == ap.KILLED


@pytest.mark.parametrize("order", range(4))
async def test_ac16_an_ask_that_races_an_end_is_answered_or_fails(desk: type[Desk], order: int) -> None:
    """Ask, and end the actor, in every order of two neighbours, from four sides."""
    ends: list[Callable[[ap.ActorSystem, Any], object]] = [
        lambda system, ref: life.stop(cell_of(ref)),
        lambda system, ref: system.kill(ref),
        lambda system, ref: ref.tell(Desk.do, raising(ValueError("boom"))),
        lambda system, ref: ref.tell(Desk.do, lambda actor: actor.ctx.stop()),
    ]
    for end in ends:
        for turns in range(6):
            async with ap.ActorSystem() as system:
                ref = await system.spawn(desk)

                async def asks(ref: Any = ref, turns: int = turns) -> object:
                    for _ in range(turns if order & 1 else 0):
                        await asyncio.sleep(0)
                    try:
                        return await ref.within(None).ask(Desk.note, 1)
                    except ap.ActorDead as dead:
                        return dead

                async def ends_it(end: Any = end, ref: Any = ref, turns: int = turns, system: Any = system) -> None:
                    for _ in range(0 if order & 1 else turns):
                        await asyncio.sleep(0)
                    end(system, ref)

                both = [asks(), ends_it()] if order & 2 else [ends_it(), asks()]
                outcomes = await asyncio.gather(*both)
                answer = next(outcome for outcome in outcomes if outcome is not None)
                assert answer == 1 or isinstance(answer, ap.ActorDead)


@pytest.mark.parametrize("asks", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
async def test_ac16_many_asks_that_race_stops_never_hang(asks: int) -> None:
    """pykka left 20 of 35 328 waiting for ever."""
    answered = dead = 0
    per_actor = 20
    desks = [*DESKS, having(SlowDesk, reentrant=True)]

    async def ask(ref: Any, number: int) -> None:
        nonlocal answered, dead
        for _ in range(number % 4):
            await asyncio.sleep(0)
        try:
            assert await ref.within(None).ask(Desk.note, number) == number
            answered += 1
        except ap.ActorDead:
            dead += 1

    async with ap.ActorSystem(shutdown=1) as system:
        for start in range(0, asks, per_actor):
            ref = await system.spawn(desks[start // per_actor % len(desks)])
            async with ap.ProcessGroup() as group:
                for number in range(per_actor):
                    group.spawn(ask, ref, number)
                for _ in range(start // per_actor % 7):
                    await asyncio.sleep(0)
                if start % 3:
                    life.stop(cell_of(ref))
                else:
                    system.kill(ref)
    assert answered + dead == asks
    assert answered > asks / 100
    assert dead > asks / 100


# -- itself, and rings


@pytest.mark.parametrize("seconds", [5.0, None])
async def test_ac17_an_actor_that_asks_itself_is_told_at_once(desk: type[Desk], seconds: float | None) -> None:
    async def ask_myself(actor: Desk) -> Any:
        return await fails(ap.AskToSelf, actor.ctx.ref.within(seconds).ask(Desk.note, 1))

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk, name="narcissus")
        error = await ref.ask(Desk.run, ask_myself)
        assert "narcissus" in str(error)
        ref.tell(Desk.run, ask_myself)
        assert await ref.ask(Desk.note, 1) == 1
        assert await ref.ask(Desk.look) == [1]


async def test_ac17_an_ask_of_itself_after_an_ask_of_another_is_told_too(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        other = await system.spawn(desk)

        async def ask_myself(actor: Desk) -> Any:
            await other.ask(Desk.note, 1)
            await asyncio.sleep(0)
            return await fails(ap.AskToSelf, actor.ctx.ref.ask(Desk.note, 1))

        ref = await system.spawn(desk)
        await ref.ask(Desk.run, ask_myself)


@pytest.mark.parametrize("first", ["asked", "told"])
@pytest.mark.parametrize("length", [2, 3])
@pytest.mark.parametrize("pause", [False, True])
async def test_ac17_a_ring_of_asks_is_reported_in_debug_mode(first: str, length: int, pause: bool) -> None:
    asyncio.get_running_loop().set_debug(True)
    found: list[BaseException] = []

    async with ap.ActorSystem() as system:
        refs = [await system.spawn(PlainDesk, name=f"ring-{place}") for place in range(length)]

        def visit(place: int) -> Any:
            async def work(actor: Desk) -> None:
                if pause:
                    await asyncio.sleep(0)
                following = refs[(place + 1) % length]
                try:
                    await following.within(None).ask(Desk.run, visit(place + 1))
                except ap.AskCycle as cycle:
                    found.append(cycle)

            return work

        if first == "asked":
            await refs[0].within(None).ask(Desk.run, visit(0))
        else:
            refs[0].tell(Desk.run, visit(0))
            await settle()
    assert len(found) == 1
    for ref_name in [f"ring-{place}" for place in range(length)]:
        assert ref_name in str(found[0])


async def test_ac17_a_chain_that_meets_an_actor_again_without_waiting_for_it_is_no_ring() -> None:
    asyncio.get_running_loop().set_debug(True)
    async with ap.ActorSystem() as system:
        one, two = await system.spawn(PlainDesk), await system.spawn(PlainDesk)

        async def tell_back(actor: Desk) -> bool:
            return one.tell(Desk.note, "told")

        async def ask_two(actor: Desk) -> bool:
            assert await two.ask(Desk.run, tell_back)
            return bool(await two.ask(Desk.run, tell_back))

        assert await one.ask(Desk.run, ask_two)
        assert await one.ask(Desk.look) == ["told", "told"]


# -- failures and refusals


class Unprintable(Exception):
    """Its repr is the user's code, and raises."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    __str__ = __repr__


def is_same(found: object, error: BaseException) -> bool:
    """The very exception; of a cancellation asyncio's tasks tell only that it was one."""
    return found is error or (type(found) is type(error) is asyncio.CancelledError)


FAILURES: list[Callable[[], BaseException]] = [
    ValueError,
    Unprintable,
    asyncio.CancelledError,
    KeyboardInterrupt,
    SystemExit,
    GeneratorExit,
    TimeoutError,
    StopAsyncIteration,
    ap.EndOfChannel,
    lambda: ap.ActorDead("of somebody else"),
    lambda: BaseExceptionGroup("two", [ValueError(), KeyboardInterrupt()]),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure()).__name__)
@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("queued", [False, True], ids=["idle", "queued"])
async def test_ac18_a_handler_that_raises_fails_the_actor_and_tells_the_asker_why(
    desk: type[Desk], failure: Callable[[], BaseException], caller: Any, queued: bool, caplog: pytest.LogCaptureFixture
) -> None:
    error = failure()
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk, name="breaks")
        other = await system.spawn(desk)

        async def ask() -> Any:
            if queued:
                ref.tell(Desk.note, 1)
            return await fails(ap.HandlerFailed, ref.within(None).ask(Desk.do, raising(error)))

        failed = await caller(system, ask)
        assert is_same(failed.__cause__, error)
        assert "breaks" in str(failed)
        assert type(error).__name__ in str(failed)
        reason = await system.ended(ref)
        assert reason.kind == "error"
        assert is_same(reason.error, error)
        assert system.counters.crashed == 1
        assert await other.ask(Desk.note, 1) == 1, "the rest keeps running"
    assert [(record.levelname, "breaks" in record.getMessage()) for record in caplog.records] == [("ERROR", True)]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure()).__name__)
async def test_ac18_a_handler_of_a_told_message_that_raises_fails_the_actor(
    desk: type[Desk], failure: Callable[[], BaseException]
) -> None:
    error = failure()
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        other = await system.spawn(desk)
        ref.tell(Desk.note, 1)
        ref.tell(Desk.do, raising(error))
        ref.tell(Desk.note, 2)
        other.tell(Desk.note, 3)
        assert is_same((await system.ended(ref)).error, error)
        assert await other.ask(Desk.look) == [3]
        assert system.counters.dead_letters == {"dead": 1}


class TooLarge(ap.Reject):
    """A refusal of the user's."""


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("queued", [False, True], ids=["idle", "queued"])
async def test_ac18_a_refusal_only_answers(desk: type[Desk], caller: Any, queued: bool) -> None:
    refusal = TooLarge("at most 3")
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)

        async def ask() -> Any:
            if queued:
                ref.tell(Desk.note, 0)
            return await fails(TooLarge, ref.ask(Desk.do, raising(refusal)))

        assert await caller(system, ask) is refusal
        ref.tell(Desk.note, 1)
        ref.tell(Desk.do, raising(TooLarge()))
        ref.tell(Desk.note, 2)
        assert (await ref.ask(Desk.look))[-2:] == [1, 2]
        assert system.counters.rejected == 2
        assert system.counters.crashed == 0


async def test_ac18_refusals_in_the_middle_of_a_batch_lose_nothing(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        for number in range(100):
            ref.tell(Desk.note, number)
            ref.tell(Desk.do, raising(TooLarge()))
        assert await ref.ask(Desk.look) == list(range(100))


async def test_ac18_a_refusal_in_a_reentrant_actor_ends_no_other_handler() -> None:
    gate = asyncio.Event()

    async def wait(actor: Desk) -> str:
        await gate.wait()
        return "done"

    async def refuse(actor: Desk) -> None:
        await asyncio.sleep(0)
        raise TooLarge

    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(PlainDesk, reentrant=True))
        waiting = asyncio.ensure_future(ref.ask(Desk.run, wait))
        await settle()
        await fails(TooLarge, ref.ask(Desk.run, refuse))
        gate.set()
        assert await waiting == "done"


# -- answers that come later


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("queued", [False, True], ids=["idle", "queued"])
async def test_ac19_an_answer_may_be_deferred(desk: type[Desk], caller: Any, queued: bool) -> None:
    def take(actor: Desk) -> Any:
        actor.notes.append(actor.ctx.defer(int))
        return actor.notes[-1]

    def answer(actor: Desk) -> bool:
        reply: ap.Reply[int] = actor.notes.pop()
        assert reply.pending
        return reply.send(42)

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)

        async def ask() -> Any:
            if queued:
                ref.tell(Desk.do, lambda _: None)
            return await ref.within(None).ask(Desk.do, take)

        asking = asyncio.ensure_future(caller(system, ask))
        await settle()
        assert not asking.done()
        assert await ref.ask(Desk.do, answer)
        assert await asking == 42
        more = cell_of(ref).more
        assert more is None or not more.deferred


async def test_ac19_a_deferred_answer_may_be_an_error(desk: type[Desk]) -> None:
    kept: list[ap.Reply[Any]] = []

    def take(actor: Desk) -> Any:
        kept.append(actor.ctx.defer())
        return kept[-1]

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        for error, kind in ((ValueError("boom"), ap.HandlerFailed), (TooLarge(), TooLarge)):
            asking = asyncio.ensure_future(ref.ask(Desk.do, take))
            await settle()
            reply = kept.pop()
            assert reply.fail(error)
            assert not reply.send("twice")
            assert not reply.fail(error)
            failed = await fails(kind, asking)
            assert error in (failed, failed.__cause__)
        assert ref.is_alive()


@pytest.mark.parametrize("caller", CALLERS)
async def test_ac19_a_reply_that_is_dropped_unanswered_fails_the_asker(desk: type[Desk], caller: Any) -> None:
    def drop(actor: Desk) -> None:
        actor.ctx.defer()

    def keep(actor: Desk) -> Any:
        actor.notes.append(actor.ctx.defer())
        return actor.notes[-1]

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk, name="forgetful")
        broken = await caller(system, lambda: fails(ap.BrokenPromise, ref.within(None).ask(Desk.do, drop)))
        assert "forgetful" in str(broken)
        asking = asyncio.ensure_future(fails(ap.BrokenPromise, ref.within(None).ask(Desk.do, keep)))
        await settle()
        ref.tell(Desk.do, lambda actor: actor.notes.clear())
        await asking
        gave_up = asyncio.ensure_future(fails(ap.AskTimeout, ref.within(1).ask(Desk.do, keep)))
        await gave_up
        ref.tell(Desk.do, lambda actor: actor.notes.clear())
        await settle()
        assert not cell_of(ref).more.deferred, "nothing is kept of requests that are settled"  # type: ignore[union-attr]


async def test_ac19_a_reply_that_the_collector_drops_in_another_thread_fails_the_asker(desk: type[Desk]) -> None:
    kept: list[Any] = []

    def keep(actor: Desk) -> None:
        kept.append(actor.ctx.defer())

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        asking = asyncio.ensure_future(fails(ap.BrokenPromise, ref.within(None).ask(Desk.do, keep)))
        await settle()
        await asyncio.get_running_loop().run_in_executor(None, kept.clear)
        await asking


async def test_ac19_a_request_is_deferred_once(desk: type[Desk]) -> None:
    def twice(actor: Desk) -> Any:
        reply: ap.Reply[Any] = actor.ctx.defer()
        with pytest.raises(ap.ActorError):
            actor.ctx.defer()
        reply.send("first")

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        assert await ref.ask(Desk.do, twice) == "first"


async def test_ac19_a_reply_may_be_sent_before_the_handler_returns_and_before_it_fails(desk: type[Desk]) -> None:
    def early(actor: Desk) -> str:
        reply: ap.Reply[Any] = actor.ctx.defer()
        assert reply.send("early")
        return "what the handler returns is not the answer"

    def early_and_break(actor: Desk) -> None:
        actor.ctx.defer(str).send("early")
        raise ValueError("boom")

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        assert await ref.ask(Desk.do, early) == "early"
        ref.tell(Desk.note, 1)
        assert await ref.ask(Desk.do, early_and_break) == "early"
        assert (await system.ended(ref)).kind == "error"


async def test_ac19_a_told_message_may_be_deferred_and_nobody_gets_the_answer(desk: type[Desk]) -> None:
    def keep(actor: Desk) -> None:
        reply: ap.Reply[Any] = actor.ctx.defer()
        assert not reply.pending
        assert reply.deadline is None
        actor.notes.append(reply.send(1))

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        ref.tell(Desk.do, keep)
        assert await ref.ask(Desk.look) == [False]


# -- forwarding


@pytest.mark.parametrize("target", DESKS, ids=lambda cls: cls.style)
@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("queued", [False, True], ids=["idle", "queued"])
async def test_ac20_the_one_that_a_request_is_forwarded_to_answers_the_asker(
    desk: type[Desk], target: type[Desk], caller: Any, queued: bool
) -> None:
    async with ap.ActorSystem() as system:
        last = await system.spawn(target)
        middle = await system.spawn(desk)
        first = await system.spawn(desk)

        def pass_on(actor: Desk) -> Any:
            return actor.ctx.forward(last, Desk.note, "at last")

        def pass_on_twice(actor: Desk) -> Any:
            return actor.ctx.forward(middle, Desk.do, pass_on)

        async def ask() -> Any:
            if queued:
                for ref in (first, middle, last):
                    ref.tell(Desk.do, lambda _: None)
            return await first.within(None).ask(Desk.do, pass_on_twice)

        assert await caller(system, ask) == "at last"
        assert await first.ask(Desk.note, 1) == 1, "the forwarder is free"


async def test_ac20_forwarding_keeps_the_deadline(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        last = await system.spawn(PlainDesk)
        first = await system.spawn(desk)
        due: list[float | None] = []

        async def look(actor: Desk) -> None:
            due.append(actor.ctx.deadline)
            await hang(actor)

        asking = asyncio.ensure_future(
            fails(ap.AskTimeout, first.within(2).ask(Desk.do, lambda actor: actor.ctx.forward(last, Desk.run, look)))
        )
        await asking
        assert now() == pytest.approx(2)
        assert due == [pytest.approx(2)]
        system.kill(last)


@pytest.mark.parametrize("outcome", ["dead", "full", "dies", "fails", "rejects"])
async def test_ac20_a_forwarded_request_fails_as_its_new_owner_says(desk: type[Desk], outcome: str) -> None:
    error = {"fails": ValueError("boom"), "rejects": TooLarge()}.get(outcome)

    def pass_on(actor: Desk) -> Any:
        return actor.ctx.forward(last, Desk.do, raising(error) if error is not None else lambda _: None)

    async with ap.ActorSystem() as system:
        last = await system.spawn(having(PlainDesk, mailbox=1))
        first = await system.spawn(desk)
        kind = {"full": ap.MailboxFull, "fails": ap.HandlerFailed, "rejects": TooLarge}.get(outcome, ap.ActorDead)
        if outcome == "dead":
            await system.stop(last)
            await fails(kind, first.within(None).ask(Desk.do, pass_on))
        elif error is not None:
            await fails(kind, first.within(None).ask(Desk.do, pass_on))
        else:
            async with Busy(last):
                if outcome == "full":
                    last.tell(Desk.note, 1)
                asking = asyncio.ensure_future(fails(kind, first.within(None).ask(Desk.do, pass_on)))
                await settle()
                if outcome == "dies":
                    system.kill(last)
                await asking
        assert await first.ask(Desk.note, 1) == 1


async def test_ac20_the_death_of_the_forwarder_does_not_matter_any_more(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        last = await system.spawn(PlainDesk)
        first = await system.spawn(desk)
        async with Busy(last):
            asking = asyncio.ensure_future(
                first.within(None).ask(Desk.do, lambda actor: actor.ctx.forward(last, Desk.note, "kept"))
            )
            await settle()
            system.kill(first)
        assert await asking == "kept"


@pytest.mark.parametrize("reentrant", [False, True])
async def test_ac20_an_actor_may_forward_a_request_to_itself(desk: type[Desk], reentrant: bool) -> None:
    def again(actor: Desk) -> Any:
        return actor.ctx.forward(actor.ctx.ref, Desk.note, "later")

    async def again_and_wait(actor: Desk) -> Any:
        reply = actor.ctx.forward(actor.ctx.ref, Desk.note, "much later")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return reply

    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(desk, reentrant=reentrant))
        assert await ref.ask(Desk.do, again) == "later"
        assert await ref.ask(Desk.run, again_and_wait) == "much later"


async def test_ac20_a_told_message_is_forwarded_as_a_told_one(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        last = await system.spawn(PlainDesk)
        first = await system.spawn(desk)
        first.tell(Desk.do, lambda actor: actor.ctx.forward(last, Desk.note, "told"))
        await settle()
        assert await last.ask(Desk.look) == ["told"]
        await system.stop(last)
        first.tell(Desk.do, lambda actor: actor.ctx.forward(last, Desk.note, "lost"))
        await settle()
        assert system.counters.dead_letters == {"dead": 1}
        assert first.is_alive()


async def test_ac20_forwarding_what_the_other_does_not_have_fails_the_forwarder(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        last = await system.spawn(PlainDesk)
        first = await system.spawn(desk)
        wrong: Any = len
        failed = await fails(ap.HandlerFailed, first.ask(Desk.do, lambda actor: actor.ctx.forward(last, wrong)))
        assert isinstance(failed.__cause__, ap.UnhandledMessage)


# -- deadlines travel


async def test_ac21_a_handler_sees_until_when_its_asker_waits(desk: type[Desk]) -> None:
    def look(actor: Desk) -> float | None:
        return actor.ctx.deadline

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        for prepare in (lambda: None, lambda: ref.tell(Desk.note, 1)):
            prepare()
            assert await ref.ask(Desk.do, look) == pytest.approx(now() + 5)
            prepare()
            assert await ref.within(2).ask(Desk.do, look) == pytest.approx(now() + 2)
            prepare()
            assert await ref.within(None).ask(Desk.do, look) is None
        ref.tell(Desk.do, lambda actor: actor.notes.append(actor.ctx.deadline))
        assert (await ref.ask(Desk.look))[-1] is None


async def test_ac21_a_deadline_belongs_to_its_own_request(desk: type[Desk]) -> None:
    """An ask with a long deadline that runs inside does not lend it to the asks that its handler makes."""
    async with ap.ActorSystem() as system:
        other = await system.spawn(desk)

        async def ask_on(actor: Desk) -> Any:
            return await other.ask(Desk.do, lambda a: a.ctx.deadline), actor.ctx.deadline

        ref = await system.spawn(desk)
        assert await ref.within(60).ask(Desk.run, ask_on) == (pytest.approx(now() + 5), pytest.approx(now() + 60))


async def test_ac21_a_told_message_behind_an_expired_request_knows_nothing_of_it(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        async with Busy(ref):
            asking = asyncio.ensure_future(ref.within(1).ask(Desk.note, "expired"))
            await settle()
            ref.tell(Desk.do, lambda actor: actor.notes.append(actor.ctx.deadline))
            ref.tell(Desk.do, raising(ValueError("boom")))
            await fails(ap.AskTimeout, asking)
        assert (await system.ended(ref)).kind == "error"
        assert system.counters.expired == 1
        assert system.counters.late == 0


async def test_ac21_a_request_that_expired_in_the_mailbox_is_dropped_unhandled_and_counted(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        async with Busy(ref):
            for number in range(3):
                await fails(ap.AskTimeout, ref.within(1).ask(Desk.note, number))
        assert await ref.ask(Desk.look) == []
        assert system.counters.expired == 3


# -- cancelling the asker


class Considerate(PlainDesk):
    """Wants to know when an asker has given up."""

    def on_withdrawn(self, reply: ap.Reply[Any]) -> None:
        self.notes.append("withdrawn")


@pytest.mark.parametrize(
    ("how", "caller"),
    [("cancelled", from_task), ("cancelled", from_process), *(("too late", caller) for caller in CALLERS)],
)
async def test_ac22_an_actor_that_wants_to_know_is_told_that_its_asker_gave_up(caller: Any, how: str) -> None:
    async with ap.ActorSystem() as system:
        for work in (lambda a: a.run(hang), lambda a: a.notes.append(a.ctx.defer()) or a.notes[-1]):
            notes: list[Any] = []
            ref = await system.spawn(Considerate, notes)
            asking = asyncio.ensure_future(caller(system, lambda ref=ref, work=work: ref.within(1).ask(Desk.do, work)))
            await settle()
            if how == "cancelled":
                asking.cancel()
            await asyncio.wait([asking])
            await settle()
            assert notes.count("withdrawn") == 1
            assert ref.is_alive()
            system.kill(ref)


@pytest.mark.parametrize("caller", [from_task, from_process])
async def test_ac22_what_was_withdrawn_is_found_among_the_replies_that_were_kept(caller: Any) -> None:
    class Waiters(ap.Actor):
        def __init__(self, waiting: list[ap.Reply[int]]) -> None:
            self.waiting = waiting

        def wait(self) -> ap.Reply[int]:
            self.waiting.append(self.ctx.defer(int))
            return self.waiting[-1]

        def on_withdrawn(self, reply: ap.Reply[Any]) -> None:
            self.waiting.remove(reply)

    async with ap.ActorSystem() as system:
        waiting: list[ap.Reply[int]] = []
        ref = await system.spawn(Waiters, waiting)
        first, second, third = (asyncio.ensure_future(caller(system, lambda: ref.ask(Waiters.wait))) for _ in range(3))
        await settle()
        second.cancel()
        await asyncio.wait([second])
        await settle()
        assert len({*waiting, *waiting}) == 2
        for n, reply in enumerate(waiting):
            assert reply != n
            reply.send(n)
        assert [await first, await third] == [0, 1]


async def test_ac22_an_actor_that_did_not_ask_for_it_goes_on_as_if_nothing_had_happened(desk: type[Desk]) -> None:
    gate = asyncio.Event()

    async def work(actor: Desk) -> None:
        await gate.wait()
        actor.notes.append("done")

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        asking = asyncio.ensure_future(ref.ask(Desk.run, work))
        await settle()
        asking.cancel()
        await settle()
        gate.set()
        assert await ref.ask(Desk.look) == ["done"]


@pytest.mark.parametrize("how", ["cancelled", "too late"])
async def test_ac22_a_hook_that_raises_hurts_its_own_actor_only(how: str, caplog: pytest.LogCaptureFixture) -> None:
    class Breaks(PlainDesk):
        def on_withdrawn(self, reply: ap.Reply[Any]) -> None:
            raise ValueError("boom")

    caplog.set_level(logging.INFO, "actorpar")
    async with ap.ActorSystem() as system:
        ref = await system.spawn(Breaks)
        other = await system.spawn(PlainDesk)
        asking = asyncio.ensure_future(ref.within(1).ask(Desk.run, hang))
        await settle()
        async with Busy(other):
            also = asyncio.ensure_future(fails(ap.AskTimeout, other.within(1).ask(Desk.note, 1)))
            await settle()
            if how == "cancelled":
                asking.cancel()
                await fails(asyncio.CancelledError, asking)
            else:
                await fails(ap.AskTimeout, asking)
            await also
            assert now() == pytest.approx(1)
        assert "boom" in caplog.text
        system.kill(ref)


# -- cancel at every suspension


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("way", ["ask", "within"])
async def test_ac13_an_ask_cancelled_at_any_point_is_handled_once_or_not_at_all(
    desk: type[Desk], caller: Any, way: str
) -> None:
    async with ap.ActorSystem() as system:
        for turns in range(12):
            ref = await system.spawn(desk)
            asked = ref if way == "ask" else ref.within(None)
            asking = asyncio.ensure_future(caller(system, lambda asked=asked, turns=turns: asked.ask(Desk.note, turns)))
            for _ in range(turns):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait([asking])
            await settle()
            notes = await ref.ask(Desk.look)
            assert notes in ([], [turns])
            assert asking.cancelled() or (asking.result() == turns and notes == [turns])


async def test_ac13_the_timeout_of_the_asker_is_its_own(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        async with Busy(ref):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await ref.within(None).ask(Desk.note, 1)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ref.ask(Desk.note, 1), 1)
        assert await from_task(system, lambda: ref.ask(Desk.look)) == []
