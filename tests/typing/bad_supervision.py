"""Misuses of supervisors that mypy and pyright refuse, each in the line marked so. Never run."""

from __future__ import annotations

import actorpar as ap


class Room(ap.Actor):
    def __init__(self, title: str, size: int = 3) -> None:
        self.title = title


async def work(jobs: ap.Receiver[str], depth: int) -> float:
    return float(depth)


def no_coroutine(depth: int) -> int:
    return depth


async def specs(jobs: ap.Receiver[str]) -> None:
    ap.child(Room)  # type: ignore
    ap.child(Room, 1)  # type: ignore
    ap.child(Room, "a", "b")  # type: ignore
    ap.child(Room, "a", 1, 2)  # type: ignore
    ap.child(Room, title="a")  # type: ignore
    ap.child(work, jobs)  # type: ignore
    ap.child(work, 1, jobs)  # type: ignore
    ap.child(work, jobs, 1, 2)  # type: ignore
    ap.child(work(jobs, 1))  # type: ignore
    ap.child(no_coroutine, 1)  # type: ignore
    ap.child(Room("a"))  # type: ignore
    ap.child(Room, "a", id=1)  # type: ignore
    ap.child(Room, "a", name=2)  # type: ignore
    ap.child(Room, "a", restart="always")  # type: ignore
    ap.child(Room, "a", shutdown="soon")  # type: ignore
    ap.child(Room, "a", significant="yes")  # type: ignore
    ap.child(Room, "a", keep_state=True)  # type: ignore
    ap.child(work, jobs, 1, keep_mailbox=True)  # type: ignore


async def strategies() -> None:
    ap.one_for_one(Room)  # type: ignore
    ap.one_for_all([ap.child(Room, "a")])  # type: ignore
    ap.rest_for_one(ap.child(Room, "a"), intensity="1")  # type: ignore
    ap.one_for_one(period=None)  # type: ignore
    ap.one_for_one(backoff=1.0)  # type: ignore
    ap.one_for_one(auto_shutdown="some")  # type: ignore
    ap.one_for_one(strategy="one_for_all")  # type: ignore
    ap.dynamic(ap.child(Room, "a"))  # type: ignore
    ap.Backoff("1", 2.0)  # type: ignore
    ap.Backoff(1.0)  # type: ignore


async def asking(system: ap.ActorSystem, sup: ap.ActorRef[ap.Supervisor]) -> None:
    await system.spawn(ap.Supervisor)  # type: ignore
    await system.spawn(ap.Supervisor, ap.child(Room, "a"))  # type: ignore
    await sup.ask(ap.Supervisor.start_child)  # type: ignore
    await sup.ask(ap.Supervisor.start_child, Room)  # type: ignore
    await sup.ask(ap.Supervisor.terminate_child, 1)  # type: ignore
    await sup.ask(ap.Supervisor.delete_child)  # type: ignore
    await sup.ask(ap.Supervisor.which_children, "a")  # type: ignore
    room: ap.ActorRef[ap.Supervisor] = await sup.ask(ap.Supervisor.start_child, ap.child(Room, "a"))  # type: ignore
    print((await sup.ask(ap.Supervisor.child, "a")).name)  # type: ignore
    print(room)
