"""Ranks of one host that wake each other: no wake-up is lost, whatever the order of the steps of both."""

from __future__ import annotations

import itertools
import os
import select
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actorpar.nodes.mpi.bell import Bells


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Bells, Bells]]:
    """The bells of two ranks, which have met."""
    bells = [Bells(tmp_path, rank, 2) for rank in range(2)]
    bells[0].meet([1])
    bells[1].meet([0])
    yield bells[0], bells[1]
    for each in bells:
        each.close()


def rings(bells: Bells) -> bool:
    """True if somebody has rung, who was not heard."""
    return bool(select.select([bells.fileno()], [], [], 0)[0])


class Sleeper:
    """Rank 1, in the steps in which it looks and falls asleep."""

    def __init__(self, bells: Bells) -> None:
        self.bells = bells
        self.arrived = 0  # packets that MPI has, as the sender's step `send` says
        self.taken = 0
        self.sleeps = False

    def look(self) -> None:
        self.bells.awake()
        self.sleeps = False
        self.taken = self.arrived

    def sleep(self) -> None:
        self.sleeps = self.bells.may_sleep([self.taken, 0])


def orders(mine: list[Callable[[], None]], other: list[Callable[[], None]]) -> Iterator[list[Callable[[], None]]]:
    """Every order of the steps of two sides, each of which keeps its own."""
    total = len(mine) + len(other)
    for places in itertools.combinations(range(total), len(mine)):
        one, two = iter(mine), iter(other)
        yield [next(one) if at in places else next(two) for at in range(total)]


def explore(pair: tuple[Bells, Bells], packets: int) -> list[tuple[bool, bool, bool]]:
    """Each order of so many packets and of two attempts to sleep: did it sleep, was it rung, had it taken all?"""
    sender, receiver = pair
    sleeper = Sleeper(receiver)
    total = 0

    def arrive() -> None:
        sleeper.arrived += 1

    sending = [lambda: sender.count(1), arrive, lambda: sender.ring(1)] * packets
    sleeping = [sleeper.look, sleeper.sleep, sleeper.look, sleeper.sleep]
    found = []
    for steps in orders(sending, sleeping):
        receiver.awake()
        sleeper.sleeps = False
        for step in steps:
            step()
            if step == sleeper.sleep and sleeper.sleeps and rings(receiver):
                receiver.hear()
                receiver.awake()
                sleeper.sleeps = False
        total += packets
        found.append((sleeper.sleeps, rings(receiver), sleeper.taken == total))
        receiver.hear()
        sleeper.taken = total
    return found


@pytest.mark.parametrize("packets", [1, 2])
def test_who_sleeps_has_taken_all_or_is_rung_in_every_order_of_the_steps(
    pair: tuple[Bells, Bells], packets: int
) -> None:
    found = explore(pair, packets)
    assert [each for each in found if each == (True, False, False)] == []
    assert any(sleeps and rung for sleeps, rung, _ in found), "an order in which the bell is needed"
    assert any(sleeps and not rung for sleeps, rung, _ in found), "an order in which it is not"
    assert any(not sleeps for sleeps, _, _ in found), "an order in which the counters keep it awake"


def test_one_bell_is_enough_for_a_sleeper_and_none_is_rung_for_who_is_awake(pair: tuple[Bells, Bells]) -> None:
    sender, receiver = pair
    for _ in range(3):
        sender.count(1)
        sender.ring(1)
    assert (sender.rung, rings(receiver)) == (0, False)
    assert not receiver.may_sleep([2, 0])
    assert receiver.may_sleep([3, 0])
    for _ in range(3):
        sender.count(1)
        sender.ring(1)
    assert (sender.rung, rings(receiver)) == (1, True)
    receiver.hear()
    assert (receiver.heard, rings(receiver)) == (1, False)


def test_a_rank_that_has_ended_keeps_nobody_awake_and_is_not_rung(pair: tuple[Bells, Bells]) -> None:
    sender, receiver = pair
    sender.count(1)
    assert not receiver.may_sleep([0, 0])
    receiver.forget(0)
    receiver.forget(0)
    assert receiver.may_sleep([0, 0])
    sender.forget(1)
    sender.ring(1)
    assert sender.rung == 0


def test_the_pages_are_for_this_user_alone_and_go_with_their_rank(tmp_path: Path) -> None:
    bells = Bells(tmp_path, 0, 4)
    assert stat.S_IMODE(os.stat(tmp_path / "page-0").st_mode) == 0o600
    assert (tmp_path / "page-0").stat().st_size == 8 * 5
    with pytest.raises(FileExistsError):
        Bells(tmp_path, 0, 4)
    bells.close()
    assert list(tmp_path.iterdir()) == []


def test_a_page_is_never_reached_through_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(bytes(24))
    (tmp_path / "page-1").symlink_to(tmp_path / "elsewhere")
    bells = Bells(tmp_path, 0, 2)
    with pytest.raises(OSError, match="page-1"):
        bells.meet([1])
    bells.close()
