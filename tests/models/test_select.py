"""Every interleaving of selects over one and two channels, with a cancel at any point (CH-33, 34, 36, 47, 48)."""

from __future__ import annotations

import pytest

from .rules import check
from .search import explore
from .test_one_channel import Scenario
from .world import World


def a_select_among_plain_operations(capacity: float) -> Scenario:
    """One select that receives from a or sends to b, a sender on a, a receiver on b."""

    def build(world: World) -> None:
        a_tx, a_rx = world.channel(capacity)
        b_tx, b_rx = world.channel(capacity)
        world.process("x", world.chooses(a_rx, b_tx, "x", 2))
        world.process("s", world.sends(a_tx, "s", 2))
        world.process("r", world.receives(b_rx, "r", 2))

    return build


def crossed_selects(capacity: float) -> Scenario:
    """Two selects, each of which receives what the other offers."""

    def build(world: World) -> None:
        a_tx, a_rx = world.channel(capacity)
        b_tx, b_rx = world.channel(capacity)
        world.process("x", world.chooses(a_rx, b_tx, "x", 2))
        world.process("y", world.chooses(b_rx, a_tx, "y", 2))

    return build


def selects_in_both_directions_on_one_channel(capacity: float, selects: int) -> Scenario:
    """Mixed choice: each sends its own or takes another's; none takes its own on capacity 0."""

    def build(world: World) -> None:
        tx, rx = world.channel(capacity)
        for name in "xyz"[:selects]:
            world.process(name, world.chooses(rx, tx, name, 2 if selects == 2 else 1))

    return build


def a_select_and_rivals(capacity: float) -> Scenario:
    """A select, a plain receiver and a plain sender on the same channel, and the channel ends."""

    def build(world: World) -> None:
        tx, rx = world.channel(capacity)
        quiet_tx, _ = world.channel(0)
        world.process("x", world.chooses(rx, quiet_tx, "x", 2))
        world.process("r", world.receives(rx, "r", 1))
        world.process("s", world.sends(tx, "s", 2, close=True))

    return build


def a_select_and_a_permit() -> Scenario:
    """A permit sets the receive guard of a select aside, while its send guard may be chosen."""

    def build(world: World) -> None:
        a_tx, a_rx = world.channel(0)
        b_tx, b_rx = world.channel(0)
        world.process("x", world.chooses(a_rx, b_tx, "x", 2))
        world.process("p", world.reserves(a_tx, "p", 1))
        world.process("r", world.receives(b_rx, "r", 1))

    return build


SEARCHES: dict[str, tuple[Scenario, int]] = {
    **{f"a select among plain operations, capacity {n}": (a_select_among_plain_operations(n), 1) for n in (0, 1)},
    **{f"crossed selects, capacity {n}": (crossed_selects(n), 2) for n in (0, 1)},
    **{f"two mixed selects, capacity {n}": (selects_in_both_directions_on_one_channel(n, 2), 2) for n in (0, 1)},
    "three mixed selects, capacity 0": (selects_in_both_directions_on_one_channel(0, 3), 1),
    **{f"a select and rivals, capacity {n}": (a_select_and_rivals(n), 1) for n in (0, 1)},
    "a select and a permit": (a_select_and_a_permit(), 1),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_ch34_a_select_commits_one_guard_or_none_whatever_runs_first_and_whoever_is_cancelled(name: str) -> None:
    scenario, cancels = SEARCHES[name]
    print(f"{name}, {cancels} cancelled anywhere: {explore(scenario, check, cancels=cancels)}")
