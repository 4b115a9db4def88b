"""Processes as children: they own their channel ends, and the spec lends them (CH-63); stop, kill, restart."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import actorpar as ap
from actorpar.channels import env

from .acting import Boom, Journal, S, fail, settle, states, worker

pytestmark = pytest.mark.virtual_time


async def collect(rx: ap.Receiver[int]) -> list[int]:
    """What comes until the channel ends well."""
    with rx:
        return [n async for n in rx]


async def test_ch63_the_end_of_a_childs_process_for_good_closes_the_ends_of_its_spec(system: ap.ActorSystem) -> None:
    async def count(tx: ap.Sender[int]) -> None:
        for n in range(3):
            await tx.send(n)

    tx, rx = ap.open_channel[int](10)
    sup = await system.spawn(S, ap.one_for_one(ap.child(count, tx, restart="transient")))
    with pytest.raises(ap.EndMoved):
        tx.send_nowait(1)
    assert await collect(rx) == [0, 1, 2]
    assert await states(sup) == {"count": "stopped"}


async def test_ch63_each_incarnation_of_a_child_gets_clones(system: ap.ActorSystem) -> None:
    failures = [Boom(), Boom()]

    async def work(jobs: ap.Receiver[int], out: ap.Sender[int]) -> None:
        async for job in jobs:
            if job < 0 and failures:
                raise failures.pop()
            await out.send(job)

    jobs_tx, jobs_rx = ap.open_channel[int](20)
    out_tx, out_rx = ap.open_channel[int](20)
    sup = await system.spawn(S, ap.one_for_one(ap.child(work, jobs_rx, out_tx, restart="transient"), intensity=9))
    await jobs_tx.send_many([1, -1, 2, -1, 3])
    await settle()
    jobs_tx.close()
    await settle()
    assert out_rx.receive_nowait() == 1
    assert [out_rx.receive_nowait() for _ in range(2)] == [2, 3]
    with pytest.raises(ap.ChannelBroken) as broken:  # what a crash lost may be missing (CH-21)
        out_rx.receive_nowait()
    assert isinstance(broken.value.__cause__, Boom)
    out_rx.close()
    assert (await sup.ask(S.which_children))[0].restarts == 2


async def test_ch63_actors_as_children_get_clones_too(system: ap.ActorSystem, journal: Journal) -> None:
    class Source(ap.Actor):
        def __init__(self, tx: ap.Sender[int]) -> None:
            self.tx = tx

        async def give(self, n: int) -> None:
            await self.tx.send(n)

        def fail(self) -> None:
            raise Boom

    tx, rx = ap.open_channel[int](10)
    sup = await system.spawn(S, ap.one_for_one(ap.child(Source, tx, id="source", name="source")))
    for n in range(2):
        source = system.find("source", Source)
        assert source is not None
        await source.ask(Source.give, n)
        if n == 0:
            source.tell(Source.fail)
            await settle()
    assert [rx.receive_nowait() for _ in range(2)] == [0, 1]
    await system.stop(sup)
    with pytest.raises(ap.ChannelBroken):
        rx.receive_nowait()
    rx.close()


@pytest.mark.parametrize("how", ["stop", "kill", "delete", "give up"])
async def test_ch63_however_a_child_is_given_up_its_specs_ends_are_closed(system: ap.ActorSystem, how: str) -> None:
    async def idle(tx: ap.Sender[int]) -> None:
        await asyncio.sleep(1000)

    async def crash(tx: ap.Sender[int]) -> None:
        await asyncio.sleep(1)
        raise Boom

    tx, rx = ap.open_channel[int](1)
    sup = await system.spawn(S, ap.one_for_one(ap.child(crash if how == "give up" else idle, tx, id="a")))
    if how == "stop":
        await system.stop(sup)
    elif how == "kill":
        system.kill(sup)
    elif how == "delete":
        await sup.ask(S.terminate_child, "a")
        await sup.ask(S.delete_child, "a")
    await asyncio.sleep(5.0)
    assert rx.statistics().senders == 0
    with pytest.raises(ap.ChannelBroken):
        rx.receive_nowait()
    rx.close()


async def test_ch63_a_child_that_is_only_terminated_keeps_its_ends(system: ap.ActorSystem) -> None:
    async def send(tx: ap.Sender[int]) -> None:
        await tx.send(1)
        await asyncio.sleep(1000)

    tx, rx = ap.open_channel[int](5)
    sup = await system.spawn(S, ap.one_for_one(ap.child(send, tx, id="a")))
    await settle()
    await sup.ask(S.terminate_child, "a")
    assert rx.statistics().senders == 1
    await sup.ask(S.restart_child, "a")
    await settle()
    assert [rx.receive_nowait(), rx.receive_nowait()] == [1, 1]
    rx.close()


async def test_ch63_an_inner_supervisor_that_is_restarted_still_has_ends_for_its_children(
    system: ap.ActorSystem, journal: Journal
) -> None:
    async def send(tx: ap.Sender[int]) -> None:
        await tx.send(1)
        await asyncio.sleep(1000)

    tx, rx = ap.open_channel[int](5)
    inner = ap.child(S, ap.one_for_one(ap.child(send, tx, id="a"), worker(journal, "b"), intensity=0), id="inner")
    sup = await system.spawn(S, ap.one_for_one(inner))
    await settle()
    inside = await sup.ask(S.child, "inner")
    assert inside is not None
    await fail(inside, "b")
    assert [rx.receive_nowait(), rx.receive_nowait()] == [1, 1]
    assert rx.statistics().senders == 3  # of the outer spec, of the inner one, of the process
    await system.stop(sup)
    assert rx.statistics().senders == 0
    rx.close()


async def test_ch63_a_start_that_fails_leaves_no_clone_open(system: ap.ActorSystem) -> None:
    class Picky(ap.Actor):
        def __init__(self, tx: ap.Sender[int], wrong: bool) -> None:
            if wrong:
                raise Boom
            self.tx = tx

    tx, rx = ap.open_channel[int](5)
    sup = await system.spawn(S, ap.one_for_one())
    spec = ap.child(Picky, tx, True)
    with pytest.raises(ap.ChildStartFailed):
        await sup.ask(S.start_child, spec)
    assert rx.statistics().senders == 1
    spec.close()
    assert rx.statistics().senders == 0
    rx.close()


async def test_ch63_a_spec_whose_ends_were_closed_is_refused(system: ap.ActorSystem) -> None:
    async def send(tx: ap.Sender[int]) -> None:
        await tx.send(1)

    tx, rx = ap.open_channel[int](5)
    sup = await system.spawn(S, ap.dynamic())
    spec = ap.child(send, tx, restart="temporary")
    await sup.ask(S.start_child, spec)
    assert await collect(rx) == [1]
    with pytest.raises(ap.InvalidChild, match="its spec was used before"):
        await sup.ask(S.start_child, spec)


async def test_ch63_an_end_that_is_dropped_with_its_spec_is_told(system: ap.ActorSystem) -> None:
    async def send(tx: ap.Sender[int]) -> None: ...

    tx, rx = ap.open_channel[int](5)
    await tx.send(1)
    specs = [ap.child(send, tx)]
    with pytest.warns(ResourceWarning, match="was dropped"):
        specs.clear()
    await asyncio.sleep(0)
    rx.close()


async def test_ac37_a_process_is_restarted_as_its_type_says(system: ap.ActorSystem) -> None:
    runs: list[str] = []

    async def once(label: str) -> None:
        runs.append(label)
        await asyncio.sleep(1.0)

    async def failing(label: str) -> None:
        await once(label)
        raise Boom

    children: list[Any] = [
        ap.child(once, "permanent", id="a"),
        ap.child(once, "transient", id="b", restart="transient"),
        ap.child(failing, "transient failing", id="c", restart="transient"),
        ap.child(failing, "temporary", id="d", restart="temporary"),
    ]
    sup = await system.spawn(S, ap.one_for_one(*children, intensity=9))
    await asyncio.sleep(1.5)
    assert sorted(runs[4:]) == ["permanent", "transient failing"]
    assert await states(sup) == {"a": "running", "b": "stopped", "c": "running"}


async def test_ac48_a_process_that_is_cancelled_by_nobodys_order_has_crashed(system: ap.ActorSystem) -> None:
    async def idle() -> None:
        await asyncio.sleep(1000)

    sup = await system.spawn(S, ap.one_for_one(ap.child(idle, restart="transient")))
    (info,) = await sup.ask(S.which_children)
    first: Any = info.ref
    await settle()
    first.cancel()
    await settle()
    (info,) = await sup.ask(S.which_children)
    assert (info.state, info.restarts) == ("running", 1)
    assert info.ref is not first


async def test_ac36_a_process_is_cancelled_and_has_its_time_to_end(system: ap.ActorSystem, journal: Journal) -> None:
    async def tidy() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(3.0)
            journal.write("tidied")

    sup = await system.spawn(S, ap.one_for_one(ap.child(tidy)))
    await settle()
    await system.stop(sup)
    assert journal.take() == ["tidied"]
    assert asyncio.get_running_loop().time() == pytest.approx(3.0, abs=0.1)


async def test_ac36_a_process_that_does_not_end_in_its_time_is_closed(system: ap.ActorSystem, journal: Journal) -> None:
    if env.plain_tasks:
        pytest.skip("a task cannot be taken from its loop")

    async def resisting() -> None:
        while True:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                journal.write("no")

    for strategy in (ap.one_for_one(ap.child(resisting, shutdown=2.0)), ap.dynamic()):
        begin = asyncio.get_running_loop().time()
        sup = await system.spawn(S, strategy)
        if strategy.kind == "dynamic":
            await sup.ask(S.start_child, ap.child(resisting, shutdown=2.0))
        (info,) = await sup.ask(S.which_children)
        process: Any = info.ref
        await settle()
        await system.stop(sup, timeout=None)
        assert process.done()
        assert asyncio.get_running_loop().time() - begin == pytest.approx(2.25, abs=0.1)
        assert journal.take() == ["no", "no"]


async def test_ac36_a_process_with_shutdown_kill_has_the_grace_of_a_kill(system: ap.ActorSystem) -> None:
    async def slow() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(1000)

    if env.plain_tasks:
        pytest.skip("a task cannot be taken from its loop")
    sup = await system.spawn(S, ap.one_for_one(ap.child(slow, shutdown="kill")))
    await settle()
    await system.stop(sup)
    assert asyncio.get_running_loop().time() < 0.5


async def test_ac35_processes_and_actors_stop_in_one_reverse_order(system: ap.ActorSystem, journal: Journal) -> None:
    async def process(label: str) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            journal.write(f"stop {label}")

    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), ap.child(process, "b"), worker(journal, "c")))
    await settle()
    journal.take()
    await system.stop(sup)
    assert journal.take() == ["stop c", "stop b", "stop a"]


async def test_a_process_that_fails_under_a_supervisor_does_not_end_the_system(system: ap.ActorSystem) -> None:
    async def crash() -> None:
        raise Boom

    sup = await system.spawn(S, ap.one_for_one(ap.child(crash, restart="temporary")))
    await asyncio.sleep(1.0)
    assert await states(sup) == {}


async def test_leaving_the_system_does_not_wait_for_supervised_processes() -> None:
    async def idle() -> None:
        await asyncio.sleep(1000)

    async with ap.ActorSystem() as system:
        await system.spawn(S, ap.one_for_one(ap.child(idle)))
    assert asyncio.get_running_loop().time() < 1.0


async def test_start_child_gives_a_process_that_can_be_awaited(system: ap.ActorSystem) -> None:
    async def add(a: int, b: int) -> int:
        return a + b

    sup = await system.spawn(S, ap.dynamic())
    process = await sup.ask(S.start_child, ap.child(add, 1, 2, restart="temporary"))
    assert await process == 3
    await settle()
    assert await states(sup) == {}


async def test_ac38_processes_are_restarted_with_their_group(system: ap.ActorSystem, journal: Journal) -> None:
    async def process() -> None:
        journal.write("run")
        await asyncio.sleep(1000)

    sup = await system.spawn(S, ap.one_for_all(worker(journal, "a"), ap.child(process)))
    await settle()
    journal.take()
    await fail(sup, "a")
    assert journal.take() == ["stop a", "start a", "run"]
    assert [info.restarts for info in await sup.ask(S.which_children)] == [1, 1]
