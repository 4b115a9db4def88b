"""Supervisors whose children run on other nodes: systems of one process, joined by Unix sockets (AC-34 … AC-57)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest

import actorpar as ap
from actorpar.nodes.errors import NodeDown, RemoteError
from actorpar.nodes.node import Node
from tests.remote.children import FAILING, JOURNAL, SLOW, STUBBORN, Child, Nest, Parent, loop_for_ever
from tests.remote.systems import SERVES, Systems, systems, until

S = ap.Supervisor
#: Why the siblings on other nodes of a child that failed are told that they are stopped.
BECAUSE = "shutdown because of error(RemoteError('ValueError: as it was told'))"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Children fail here on purpose."""
    for each in (JOURNAL, FAILING, SLOW, STUBBORN):
        each.clear()
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


async def child(sup: ap.ActorRef[S], id: str) -> ap.ActorRef[Any]:
    """The present incarnation of a child, once it runs."""
    async with asyncio.timeout(10):
        while (ref := await sup.ask(S.child, id)) is None:  # noqa: ASYNC110  # it tells nobody
            await asyncio.sleep(0.002)
    return ref


async def another(sup: ap.ActorRef[S], id: str, old: ap.ActorRef[Any]) -> ap.ActorRef[Any]:
    """The incarnation that follows `old`."""
    async with asyncio.timeout(10):
        while (ref := await child(sup, id)) == old:  # noqa: ASYNC110  # it tells nobody
            await asyncio.sleep(0.002)
    return ref


def on(node: str, label: str, **options: Any) -> ap.ChildSpec[Any]:
    return ap.child(Child, label, id=label, on=node, **options)


async def phases(sup: ap.ActorRef[S]) -> list[str]:
    return [info.state for info in await sup.ask(S.which_children)]


def three(strategy: Any, **options: Any) -> ap.Strategy:
    """Children a, b and c on three nodes, one of them here."""
    made: ap.Strategy = strategy(on("n1", "a"), ap.child(Child, "b", id="b"), on("n2", "c"), intensity=5, **options)
    return made


async def test_ac57_a_child_runs_on_the_node_that_its_spec_names_and_is_asked_there() -> None:
    async with systems(2) as two:
        sup = await two.here.spawn(S, ap.one_for_one(on("n1", "a"), ap.child(Child, "b", id="b")))
        a, b = await child(sup, "a"), await child(sup, "b")
        assert (await a.ask(Child.where), await b.ask(Child.where)) == ("n1", "n0")
        infos = await sup.ask(S.which_children)
        assert [(info.id, info.ref, info.state, info.kind) for info in infos] == [
            ("a", a, "running", "actor"),
            ("b", b, "running", "actor"),
        ]
        assert (await sup.ask(S.count_children)).active == 2


async def test_ac34_children_start_in_order_and_one_that_cannot_stops_those_before_it() -> None:
    async with systems(3) as all:
        FAILING["c"] = 1
        with pytest.raises(ap.StartFailed, match="c cannot start"):
            await all.here.spawn(S, three(ap.one_for_one))
        assert JOURNAL == ["start a", "start b", "start c", "stop b: shutdown", "stop a: shutdown"]
        assert all.actors() == [0, 0, 0]


async def test_ac35_children_stop_in_reverse_order_and_have_ended_when_their_supervisor_has() -> None:
    async with systems(3) as all:
        sup = await all.here.spawn(S, three(ap.one_for_one))
        JOURNAL.clear()
        assert (await all.here.stop(sup)).kind == "shutdown"
        assert JOURNAL == ["stop c: shutdown", "stop b: shutdown", "stop a: shutdown"]
        assert all.actors() == [0, 0, 0]


async def test_ac36_a_child_that_does_not_stop_in_its_time_is_killed() -> None:
    async with systems(2) as two:
        STUBBORN["a"] = 3600
        sup = await two.here.spawn(S, ap.one_for_one(on("n1", "a", shutdown=0.05)))
        await two.here.stop(sup)
        assert JOURNAL == ["start a"]
        assert two.actors() == [0, 0]


async def test_ac36_a_child_with_shutdown_kill_is_not_asked() -> None:
    async with systems(2) as two:
        for strategy in (ap.one_for_one(on("n1", "a", shutdown="kill")), ap.dynamic()):
            sup = await two.here.spawn(S, strategy)
            if strategy.kind == "dynamic":
                await sup.ask(S.start_child, on("n1", "a", shutdown="kill"))
            await two.here.stop(sup)
            assert JOURNAL == ["start a"]
            assert two.actors() == [0, 0]
            JOURNAL.clear()


