"""Selects over rendezvous whose ends are on several nodes: claims, in the orders that links may choose (NET-14 to 18).

What is explored is the shipped code on tables in memory: the only thing that a test decides is which message arrives
next. Small scenarios are run in every order up to a bound, and all of them in random orders.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

import actorpar as ap
from actorpar.channels.select import Choice
from actorpar.channels.waiters import ENDED, GuardWaiter
from actorpar.testing import VirtualClock
from tests.nodes.meshed import close
from tests.nodes.remote.joined import World
from tests.nodes.remote.orders import ALL, orders


class Dice(random.Random):
    """Random orders that can be told again: `repr` is the seed."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def __repr__(self) -> str:
        return f"Dice({self.number})"


def random_orders(count: int) -> Iterator[Dice]:
    return map(Dice, range(count))


class Party(NamedTuple):
    """A process at a node: a select if it has several guards; "+a" sends to channel a, "-a" receives from it."""

    node: int
    guards: str


class Scenario(NamedTuple):
    """Who chooses among what, and where the channels are at home."""

    homes: dict[str, int]
    parties: list[Party]
    plain: frozenset[int] = frozenset()


class Outcome(NamedTuple):
    chosen: list[str | None]  # the guard of each party, "after", or the name of an error; None: it was cancelled
    got: list[Any]
    undelivered: list[tuple[str, int]]


