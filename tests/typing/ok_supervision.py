"""What both checkers infer of supervisors and their children. Never run."""

from __future__ import annotations

import functools
from typing import Any, assert_type

import actorpar as ap


class Room(ap.Actor):
    def __init__(self, title: str, size: int = 3) -> None:
        self.title = title

    def name(self) -> str:
        return self.title


async def work(jobs: ap.Receiver[str], depth: int) -> float:
    return float(depth)


async def keyword(*, depth: int) -> None: ...


async def specs(jobs: ap.Receiver[str]) -> None:
    assert_type(ap.child(Room, "lobby"), ap.ChildSpec[ap.ActorRef[Room]])
    assert_type(ap.child(Room, "lobby", 4, id="a", name="b", restart="transient"), ap.ChildSpec[ap.ActorRef[Room]])
    assert_type(ap.child(Room, "lobby", shutdown=None, keep_mailbox=True), ap.ChildSpec[ap.ActorRef[Room]])
    assert_type(ap.child(Room, "lobby", shutdown="kill", restart="temporary"), ap.ChildSpec[ap.ActorRef[Room]])
    assert_type(ap.child(work, jobs, 1, shutdown=2.5, restart="transient"), ap.ChildSpec[ap.Process[float]])
    assert_type(ap.child(functools.partial(keyword, depth=1)), ap.ChildSpec[ap.Process[None]])
    assert_type(ap.child(ap.Supervisor, ap.dynamic()), ap.ChildSpec[ap.ActorRef[ap.Supervisor]])


async def asking(system: ap.ActorSystem, jobs: ap.Receiver[str]) -> None:
    children: tuple[ap.ChildSpec[Any], ...] = (ap.child(Room, "a"), ap.child(work, jobs, 1))
    strategy = ap.one_for_one(*children, intensity=3, period=1.0, backoff=ap.Backoff(0.1, 2.0), auto_shutdown="any")
    assert_type(strategy, ap.Strategy)
    sup = await system.spawn(ap.Supervisor, strategy)
    assert_type(sup, ap.ActorRef[ap.Supervisor])
    room = await sup.ask(ap.Supervisor.start_child, ap.child(Room, "lobby"))
    assert_type(room, ap.ActorRef[Room])
    assert_type(await room.ask(Room.name), str)
    process = await sup.within(None).ask(ap.Supervisor.start_child, ap.child(work, jobs, 1))
    assert_type(process, ap.Process[float])
    assert_type(await process, float)
    assert_type(await sup.ask(ap.Supervisor.terminate_child, "a"), None)
    assert_type(await sup.ask(ap.Supervisor.delete_child, "a"), None)
    assert_type(await sup.ask(ap.Supervisor.restart_child, "a"), ap.ActorRef[Any] | ap.Process[Any])
    assert_type(await sup.ask(ap.Supervisor.child, "a"), ap.ActorRef[Any] | None)
    assert_type(await sup.ask(ap.Supervisor.count_children), ap.ChildCounts)
    for info in await sup.ask(ap.Supervisor.which_children):
        assert_type(info, ap.ChildInfo)
        assert_type(info.ref, ap.ActorRef[Any] | ap.Process[Any] | None)
        assert_type(info.restarts, int)