async def test_ac37_a_failure_and_a_kill_are_told_with_their_reason_and_restart_the_child() -> None:
    async with systems(2) as two:
        sup = await two.here.spawn(S, ap.one_for_one(on("n1", "a", restart="transient"), intensity=9))
        a = await child(sup, "a")
        a.tell(Child.fail)
        a = await another(sup, "a", a)
        state, count, why = await a.ask(Child.was)
        assert (state, count) == (None, 1)
        assert two.all[1].inspect(two.all[1].actors[0]).restarts == 1
        assert "ValueError: as it was told" in why
        two.all[1].kill(two.all[1].actors[0])
        a = await another(sup, "a", a)
        assert await a.ask(Child.was) == (None, 2, "killed")


@pytest.mark.parametrize(
    ("restart", "left"), [("permanent", ["running"]), ("transient", ["stopped"]), ("temporary", [])]
)
async def test_ac37_a_normal_end_restarts_a_permanent_child_only(restart: Any, left: list[str]) -> None:
    async with systems(2) as two:
        sup = await two.here.spawn(S, ap.one_for_one(on("n1", "a", restart=restart)))
        a = await child(sup, "a")
        await a.ask(Child.leave)
        await until(lambda: not a.is_alive())
        async with asyncio.timeout(5):
            while await phases(sup) != left:  # noqa: ASYNC110  # it tells nobody
                await asyncio.sleep(0.002)


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        (ap.one_for_one, ["start b"]),
        (ap.rest_for_one, [f"stop c: {BECAUSE}", "start b", "start c"]),
        (ap.one_for_all, [f"stop c: {BECAUSE}", f"stop a: {BECAUSE}", "start a", "start b", "start c"]),
    ],
)
async def test_ac38_the_strategies_are_those_of_one_node(strategy: Any, said: list[str]) -> None:
    async with systems(3) as all:
        sup = await all.here.spawn(S, three(strategy))
        b = await child(sup, "b")
        JOURNAL.clear()
        b.tell(Child.fail)
        await another(sup, "b", b)
        assert ["stop b: error(ValueError('as it was told'))", *said] == JOURNAL


async def test_ac32_the_loss_of_a_node_restarts_its_children_on_another_that_has_the_label() -> None:
    async with systems(3, labels=("worker",)) as all:
        sup = await all.here.spawn(S, ap.one_for_one(on("worker", "a"), on("worker", "b")))
        a, b = await child(sup, "a"), await child(sup, "b")
        assert [await a.ask(Child.where), await b.ask(Child.where)] == ["n1", "n2"]
        await all.lose(1)
        a = await another(sup, "a", a)
        assert await a.ask(Child.where) == "n2"
        assert await a.ask(Child.was) == (None, 1, "noconnection")
        assert await child(sup, "b") == b


async def test_ac39_a_child_whose_only_node_is_lost_makes_the_supervisor_give_up() -> None:
    async with systems(2) as two:
        sup = await two.here.spawn(S, ap.one_for_one(on("n1", "a"), intensity=2))
        await two.lose(1)
        reason = await two.here.ended(sup)
        assert reason.kind == "shutdown"
        assert isinstance(reason.root.error, NodeDown)


async def test_ac40_without_a_node_the_restart_is_tried_with_backoff_and_the_supervisor_answers() -> None:
    async with systems(2) as two:
        backoff = ap.Backoff(0.01, 0.02)
        sup = await two.here.spawn(S, ap.one_for_one(on("n1", "a"), intensity=1000, backoff=backoff))
        a = await child(sup, "a")
        await two.lose(1)
        await until(lambda: not a.is_alive())
        for _ in range(5):
            assert await phases(sup) in (["restarting"], ["starting"], ["stopped"])
            await asyncio.sleep(0.01)
        (info,) = await sup.ask(S.which_children)
        assert (info.ref, info.restarts) == (None, 0)
        assert (await two.here.stop(sup)).kind == "shutdown"


async def test_ac40_a_stop_does_not_wait_for_a_child_that_is_just_starting() -> None:
    async with systems(2) as two:
        SLOW["a"] = 3600
        sup = await two.here.spawn(S, ap.one_for_one())
        starting = asyncio.create_task(sup.within(None).ask(S.start_child, on("n1", "a")))
        await until(lambda: JOURNAL == ["start a"])
        await two.here.stop(sup)
        with pytest.raises(ap.ActorDead):
            await starting
        assert JOURNAL == ["start a"]
        assert two.actors() == [0, 0]