class Story:
    """One run of a scenario. After so many messages a party is cancelled, or a node is lost."""

    def __init__(self, scenario: Scenario, dice: Any, cancelled: dict[int, int], lost: dict[int, int]) -> None:
        self.scenario = scenario
        self.dice = dice
        self.cancelled = cancelled
        self.lost = lost
        self.ends: list[dict[str, Any]] = [{} for _ in scenario.parties]
        self.chosen: list[str | None] = [None] * len(scenario.parties)
        self.got: list[Any] = [None] * len(scenario.parties)
        self.undelivered: list[tuple[str, int]] = []

    def spread(self) -> None:
        """Open the channels at their homes and give each party its ends."""
        for name, home in self.scenario.homes.items():
            note = functools.partial(lambda name, item: self.undelivered.append((name, item)), name)
            tx, rx = ap.open_channel[Any](0, name=name, on_undelivered=note)
            for number, party in enumerate(self.scenario.parties):
                for sign, end in (("+", tx), ("-", rx)):
                    if sign + name in party.guards.split():
                        own: Any = end.clone()
                        away = party.node != home
                        self.ends[number][sign + name] = self.world.move(own, home, party.node) if away else own
            tx.close()
            rx.close()

    async def choose(self, number: int) -> None:
        ends = self.ends[number]
        names = list(ends)
        try:
            if number in self.scenario.plain:
                (name,) = names
                value = await (ends[name].send(number) if name[0] == "+" else ends[name].receive())
            else:
                guards = [ap.send_to(ends[n], number) if n[0] == "+" else ap.receive_from(ends[n]) for n in names]
                index, value = await ap.select(*guards, ap.after(0.5))
                name = [*names, "after"][index]
        except ap.ChannelError as error:
            name, value = type(error).__name__, None
        self.chosen[number], self.got[number] = name, value

    async def run(self) -> Outcome:
        self.world = World(4, self.dice)
        self.spread()
        tasks = [asyncio.create_task(self.choose(number)) for number in range(len(self.scenario.parties))]
        for number, when in self.cancelled.items():
            self.world.then[when] = tasks[number].cancel
        for node, when in self.lost.items():
            self.world.then[when] = functools.partial(self.lose, node, tasks)
        await asyncio.sleep(1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(1)
        for ends in self.ends:
            close(*ends.values())
        await asyncio.sleep(30)
        assert self.world.left() == []
        return Outcome(self.chosen, self.got, self.undelivered)

    def lose(self, node: int, tasks: list[asyncio.Task[None]]) -> None:
        for number, party in enumerate(self.scenario.parties):
            if party.node == node:
                tasks[number].cancel()
        self.world.kill(node)


def tell(
    scenario: Scenario, dice: Any, cancelled: dict[int, int] | None = None, lost: dict[int, int] | None = None
) -> Outcome:
    with asyncio.Runner(loop_factory=VirtualClock) as runner:
        return runner.run(Story(scenario, dice, cancelled or {}, lost or {}).run())


def who_waits(scenario: Scenario, outcome: Outcome, guard: str) -> set[int]:
    """Those for whom this guard was never chosen, and no other."""
    parties = enumerate(scenario.parties)
    return {n for n, party in parties if outcome.chosen[n] in (None, "after") and guard in party.guards.split()}


def received(outcome: Outcome, name: str) -> list[int]:
    return sorted(item for item, chosen in zip(outcome.got, outcome.chosen, strict=True) if chosen == "-" + name)


def who_chose(outcome: Outcome, guard: str) -> list[int]:
    return [number for number, chosen in enumerate(outcome.chosen) if chosen == guard]


def no_select_waits(scenario: Scenario, outcome: Outcome, but: set[int] | None = None) -> None:
    """A select that is open is chosen by its deadline at the latest: none is held for ever."""
    selects = set(range(len(scenario.parties))) - scenario.plain - (but or set())
    assert not [number for number in selects if outcome.chosen[number] is None], outcome


def agree(scenario: Scenario, outcome: Outcome) -> None:
    """Those who sent are those whose items were received, and nobody waits who could have met."""
    for name in scenario.homes:
        assert received(outcome, name) == who_chose(outcome, "+" + name), outcome
        senders, receivers = who_waits(scenario, outcome, "+" + name), who_waits(scenario, outcome, "-" + name)
        assert not any(a != b for a in senders for b in receivers), f"{name}: {senders} and {receivers} could have met"
    assert outcome.undelivered == []
    no_select_waits(scenario, outcome)


SCENARIOS = {
    "two selects crossed over two channels, homes with their senders": Scenario(
        {"a": 0, "b": 1}, [Party(0, "+a -b"), Party(1, "-a +b")]
    ),
    "two selects crossed over two channels, homes with their receivers": Scenario(
        {"a": 1, "b": 0}, [Party(0, "+a -b"), Party(1, "-a +b")]
    ),
    "two selects crossed over two channels, homes on other nodes": Scenario(
        {"a": 2, "b": 3}, [Party(0, "+a -b"), Party(1, "-a +b")]
    ),
    "two selects, both directions on one channel": Scenario({"a": 2}, [Party(0, "+a -a"), Party(1, "+a -a")]),
    "two selects, both directions, at the home and away": Scenario({"a": 0}, [Party(0, "+a -a"), Party(1, "+a -a")]),
    "a ring of three": Scenario({"a": 0, "b": 1, "c": 2}, [Party(0, "+a -c"), Party(1, "+b -a"), Party(2, "+c -b")]),
    "a ring of three, all homes elsewhere": Scenario(
        {"a": 3, "b": 3, "c": 3}, [Party(0, "+a -c"), Party(1, "+b -a"), Party(2, "+c -b")]
    ),
    "two senders, one receiver, two channels": Scenario(
        {"a": 0, "b": 1}, [Party(0, "+a"), Party(1, "+b"), Party(2, "-a -b")], frozenset({0, 1})
    ),
    "two selects that send, one that receives": Scenario(
        {"a": 3, "b": 3}, [Party(0, "+a +b"), Party(1, "+a +b"), Party(2, "-a -b")]
    ),
    "four mixed selects, two channels": Scenario(
        {"a": 0, "b": 1}, [Party(0, "+a -b"), Party(1, "-a +b"), Party(2, "+a -b"), Party(3, "-a +b")]
    ),
    "a plain receiver and selects that offer": Scenario(
        {"a": 3, "b": 2}, [Party(0, "+a -b"), Party(1, "-a"), Party(2, "+b -a")], frozenset({1})
    ),
    "receivers here, there and in a select": Scenario(
        {"a": 0, "b": 1},
        [Party(0, "-a"), Party(1, "-a -b"), Party(2, "-a"), Party(3, "+a"), Party(3, "+a +b")],
        frozenset({0, 2, 3}),
    ),
}


def explored(dice: Any, told: Callable[[Any], None]) -> None:
    try:
        told(dice)
    except BaseException as error:
        error.add_note(f"order {getattr(dice, 'script', dice)}")
        raise


@pytest.mark.parametrize("name", SCENARIOS)
def test_net14_two_selects_choose_the_same_meeting_in_every_order_of_messages(name: str) -> None:
    scenario = SCENARIOS[name]
    for dice in [*itertools.islice(orders(ALL), 300), *random_orders(100)]:
        explored(dice, lambda dice: agree(scenario, tell(scenario, dice)))


@pytest.mark.parametrize("name", SCENARIOS)
def test_net17_a_select_that_is_cancelled_leaves_its_item_to_another_or_keeps_it(name: str) -> None:
    scenario = SCENARIOS[name]

    def told(dice: random.Random) -> None:
        number = dice.randrange(len(scenario.parties))
        outcome = tell(scenario, dice, cancelled={number: dice.randrange(1, 40)})
        no_select_waits(scenario, outcome, {number})
        for name in scenario.homes:
            ended = sorted(received(outcome, name) + [item for who, item in outcome.undelivered if who == name])
            assert len(set(ended)) == len(ended), outcome
            assert set(who_chose(outcome, "+" + name)) <= set(ended), outcome
            assert set(ended) - set(who_chose(outcome, "+" + name)) <= {number}, outcome
            surplus = [item for who, item in outcome.undelivered if who == name]
            assert not surplus or not who_waits(scenario, outcome, "-" + name) - {number}, outcome

    for dice in random_orders(200):
        explored(dice, told)


@pytest.mark.parametrize("name", SCENARIOS)
def test_net18_a_node_that_is_lost_holds_no_select_of_another(name: str) -> None:
    scenario = SCENARIOS[name]

    def told(dice: random.Random) -> None:
        node = dice.randrange(4)
        outcome = tell(scenario, dice, lost={node: dice.randrange(1, 40)})
        gone = {number for number, party in enumerate(scenario.parties) if party.node == node}
        no_select_waits(scenario, outcome, gone)
        for name in scenario.homes:
            assert len(set(received(outcome, name))) == len(received(outcome, name)), outcome

    for dice in random_orders(200):
        explored(dice, told)


class Claimant:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def granted(self) -> None:
        self.told.append("granted")

    def gone(self) -> None:
        self.told.append("gone")


def selecting(rx: ap.Receiver[int]) -> Choice:
    """The select that waits for it."""
    (guard,) = rx.core.receivers
    assert isinstance(guard, GuardWaiter)
    return guard.choice


async def waiting_choice() -> tuple[Choice, asyncio.Task[Any], GuardWaiter, Callable[[], None]]:
    """A select that waits for a channel, and how to end the test."""
    tx, rx = ap.open_channel[int](1)
    task = asyncio.create_task(ap.select(rx))
    await asyncio.sleep(0)
    (guard,) = rx.core.receivers
    assert isinstance(guard, GuardWaiter)
    return guard.choice, task, guard, lambda: close(tx, rx)


async def test_net15_a_claim_on_a_select_that_is_held_waits_its_turn_and_is_granted() -> None:
    choice, task, _, end = await waiting_choice()
    first, second = Claimant(), Claimant()
    assert choice.lock(first) is True
    assert choice.lock(second) is None
    assert not choice.is_open()
    choice.release(first)
    assert second.told == ["granted"]
    assert first.told == []
    choice.release(second)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    end()


async def test_net15_a_claim_that_waits_learns_that_the_select_has_chosen() -> None:
    choice, task, guard, end = await waiting_choice()
    first, second = Claimant(), Claimant()
    choice.lock(first)
    choice.lock(second)
    assert guard.settle(ENDED)
    assert second.told == ["gone"]
    assert choice.lock(Claimant()) is False
    end()
    with pytest.raises(ap.ChannelError):
        await task


async def test_net15_a_claim_gives_up_its_turn_without_freeing_the_select_for_others() -> None:
    choice, task, _, end = await waiting_choice()
    first, second = Claimant(), Claimant()
    choice.lock(first)
    choice.lock(second)
    choice.release(second)
    assert not choice.is_open()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert choice.lock(Claimant()) is False
    assert first.told == second.told == []
    choice.release(first)
    end()


@pytest.mark.virtual_time
async def test_net17_a_deadline_that_passes_while_a_select_is_held_counts_when_it_is_released() -> None:
    tx, rx = ap.open_channel[int](1)
    task = asyncio.create_task(ap.select(rx, ap.after(1)))
    await asyncio.sleep(0)
    choice, claim = selecting(rx), Claimant()
    choice.lock(claim)
    await asyncio.sleep(2)
    assert not task.done()
    choice.release(claim)
    assert await task == (1, None)
    close(tx, rx)


async def test_net17_an_item_that_comes_while_a_select_is_held_is_received_when_it_is_released() -> None:
    tx, rx = ap.open_channel[int](1)
    task = asyncio.create_task(ap.select(rx))
    await asyncio.sleep(0)
    choice, claim = selecting(rx), Claimant()
    choice.lock(claim)
    await tx.send(7)
    choice.release(claim)
    assert await task == (0, 7)
    close(tx, rx)


COSTS = {
    "a plain send, a plain receive": (False, False, False, "Want Offer Taken item Want"),
    "a plain send, a select that receives": (False, False, True, "Seek Offer Claim Granted Taken Take Granted"),
    "a select that sends, a plain receive": (False, True, False, "Want Offer Permitted Redeem Taken item Want"),
    "two selects, the one that receives first": (
        *(False, True, True),
        "Seek Offer Claim Granted Permitted Redeem Take Taken Granted",
    ),
    "two selects, the one that sends first": (
        *(True, True, True),
        "Offer Seek Claim Granted Claim Granted Permitted Redeem Take Taken Granted",
    ),
}


@pytest.mark.parametrize("name", COSTS)
def test_net16_what_is_said_when_two_nodes_meet_at_a_third(name: str) -> None:
    sender_first, sends, receives, expected = COSTS[name]

    async def told() -> list[str]:
        world = World(3, random.Random(1))
        tx, rx = ap.open_channel[int](0)
        far_rx, far_tx = world.move(rx.clone(), 2, 1), world.move(tx, 2, 0)
        rx.close()
        await asyncio.sleep(1)
        said: list[str] = []
        say = world.say

        def noted(peer: Any, lane: Any, op: Any, items: Any) -> None:
            if op is not None or not said or said[-1] not in ("Offer", "Redeem", "Take"):
                said.append("item" if op is None else type(op).__name__)  # an item goes with the op before it
            say(peer, lane, op, items)

        world.say = noted  # type: ignore[method-assign]
        both = [
            ap.select(ap.send_to(far_tx, 5), ap.after(9)) if sends else far_tx.send(5),
            ap.select(far_rx, ap.after(9)) if receives else far_rx.receive(),
        ]
        first = asyncio.create_task(both.pop(0 if sender_first else 1))
        await asyncio.sleep(1)
        await both.pop()
        await first
        await asyncio.sleep(1)
        cost = said.copy()
        close(far_tx, far_rx)
        await asyncio.sleep(1)
        return cost

    with asyncio.Runner(loop_factory=VirtualClock) as runner:
        assert " ".join(runner.run(told())) == expected
