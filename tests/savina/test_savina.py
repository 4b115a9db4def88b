"""The programs of Savina come out right, small: every result is known exactly, and no message was lost on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

import actorpar as ap
from actorpar.channels import env

from . import twins
from .banking import banking, banking_with_stash, transfers
from .buffering import bndbuffer
from .crowds import BLUE, RED, YELLOW, big, chameneos, complement
from .forkjoin import fib, fjcreate, fjthrput
from .messaging import count, pingpong, pingpong_by_ask, threadring
from .sorting import numbers, radixsort


@pytest.fixture(params=["run queue", "tasks"])
async def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ap.ActorSystem]:
    """A system in which nothing becomes a dead letter; with the run queue, and where there is none."""
    monkeypatch.setattr(env, "plain_tasks", request.param == "tasks")
    async with ap.ActorSystem("savina") as system:
        yield system
    assert system.counters.dead_letters == {}


# -- as actors


async def test_pingpong_has_a_pong_for_every_ping(system: ap.ActorSystem) -> None:
    assert await pingpong(system, 200) == 200


async def test_pingpong_by_ask_answers_every_ping(system: ap.ActorSystem) -> None:
    assert await pingpong_by_ask(system, 200) == 200


@pytest.mark.parametrize(("size", "hops", "stops_at"), [(10, 123, 3), (10, 0, 0), (1, 7, 0), (100, 1000, 0)])
async def test_the_token_of_the_threadring_stops_where_it_must(
    system: ap.ActorSystem, size: int, hops: int, stops_at: int
) -> None:
    assert await threadring(system, size, hops) == stops_at


async def test_count_counts_a_flood_that_is_larger_than_a_mailbox(system: ap.ActorSystem) -> None:
    assert await count(system, 70_000) == 70_000


async def test_fjcreate_hears_of_every_actor_it_made(system: ap.ActorSystem) -> None:
    assert await fjcreate(system, 300) == sum(range(300))


async def test_fjthrput_loses_none_of_the_messages_to_many(system: ap.ActorSystem) -> None:
    assert await fjthrput(system, workers=12, each=50) == 600


@pytest.mark.parametrize(("n", "value"), [(1, 1), (2, 1), (3, 2), (10, 55), (14, 377)])
async def test_fib_adds_up_over_a_tree_of_actors(system: ap.ActorSystem, n: int, value: int) -> None:
    assert await fib(system, n) == value


async def test_big_makes_every_round_trip(system: ap.ActorSystem) -> None:
    assert await big(system, talkers=20, pings=30) == 600


async def test_chameneos_meet_in_pairs(system: ap.ActorSystem) -> None:
    assert await chameneos(system, 11, 200) == 400


async def test_bndbuffer_delivers_every_item_once_and_never_holds_more_than_it_has_places(
    system: ap.ActorSystem,
) -> None:
    delivered = await bndbuffer(system, producers=6, consumers=4, each=25, places=10)
    assert delivered[:2] == (150, sum(range(150)))
    assert 1 <= delivered.fullest <= 10


async def test_banking_does_every_transfer_once(system: ap.ActorSystem) -> None:
    assert await banking(system, 20, 400) == balances(20, 400)


async def test_banking_with_a_stash_does_every_transfer_once(system: ap.ActorSystem) -> None:
    assert await banking_with_stash(system, 20, 400) == balances(20, 400)


async def test_radixsort_sorts(system: ap.ActorSystem) -> None:
    unsorted = list(numbers(100, 60))
    assert await radixsort(system, unsorted, 60) == sorted(unsorted)


# -- as CSP


async def test_the_twin_of_pingpong_has_a_pong_for_every_ping() -> None:
    assert await twins.pingpong(200) == 200


@pytest.mark.parametrize(("size", "hops", "stops_at"), [(10, 123, 3), (10, 0, 0), (1, 7, 0), (100, 1000, 0)])
async def test_the_token_of_the_ring_of_processes_stops_where_it_must(size: int, hops: int, stops_at: int) -> None:
    assert await twins.threadring(size, hops) == stops_at


async def test_the_twins_of_count_and_fjthrput_lose_nothing() -> None:
    assert await twins.count(1000) == 1000
    assert await twins.fjthrput(workers=12, each=50) == 600


async def test_the_twins_of_fjcreate_and_fib_end_with_all_their_processes() -> None:
    assert await twins.fjcreate(300) == sum(range(300))
    assert await twins.fib(12) == 144


async def test_the_twin_of_chameneos_closes_its_mall_on_those_who_wait() -> None:
    assert await twins.chameneos(11, 200) == 400


@pytest.mark.parametrize("places", [1, 7])
async def test_the_twin_of_bndbuffer_fills_its_places_and_no_more(places: int) -> None:
    delivered = await twins.bndbuffer(producers=6, consumers=4, each=25, places=places)
    assert delivered == (150, sum(range(150)), places)


async def test_the_twin_of_radixsort_sorts() -> None:
    unsorted = list(numbers(100, 60))
    assert await twins.radixsort(unsorted, 60) == sorted(unsorted)


# -- what the programs are made of


def balances(accounts: int, count: int) -> list[int]:
    """What the accounts must hold afterwards: worked out one transfer at a time."""
    held = [0] * accounts
    for source, target, amount in transfers(accounts, count):
        held[source] -= amount
        held[target] += amount
    return held


@pytest.mark.parametrize("accounts", [2, 3, 10, 1000])
def test_transfers_go_to_a_greater_account_so_that_no_circle_can_wait(accounts: int) -> None:
    made = list(transfers(accounts, 300))
    assert len(made) == 300
    assert all(0 <= transfer.source < transfer.target < accounts for transfer in made)


def test_two_chameneos_take_the_colour_that_neither_has() -> None:
    assert complement(RED, YELLOW) == complement(YELLOW, RED) == BLUE
    assert complement(BLUE, RED) == YELLOW
    assert complement(BLUE, BLUE) == BLUE


def test_the_numbers_to_sort_use_all_their_bits() -> None:
    drawn = list(numbers(200, 60))
    assert len(set(drawn)) == 200
    assert drawn != sorted(drawn)
    assert max(drawn).bit_length() == 60