async def test_ac42_a_supervisor_that_stops_while_the_node_is_lost_does_not_hang() -> None:
    async with systems(2) as two:
        STUBBORN["a"] = 3600
        sup = await two.here.spawn(S, ap.one_for_one(on("n1", "a", shutdown=None)))
        stopping = asyncio.create_task(two.here.stop(sup, timeout=None))
        await until(lambda: two.all[1].actors and two.here.inspect(sup).state != "idle")
        await two.lose(1)
        assert (await asyncio.wait_for(stopping, 5)).kind == "shutdown"


async def test_ac43_a_significant_child_on_another_node_ends_its_supervisor() -> None:
    async with systems(2) as two:
        spec = on("n1", "a", restart="transient", significant=True)
        sup = await two.here.spawn(S, ap.one_for_one(spec, on("n1", "b"), auto_shutdown="any"))
        await (await child(sup, "a")).ask(Child.leave)
        assert (await two.here.ended(sup)).kind == "shutdown"
        assert two.actors() == [0, 0]


async def test_ac44_children_are_started_terminated_restarted_and_deleted_as_at_home() -> None:
    async with systems(2) as two:
        sup = await two.here.spawn(S, ap.one_for_one())
        a = await sup.ask(S.start_child, on("n1", "a"))
        with pytest.raises(ap.ChildRunning):
            await sup.ask(S.delete_child, "a")
        await sup.ask(S.terminate_child, "a")
        assert (a.is_alive(), two.actors()) == (False, [1, 0])
        again = await sup.ask(S.restart_child, "a")
        assert isinstance(again, ap.ActorRef)
        assert await again.ask(Child.where) == "n1"
        await sup.ask(S.terminate_child, "a")
        await sup.ask(S.delete_child, "a")
        FAILING["a"] = 1
        with pytest.raises(ap.ChildStartFailed, match="a cannot start"):
            await sup.ask(S.start_child, on("n1", "a"))
        with pytest.raises(ap.ChildStartFailed, match="no node has the name or the label 'gpu'"):
            await sup.ask(S.start_child, on("gpu", "a"))


async def test_ac45_what_a_child_keeps_is_handed_to_its_next_incarnation_on_another_node() -> None:
    async with systems(3, labels=("worker",)) as all:
        sup = await all.here.spawn(S, ap.one_for_one(on("worker", "a"), intensity=9))
        a = await child(sup, "a")
        await a.ask(Child.keep, "before")
        await all.lose(1)
        a = await another(sup, "a", a)
        assert await a.ask(Child.was) == ({"text": "before"}, 1, "noconnection")
        with pytest.raises(ap.HandlerFailed, match="CodecError"):
            await a.ask(Child.keep_what_cannot_cross)


async def test_ac45_a_kept_mailbox_is_refused_for_a_child_on_another_node() -> None:
    with pytest.raises(ap.InvalidChild, match="lost with it"):
        ap.child(Child, "a", on="n1", keep_mailbox=True)
    with pytest.raises(ap.InvalidChild, match=r"a node of system\.nodes"):
        ap.child(Child, "a", on=7)  # type: ignore[call-overload]


async def test_ac50_the_name_of_a_child_is_registered_on_its_node() -> None:
    async with systems(2) as two:
        sup = await two.here.spawn(S, ap.one_for_one(ap.child(Child, "a", name="room", on="n1")))
        found = two.all[1].find("room", Child)
        assert found is not None
        found.tell(Child.fail)
        await another(sup, "room", await child(sup, "room"))
        assert two.all[1].find("room", Child) is not None
        assert two.here.find("room", Child) is None


async def test_ac46_a_parent_on_another_node_is_restarted_when_its_children_have_ended() -> None:
    async with systems(2) as two:
        sup = await two.here.spawn(S, ap.one_for_one(ap.child(Nest, id="nest", on="n1")))
        nest = await child(sup, "nest")
        await until(lambda: two.all[1].dispatcher.waiting)  # its child holds
        two.here.kill(nest)
        await another(sup, "nest", nest)
        assert JOURNAL == ["start nest", "unwound", "start nest"]


