"""Every interleaving over one channel, with a cancel at any point of any process (CH-5, 9-13, 52-55, 58)."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from .rules import check
from .search import explore
from .world import World

Scenario = Callable[[World], None]


def one_sender_two_receivers(capacity: float, items: int = 3, kind: str = "process") -> Scenario:
    def build(world: World) -> None:
        tx, rx = world.channel(capacity)
        start = getattr(world, kind)
        start("s", world.sends(tx, "s", items))
        start("r1", world.receives(rx, "r1", 2))
        start("r2", world.receives(rx, "r2", 2))

    return build


def two_senders_one_receiver(capacity: float) -> Scenario:
    def build(world: World) -> None:
        tx, rx = world.channel(capacity)
        world.process("s1", world.sends(tx, "s1", 2))
        world.process("s2", world.sends(tx, "s2", 2))
        world.process("r", world.receives(rx, "r", 4))

    return build


def processes_and_tasks(capacity: float) -> Scenario:
    def build(world: World) -> None:
        tx, rx = world.channel(capacity)
        world.process("s1", world.sends(tx, "s1", 1))
        world.task("s2", world.sends(tx, "s2", 1))
        world.process("r1", world.receives(rx, "r1", 1))
        world.task("r2", world.receives(rx, "r2", 1))

    return build


def the_senders_close(capacity: float) -> Scenario:
    def build(world: World) -> None:
        tx, rx = world.channel(capacity)
        world.process("s1", world.sends(world.clone(tx), "s1", 1, close=True))
        world.process("s2", world.sends(tx, "s2", 1, close=True))
        world.process("r1", world.receives(rx, "r1", 2))
        world.process("r2", world.receives(rx, "r2", 2))

    return build


def handles_close_under_their_users(capacity: float) -> Scenario:
    def build(world: World) -> None:
        tx, rx = world.channel(capacity)
        other = world.clone(rx)
        world.process("s", world.sends(tx, "s", 2))
        world.process("r1", world.receives(rx, "r1", 2))
        world.process("r2", world.receives(other, "r2", 1))
        world.process("closer", world.ends(rx, tx))

    return build


def the_receivers_leave(capacity: float) -> Scenario:
    def build(world: World) -> None:
        tx, rx = world.channel(capacity)
        world.process("s1", world.sends(tx, "s1", 2))
        world.process("s2", world.sends(world.clone(tx), "s2", 1))
        world.process("r", world.receives(rx, "r", 2))
        world.process("closer", world.ends(rx))

    return build


def the_sender_closes_while_it_waits(capacity: float) -> Scenario:
    def build(world: World) -> None:
        tx, rx = world.channel(capacity)
        world.process("s", world.sends(tx, "s", 2))
        world.process("r1", world.receives(rx, "r1", 1))
        world.process("r2", world.receives(rx, "r2", 1))
        world.process("closer", world.ends(tx))

    return build


def somebody_aborts(capacity: float, after_drain: bool) -> Scenario:
    def build(world: World) -> None:
        tx, rx = world.channel(capacity)
        world.process("s", world.sends(tx, "s", 2))
        world.process("r1", world.receives(rx, "r1", 2))
        world.process("r2", world.receives(rx, "r2", 1))
        world.process("poisoner", world.aborts(tx, after_drain=after_drain))

    return build


def permits_and_sends(capacity: float) -> Scenario:
    def build(world: World) -> None:
        tx, rx = world.channel(capacity)
        world.process("p", world.reserves(tx, "p", 1))
        world.process("s", world.sends(tx, "s", 1))
        world.process("r1", world.receives(rx, "r1", 2))
        world.process("r2", world.receives(rx, "r2", 1))

    return build


def permits_used_and_given_back(capacity: float) -> Scenario:
    def build(world: World) -> None:
        tx, rx = world.channel(capacity)
        world.process("p", world.reserves(tx, "p", 1))
        world.process("q", world.reserves(tx, "q", 1, use=False))
        world.process("r1", world.receives(rx, "r1", 1))
        world.process("r2", world.receives(rx, "r2", 1))

    return build


def permits_while_handles_close(capacity: float) -> Scenario:
    def build(world: World) -> None:
        tx, rx = world.channel(capacity)
        world.process("p", world.reserves(tx, "p", 1))
        world.process("q", world.reserves(world.clone(tx), "q", 1))
        world.process("r", world.receives(rx, "r", 1))
        world.process("closer", world.ends(rx, tx))

    return build


SEARCHES: dict[str, tuple[Scenario, int]] = {
    **{f"one sender, two receivers, capacity {n}": (one_sender_two_receivers(n), 2 - n // 2) for n in (0, 1, 2)},
    "one sender, two receivers, unbounded": (one_sender_two_receivers(math.inf, items=2), 2),
    **{f"the same as tasks, capacity {n}": (one_sender_two_receivers(n, 2, "task"), 1) for n in (0, 1)},
    **{f"two senders, one receiver, capacity {n}": (two_senders_one_receiver(n), 1) for n in (0, 1, 2)},
    **{f"processes and tasks, capacity {n}": (processes_and_tasks(n), 1) for n in (0, 1)},
    **{f"the senders close, capacity {n}": (the_senders_close(n), 1) for n in (0, 1)},
    **{f"handles close, capacity {n}": (handles_close_under_their_users(n), 1) for n in (0, 1)},
    **{f"the receivers leave, capacity {n}": (the_receivers_leave(n), 1) for n in (0, 1)},
    **{f"the sender's handle closes, capacity {n}": (the_sender_closes_while_it_waits(n), 1) for n in (0, 1)},
    **{f"abort, capacity {n}": (somebody_aborts(n, after_drain=False), 1) for n in (0, 1)},
    **{f"abort after drain, capacity {n}": (somebody_aborts(n, after_drain=True), 1) for n in (0, 1)},
    **{f"permits and sends, capacity {n}": (permits_and_sends(n), 1) for n in (0, 1)},
    **{f"permits given back, capacity {n}": (permits_used_and_given_back(n), 1) for n in (0, 1)},
    **{f"permits while handles close, capacity {n}": (permits_while_handles_close(n), 1) for n in (0, 1)},
}


@pytest.mark.parametrize("name", SEARCHES)
def test_ch05_items_are_delivered_or_stay_and_in_order_whatever_runs_first_and_whoever_is_cancelled(name: str) -> None:
    scenario, cancels = SEARCHES[name]
    print(f"{name}, {cancels} cancelled anywhere: {explore(scenario, check, cancels=cancels)}")
