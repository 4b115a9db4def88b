"""Links and monitors (AC-27 to AC-33)."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

import actorpar as ap
from actorpar.actors import life
from actorpar.actors.timed import cell_of
from tests.processes.running import settle

from .staff import Busy, Desk, PlainDesk, Trapper, Watcher, fails, having, refuses

pytestmark = pytest.mark.virtual_time


def boom(_: Desk) -> None:
    raise ValueError("boom")


async def watch(watcher: Any, target: Any, times: int = 1) -> list[Any]:
    """Have the actor monitor the target; the monitors."""
    return await watcher.ask(Desk.do, lambda actor: [actor.ctx.monitor(target) for _ in range(times)])  # type: ignore[no-any-return]


async def tie(one: Any, other: Any) -> None:
    """Have the first link to the second."""
    await one.ask(Desk.do, lambda actor: actor.ctx.link(other))


async def notes_of(ref: Any) -> list[Any]:
    await settle()
    return await ref.ask(Desk.look)  # type: ignore[no-any-return]


ENDS: dict[str, Any] = {
    "normal": lambda system, ref: ref.tell(Desk.do, lambda actor: actor.ctx.stop()),
    "shutdown": lambda system, ref: life.stop(cell_of(ref)),
    "killed": lambda system, ref: system.kill(ref),
    "error": lambda system, ref: ref.tell(Desk.do, boom),
}
end = pytest.mark.parametrize("end", ENDS)


# -- links


@end
async def test_ac27_a_link_works_both_ways(desk: type[Desk], end: str) -> None:
    async with ap.ActorSystem() as system:
        for first in (True, False):
            pair = [await system.spawn(desk), await system.spawn(desk)]
            await tie(*pair)
            dies, lives = pair if first else pair[::-1]
            ENDS[end](system, dies)
            await system.ended(dies)
            await settle()
            assert lives.is_alive() == (end == "normal")
            if end != "normal":
                assert await system.ended(lives) == await system.ended(dies)


async def test_ac27_a_pair_has_at_most_one_link(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        trapper, ref = await system.spawn(Trapper), await system.spawn(desk)
        for _ in range(3):
            await tie(trapper, ref)
            await tie(ref, trapper)
            await tie(trapper, ref.within(1))
        system.kill(ref)
        exits = await notes_of(trapper)
        assert [(exit.ref, exit.reason.kind) for exit in exits] == [(ref, "killed")]

        process = await system.spawn(sleep_for_ever)
        for _ in range(3):
            await tie(trapper, process)
        process.cancel()
        assert len(await notes_of(trapper)) == 1 + 1


async def test_ac27_one_unlink_undoes_any_number_of_links(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        one, other = await system.spawn(desk), await system.spawn(desk)
        await tie(one, other)
        await tie(other, one)
        await one.ask(Desk.do, lambda actor: actor.ctx.unlink(other))
        system.kill(other)
        await settle()
        assert one.is_alive()


async def test_ac27_an_actor_linked_to_itself_ends_as_always(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        await tie(ref, ref)
        ref.tell(Desk.do, boom)
        assert isinstance((await system.ended(ref)).error, ValueError)


async def test_ac27_a_child_spawned_with_a_link_is_linked_before_it_runs(desk: type[Desk]) -> None:
    class Dies(PlainDesk):
        async def on_start(self) -> None:
            self.ctx.ref.tell(Desk.do, boom)

    class DiesAtStart(PlainDesk):
        def on_start(self) -> None:
            raise ValueError("boom")

    async with ap.ActorSystem() as system:
        parent = await system.spawn(desk)
        parent.tell(Desk.run, lambda actor: actor.ctx.spawn(Dies, link=True))
        assert isinstance((await system.ended(parent)).error, ValueError)
        trapper = await system.spawn(Trapper)

        async def spawn_one_that_fails(actor: Desk) -> None:
            await fails(ap.StartFailed, actor.ctx.spawn(DiesAtStart, link=True))

        await trapper.ask(Desk.run, spawn_one_that_fails)
        exits = await notes_of(trapper)
        assert [type(exit.reason.error) for exit in exits] == [ValueError]


async def test_ac28_a_normal_exit_is_ignored_and_any_other_ends_the_linked_with_the_same_reason(
    desk: type[Desk],
) -> None:
    async with ap.ActorSystem() as system:
        chain = [await system.spawn(desk) for _ in range(4)]
        for one, other in itertools.pairwise(chain):
            await tie(one, other)
        detail = ap.Reason("shutdown", "for the night")
        await system.stop(chain[0], reason=ap.NORMAL)
        await settle()
        assert all(ref.is_alive() for ref in chain[1:])
        await system.stop(chain[1], reason=detail)
        assert [await system.ended(ref) for ref in chain[1:]] == [detail] * 3


async def test_ac28_the_exit_of_a_link_cancels_the_handler_in_hand_and_runs_on_stop(desk: type[Desk]) -> None:
    seen: list[Any] = []

    async def work(actor: Desk) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async with ap.ActorSystem() as system:
        for end in ("error", "killed", "shutdown"):
            seen.clear()
            ref = await system.spawn(having(desk, on_stop=lambda self, reason: seen.append(reason.kind)))
            other = await system.spawn(PlainDesk)
            await tie(ref, other)
            asking = asyncio.ensure_future(fails(ap.ActorDead, ref.within(None).ask(Desk.run, work)))
            await settle()
            ENDS[end](system, other)
            assert (await system.ended(ref)).kind == end
            await asking
            assert seen == ["cancelled", end]


async def test_ac28_a_link_to_an_actor_that_is_starting_or_ending_counts(desk: type[Desk]) -> None:
    gate = asyncio.Event()

    class Slow(PlainDesk):
        async def on_stop(self, reason: ap.Reason) -> None:
            await gate.wait()

    async with ap.ActorSystem() as system:
        slow, ref = await system.spawn(Slow), await system.spawn(desk)
        life.stop(cell_of(slow))
        await settle()
        await tie(ref, slow)
        gate.set()
        assert await system.ended(ref) == ap.SHUTDOWN


async def test_ac28_a_link_to_the_dead_is_an_exit_with_noproc(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        dead = await system.spawn(desk)
        await system.stop(dead)
        trapper, ref = await system.spawn(Trapper), await system.spawn(desk)
        await tie(trapper, dead)
        assert [exit.reason for exit in await notes_of(trapper)] == [ap.NOPROC]
        ref.tell(Desk.do, lambda actor: actor.ctx.link(dead))
        assert await system.ended(ref) == ap.NOPROC


@end
async def test_ac29_an_actor_that_traps_exits_gets_them_as_messages_and_lives(desk: type[Desk], end: str) -> None:
    async with ap.ActorSystem() as system:
        trapper, ref = await system.spawn(Trapper), await system.spawn(desk)
        await tie(trapper, ref)
        ENDS[end](system, ref)
        (exit,) = await notes_of(trapper)
        assert isinstance(exit, ap.Exit)
        assert (exit.ref, exit.reason.kind) == (ref, end)
        system.kill(trapper)
        assert not trapper.is_alive(), "a direct kill is not trapped"


async def test_ac29_a_trapped_exit_waits_its_turn(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        trapper, ref = await system.spawn(Trapper), await system.spawn(desk)
        await tie(trapper, ref)
        async with Busy(trapper):
            trapper.tell(Desk.note, "before")
            system.kill(ref)
            trapper.tell(Desk.note, "after")
        before, exit, after = await notes_of(trapper)
        assert (before, exit.reason, after) == ("before", ap.KILLED, "after")


async def test_ac30_after_unlink_no_exit_arrives_not_even_one_that_waits(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        trapper = await system.spawn(Trapper)
        early, late = await system.spawn(desk), await system.spawn(desk)
        await tie(trapper, early)
        await tie(late, trapper)
        await trapper.ask(Desk.do, lambda actor: actor.ctx.unlink(early))
        system.kill(early)
        async with Busy(trapper):
            trapper.tell(Desk.do, lambda actor: actor.ctx.unlink(late))
            system.kill(late)
        assert await notes_of(trapper) == []


async def test_ac30_unlinking_a_stranger_or_the_dead_does_nothing(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref, other = await system.spawn(desk), await system.spawn(desk)
        await ref.ask(Desk.do, lambda actor: actor.ctx.unlink(other))
        await system.stop(other)
        await ref.ask(Desk.do, lambda actor: actor.ctx.unlink(other))
        assert ref.is_alive()


async def test_ac30_after_demonitor_no_down_arrives_not_even_one_that_waits(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        watcher = await system.spawn(Watcher)
        early, late = await system.spawn(desk), await system.spawn(desk)
        (first,) = await watch(watcher, early)
        (second, third) = await watch(watcher, late, 2)
        await watcher.ask(Desk.do, lambda actor: actor.ctx.demonitor(first))
        system.kill(early)
        async with Busy(watcher):
            watcher.tell(Desk.do, lambda actor: actor.ctx.demonitor(second))
            system.kill(late)
        (down,) = await notes_of(watcher)
        assert down.monitor is third
        await watcher.ask(Desk.do, lambda actor: [actor.ctx.demonitor(each) for each in (first, second, third)])
        assert "over" in repr(first)


# -- monitors


@end
async def test_ac31_a_monitor_tells_once_of_any_end_and_one_way_only(desk: type[Desk], end: str) -> None:
    async with ap.ActorSystem() as system:
        watcher, ref = await system.spawn(Watcher), await system.spawn(desk)
        monitors = await watch(watcher, ref, 3)
        assert len(set(monitors)) == 3
        ENDS[end](system, ref)
        downs = await notes_of(watcher)
        assert [down.monitor for down in downs] == monitors
        assert [(down.ref, down.reason.kind) for down in downs] == [(ref, end)] * 3

        other = await system.spawn(desk)
        await watch(watcher, other)
        system.kill(watcher)
        await settle()
        assert other.is_alive()
        system.kill(other)


async def test_ac31_a_monitor_on_the_dead_tells_noproc_at_once(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        watcher, ref = await system.spawn(Watcher), await system.spawn(desk)
        await system.stop(ref)
        (monitor,) = await watch(watcher, ref)
        (down,) = await notes_of(watcher)
        assert (down.ref, down.reason, down.monitor) == (ref, ap.NOPROC, monitor)


async def test_ac31_a_monitor_may_be_set_in_every_state(desk: type[Desk]) -> None:
    gate = asyncio.Event()

    class Slow(PlainDesk):
        async def on_start(self) -> None:
            await gate.wait()

        async def on_stop(self, reason: ap.Reason) -> None:
            await gate.wait()

    async with ap.ActorSystem() as system:
        watcher = await system.spawn(Watcher)
        spawning = asyncio.ensure_future(system.spawn(Slow, name="slow"))
        await settle()
        slow = system.find("slow", Desk)
        await watch(watcher, slow)
        gate.set()
        assert await spawning == slow
        gate.clear()
        life.stop(cell_of(slow))
        await settle()
        await watch(watcher, slow)
        gate.set()
        assert [down.reason for down in await notes_of(watcher)] == [ap.SHUTDOWN] * 2


async def test_ac31_every_watcher_is_told(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        watchers = [await system.spawn(Watcher) for _ in range(5)]
        ref = await system.spawn(desk)
        for watcher in watchers:
            await watch(watcher, ref)
        system.kill(watchers[0])
        await watchers[1].ask(Desk.do, lambda actor: None)
        system.kill(ref)
        assert [len(await notes_of(watcher)) for watcher in watchers[1:]] == [1] * 4


async def test_ac31_an_on_down_that_fails_fails_its_own_actor(desk: type[Desk]) -> None:
    def on_down(self: Desk, down: ap.Down) -> None:
        raise KeyError(down.reason.kind)

    async with ap.ActorSystem() as system:
        watcher = await system.spawn(having(desk, on_down=on_down))
        ref = await system.spawn(desk)
        await watch(watcher, ref)
        system.kill(ref)
        assert isinstance((await system.ended(watcher)).error, KeyError)


async def test_ac32_noconnection_is_a_reason_of_its_own_and_no_death() -> None:
    """What other nodes do to bonds is theirs; here it is the name that counts."""
    assert ap.NOCONNECTION.kind == "noconnection"
    assert ap.NOCONNECTION.abnormal
    assert ap.NOCONNECTION not in (ap.NOPROC, ap.KILLED, ap.SHUTDOWN)


@end
async def test_ac33_a_down_that_nobody_handles_ends_the_watcher_only_if_asked_for(desk: type[Desk], end: str) -> None:
    async with ap.ActorSystem() as system:
        calm, loyal = await system.spawn(desk), await system.spawn(desk)
        handles = await system.spawn(Watcher)
        ref = await system.spawn(desk)
        await calm.ask(Desk.do, lambda actor: actor.ctx.monitor(ref) and None)
        for watcher in (loyal, handles):
            await watcher.ask(Desk.do, lambda actor: actor.ctx.monitor(ref, pact=True) and None)
        ENDS[end](system, ref)
        reason = await system.ended(loyal)
        assert isinstance(reason.error, ap.DeathPact)
        assert ref.name in str(reason.error) or repr(ref) in str(reason.error)
        await settle()
        assert calm.is_alive()
        assert len(await notes_of(handles)) == 1


# -- processes


async def sleep_for_ever() -> None:
    await asyncio.get_running_loop().create_future()


async def return_at_once() -> None:
    pass


async def fail_at_once() -> None:
    raise ValueError("boom")


@pytest.mark.parametrize(
    ("work", "kind"), [(return_at_once, "normal"), (fail_at_once, "error"), (sleep_for_ever, "shutdown")]
)
async def test_ac31_processes_can_be_monitored(desk: type[Desk], work: Any, kind: str) -> None:
    async with ap.ActorSystem() as system:
        watcher = await system.spawn(Watcher)
        process = await system.spawn(work)
        await watch(watcher, process, 2)
        if work is sleep_for_ever:
            process.cancel()
        downs = await notes_of(watcher)
        assert [(down.ref, down.reason.kind) for down in downs] == [(process, kind)] * 2
        await watch(watcher, process)
        assert len(await notes_of(watcher)) == 3


async def test_ac30_a_monitor_of_a_process_can_be_undone(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        watcher = await system.spawn(Watcher)
        process = await system.spawn(sleep_for_ever)
        (monitor,) = await watch(watcher, process)
        await watcher.ask(Desk.do, lambda actor: actor.ctx.demonitor(monitor))
        await tie(watcher, process)
        await watcher.ask(Desk.do, lambda actor: actor.ctx.unlink(process))
        process.cancel()
        assert await notes_of(watcher) == []
        assert watcher.is_alive()


async def test_ac27_an_actor_and_a_process_may_be_linked(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref, trapper = await system.spawn(desk), await system.spawn(Trapper)
        process = await system.spawn(sleep_for_ever)
        await tie(ref, process)
        system.kill(ref)
        await fails(asyncio.CancelledError, process)

        gate = asyncio.Event()

        async def fail() -> None:
            await gate.wait()
            raise ValueError("boom")

        failing = await system.spawn(fail)
        victim = await system.spawn(desk)
        await tie(victim, failing)
        await tie(trapper, failing)
        gate.set()
        assert isinstance((await system.ended(victim)).error, ValueError)
        assert [exit.reason.kind for exit in await notes_of(trapper)] == ["error"]

        survivor = await system.spawn(desk)
        await tie(survivor, await system.spawn(return_at_once))
        await settle()
        assert survivor.is_alive()


async def test_ac27_a_process_spawned_with_a_link_is_linked_before_it_runs(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        ref.tell(Desk.run, lambda actor: actor.ctx.spawn(fail_at_once, link=True))
        assert isinstance((await system.ended(ref)).error, ValueError)


async def test_ac27_what_is_neither_actor_nor_process_cannot_be_linked_or_watched(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref: Any = await system.spawn(desk)
        for wrong in (None, 3, "name", PlainDesk, PlainDesk()):
            for call in ("link", "unlink", "monitor"):
                assert await ref.ask(
                    Desk.do, lambda a, wrong=wrong, call=call: refuses(ap.InvalidActor, getattr(a.ctx, call), wrong)
                )