async def test_ac47_a_supervisor_on_another_node_tells_its_chain_of_reasons() -> None:
    async with systems(2) as two:
        sup = await two.here.spawn(S, ap.one_for_one(ap.child(Parent, 0, id="p", on="n1"), intensity=0))
        assert await (await child(sup, "p")).ask(Parent.fail_inner)
        reason = await two.here.ended(sup)
        assert [reason.kind, reason.cause and reason.cause.kind] == ["shutdown", "shutdown"]
        assert "more than 0 restarts" in str(reason.cause and reason.cause.detail)
        assert isinstance(reason.root.error, RemoteError)
        assert (reason.root.error.kind, str(reason.root.error)) == ("ValueError", "ValueError: as it was told")


async def test_ac44_a_supervisor_on_another_node_refuses_with_the_classes_of_one_here() -> None:
    async with systems(2) as two:
        parent = await two.here.spawn(Parent, 0, on="n1")
        with pytest.raises(ap.UnknownChild, match="has no child 'nobody'; its children: inner"):
            await parent.ask(Parent.terminate_child, "nobody")
        inner = await parent.ask(Parent.child, "inner")
        assert inner is not None
        assert await inner.ask(Child.where) == "n1"


async def test_ac48_the_children_of_a_killed_supervisor_are_killed_on_other_nodes_too() -> None:
    async with systems(2) as two:
        sup = await two.here.spawn(S, ap.one_for_one(on("n1", "a")))
        two.here.kill(sup)
        await until(lambda: two.actors() == [0, 0])
        assert JOURNAL == ["start a"]


async def test_ac57_the_children_end_when_the_node_of_their_supervisor_is_lost() -> None:
    async with systems(2) as two:
        STUBBORN["b"] = 3600
        await two.here.spawn(S, ap.one_for_one(on("n1", "a"), on("n1", "b", shutdown=0.05)))
        two.nodes[1].links[two.nodes[0].id].down("of the test")
        await until(lambda: not two.all[1].actors)
        assert JOURNAL == ["start a", "start b", "stop a: shutdown(n0, where its supervisor was, is down)"]


async def test_ac57_a_child_that_is_just_starting_ends_when_the_node_of_its_supervisor_is_lost() -> None:
    async with systems(2) as two:
        SLOW["a"] = 3600
        spawning = asyncio.create_task(two.here.spawn(S, ap.one_for_one(on("n1", "a"))))
        await until(lambda: JOURNAL == ["start a"])
        two.nodes[1].links[two.nodes[0].id].down("of the test")
        await until(lambda: not two.all[1].actors)
        with pytest.raises(ap.StartFailed):
            await spawning


async def test_ac57_a_node_that_leaves_is_lost_to_the_supervisor_and_its_children_start_elsewhere() -> None:
    async with systems(3, labels=("worker",)) as all:
        sup = await all.here.spawn(S, ap.one_for_one(on("worker", "a", restart="transient")))
        a = await child(sup, "a")
        await all.all[1].__aexit__(None, None, None)
        assert JOURNAL == ["start a", "stop a: shutdown"]
        assert await phases(sup) == ["running"], "not told yet: the node itself is not gone"
        await all.lose(1)
        a = await another(sup, "a", a)
        assert await a.ask(Child.where) == "n2"


async def test_ac57_a_node_that_is_started_again_is_waited_for_and_that_is_one_attempt() -> None:
    async with systems(3) as all:
        all.nodes[0].expected.add("n1", ())
        sup = await all.here.spawn(S, ap.one_for_one(on("n1", "a"), on("n2", "b")))
        a = await child(sup, "a")
        await all.lose(1)
        await until(lambda: not a.is_alive())
        assert await phases(sup) == ["starting", "running"]
        async with Node("n1") as node, ap.ActorSystem("n1", node=node, serves=SERVES):
            await node.connect(all.nodes[0].addresses[0])
            a = await another(sup, "a", a)
            assert await a.ask(Child.where) == "n1"
            assert [info.restarts for info in await sup.ask(S.which_children)] == [1, 0]
            await all.here.stop(sup)


async def test_ac57_a_node_that_is_given_up_is_not_waited_for_any_longer() -> None:
    async with systems(2) as two:
        expected = two.nodes[0].expected
        expected.add("gpu-0", ("gpu",))
        spawning = asyncio.create_task(two.here.spawn(Child, "a", on="gpu"))
        sup = await two.here.spawn(S, ap.dynamic())
        starting = asyncio.create_task(sup.ask(S.start_child, on("gpu-0", "b")))
        await until(lambda: len(expected._waiting) == 2)
        expected.remove("gpu-0")
        with pytest.raises(NodeDown, match="no node has the name or the label 'gpu'; there are: n1"):
            await spawning
        with pytest.raises(ap.ChildStartFailed, match="no node has the name or the label 'gpu-0'"):
            await starting


async def test_ac40_a_stop_does_not_wait_for_a_node_that_is_started_again() -> None:
    async with systems(2) as two:
        expected = two.nodes[0].expected
        expected.add("gpu-0", ("gpu",))
        sup = await two.here.spawn(S, ap.dynamic())
        starting = asyncio.create_task(sup.ask(S.start_child, on("gpu", "a")))
        await until(lambda: expected._waiting)
        assert (await two.here.stop(sup)).kind == "shutdown"
        with pytest.raises(ap.ActorDead):
            await starting
        assert not expected._waiting


async def test_ac57_a_supervisor_that_stops_does_not_wait_for_a_node_that_has_left_its_system() -> None:
    async with systems(2) as two:
        sup = await two.here.spawn(S, ap.one_for_one(on("n1", "a", shutdown=None)))
        await two.all[1].__aexit__(None, None, None)
        assert await phases(sup) == ["running"]
        await asyncio.wait_for(two.here.stop(sup, timeout=None), 5)


async def test_ac57_the_node_of_the_supervisor_itself_fits_too_and_without_nodes_it_says_so() -> None:
    async with systems(1) as one:
        sup = await one.here.spawn(S, ap.one_for_one(on("n0", "a")))
        assert await (await child(sup, "a")).ask(Child.where) == "n0"
    async with ap.ActorSystem() as alone:
        with pytest.raises(ap.StartFailed, match="is on no node"):
            await alone.spawn(S, ap.one_for_one(on("n0", "a")))


@pytest.mark.parametrize("when", ["while it starts", "before that is told", "as that is told"])
async def test_ac23_a_spawn_on_another_node_that_is_cancelled_leaves_nothing_there(
    monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    async with systems(2) as two:
        starting, loop = two.here.hub.starting, asyncio.get_running_loop()
        told = starting.started

        def started(link: Any, envelope: Any) -> None:
            spawning.cancel()
            if when == "as that is told":
                told(link, envelope)
            else:
                loop.call_later(0.01, told, link, envelope)

        monkeypatch.setattr(starting, "started", started)
        if when == "while it starts":
            SLOW["a"] = 3600
        spawning = asyncio.create_task(two.here.spawn(Child, "a", on="n1"))
        await until(lambda: JOURNAL == ["start a"])
        if when == "while it starts":
            spawning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await spawning
        await until(lambda: not two.all[1].actors)
        assert JOURNAL == ["start a"]
        assert two.all[1].hub.serving._running == {}


async def run_process(two: Systems, **options: Any) -> tuple[ap.ActorRef[S], ap.Receiver[str]]:
    tx, rx = ap.open_channel[str](8)
    spec = ap.child(loop_for_ever, tx, id="p", on="n1", **options)
    sup = await two.here.spawn(S, ap.one_for_one(spec))
    await rx.receive()
    return sup, rx


async def test_ac57_a_process_is_a_child_on_another_node_and_its_channel_outlives_a_crash() -> None:
    async with systems(3, labels=("worker",)) as all:
        tx, rx = ap.open_channel[str](8)
        sup = await all.here.spawn(S, ap.one_for_one(ap.child(loop_for_ever, tx, id="p", on="worker")))
        await rx.receive()
        (info,) = await sup.ask(S.which_children)
        assert (info.kind, info.state) == ("process", "running")
        await all.lose(1)
        await rx.receive()
        (info,) = await sup.ask(S.which_children)
        assert info.restarts == 1
        await sup.ask(S.terminate_child, "p")
        assert "the process ends" in JOURNAL
        await all.here.stop(sup)
        with pytest.raises(ap.ActorparError):
            await rx.receive()
        rx.close()


async def test_ac36_a_process_that_does_not_end_in_its_time_is_killed_on_its_node() -> None:
    async with systems(2) as two:
        STUBBORN["process"] = 3600
        sup, rx = await run_process(two, shutdown=0.02)
        await two.here.stop(sup)
        assert not two.all[1].hub.serving._running
        rx.close()
