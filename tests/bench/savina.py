"""The programs of tests/savina, large: as actors, as CSP, and over the peers that can express them."""

import functools
from collections.abc import Callable, Coroutine
from typing import Any

import actorpar as ap
from tests.savina import twins
from tests.savina.banking import banking, banking_with_stash, transfers
from tests.savina.buffering import bndbuffer
from tests.savina.crowds import big, chameneos
from tests.savina.forkjoin import fib, fjcreate, fjthrput
from tests.savina.messaging import count, pingpong, pingpong_by_ask, threadring
from tests.savina.sorting import numbers, radixsort

from .actors import by_hand, pykka, xoscar
from .cases import Case, Group, on_asyncio
from .measure import Sample, Stopwatch, expect

Actors = Callable[[ap.ActorSystem, int], Coroutine[Any, Any, Any]]
Processes = Callable[[int], Coroutine[Any, Any, Any]]
Expected = Callable[[int], Any]

RING = 100
WORKERS, TALKERS = 60, 120
CHAMENEOS = 100
MAKERS = EATERS = 40
PLACES = 50
ACCOUNTS = 1000
BITS = 60
FIB = 21


def _actors(program: Actors, expected: Expected, name: str = "actorpar") -> Case:
    async def body(items: int) -> Sample:
        wanted = expected(items)
        async with ap.ActorSystem("bench") as system:
            with Stopwatch() as watch:
                result = await program(system, items)
        expect("result", result, wanted)
        return watch.sample(items)

    return Case(name, on_asyncio(body))


def _processes(program: Processes, expected: Expected) -> Case:
    async def body(items: int) -> Sample:
        wanted = expected(items)
        with Stopwatch() as watch:
            result = await program(items)
        expect("result", result, wanted)
        return watch.sample(items)

    return Case("actorpar, processes", on_asyncio(body))


# -- the programs at the sizes of the suite's peers, and what comes out


async def _threadring(system: ap.ActorSystem, hops: int) -> int:
    return await threadring(system, RING, hops)


async def _fjthrput(system: ap.ActorSystem, items: int) -> int:
    return await fjthrput(system, WORKERS, items // WORKERS)


async def _big(system: ap.ActorSystem, items: int) -> int:
    return await big(system, TALKERS, items // TALKERS)


async def _chameneos(system: ap.ActorSystem, meetings: int) -> int:
    return await chameneos(system, CHAMENEOS, meetings)


async def _bndbuffer(system: ap.ActorSystem, items: int) -> tuple[int, int]:
    return (await bndbuffer(system, MAKERS, EATERS, items // MAKERS, PLACES))[:2]


async def _bndbuffer_as_processes(items: int) -> tuple[int, int]:
    return (await twins.bndbuffer(MAKERS, EATERS, items // MAKERS, PLACES))[:2]


async def _banking(system: ap.ActorSystem, count: int) -> list[int]:
    return await banking(system, ACCOUNTS, count)


async def _banking_with_stash(system: ap.ActorSystem, count: int) -> list[int]:
    return await banking_with_stash(system, ACCOUNTS, count)


async def _radixsort(system: ap.ActorSystem, items: int) -> list[int]:
    return await radixsort(system, _unsorted(items), BITS)


async def _fib(system: ap.ActorSystem, items: int) -> int:
    return 2 * await fib(system, FIB) - 1


async def _fib_as_processes(items: int) -> int:
    return 2 * await twins.fib(FIB) - 1


def _same(items: int) -> int:
    return items


def _triangle(items: int) -> int:
    return items * (items - 1) // 2


def _balances(count: int) -> list[int]:
    balances = [0] * ACCOUNTS
    for source, target, amount in transfers(ACCOUNTS, count):
        balances[source] -= amount
        balances[target] += amount
    return balances


@functools.cache
def _unsorted(items: int) -> tuple[int, ...]:
    return tuple(numbers(items // BITS, BITS))


def _group(name: str, what: str, items: int, *cases: Case, least: int = 1) -> Group:
    return Group(f"savina {name}", what, items, cases, unit="us", least=least)


def _messaging() -> list[Group]:
    return [
        _group(
            "pingpong",
            "one round trip between two actors",
            20_000,
            by_hand("pingpong", "queue_savina"),
            _actors(pingpong, _same),
            _actors(pingpong_by_ask, _same, "actorpar, ask"),
            _processes(twins.pingpong, _same),
            pykka("pingpong"),
            xoscar("pingpong"),
            xoscar("pingpong_by_ask", note=", ask"),
        ),
        _group(
            "threadring",
            f"one hop of a token round {RING} actors",
            50_000,
            by_hand("threadring", "queue_savina", RING),
            _actors(_threadring, lambda hops: hops % RING),
            _processes(lambda hops: twins.threadring(RING, hops), lambda hops: hops % RING),
            pykka("threadring", RING),
            xoscar("threadring", RING),
        ),
        _group(
            "count",
            "one message of a flood from one actor to another, bounded where there are bounds",
            100_000,
            by_hand("count", "queue_savina"),
            _actors(count, _same),
            _processes(twins.count, _same),
            pykka("count"),
            xoscar("count"),
        ),
    ]


def _forkjoin() -> list[Group]:
    return [
        _group(
            "fjcreate",
            "one actor that is started, handles one message and stops",
            20_000,
            by_hand("fjcreate", "queue_savina"),
            _actors(fjcreate, _triangle),
            _processes(twins.fjcreate, _triangle),
        ),
        _group(
            "fjthrput",
            f"one message to one of {WORKERS} actors in turn",
            120_000,
            by_hand("fjthrput", "queue_savina", WORKERS),
            _actors(_fjthrput, _same),
            _processes(lambda items: twins.fjthrput(WORKERS, items // WORKERS), _same),
            pykka("fjthrput", WORKERS),
            xoscar("fjthrput", WORKERS),
            least=WORKERS,
        ),
        _group(
            "fib",
            f"one actor of the tree that computes fib({FIB})",
            2 * 10_946 - 1,
            _actors(_fib, _same),
            _processes(_fib_as_processes, _same),
            least=2 * 10_946 - 1,
        ),
    ]


def _crowds() -> list[Group]:
    return [
        _group(
            "big",
            f"one round trip between two of {TALKERS} actors, drawn by lot",
            24_000,
            by_hand("big", "queue_savina", TALKERS),
            _actors(_big, _same),
            pykka("big", TALKERS),
            xoscar("big", TALKERS),
            least=TALKERS,
        ),
        _group(
            "chameneos",
            f"one meeting of two of {CHAMENEOS} actors, arranged by one",
            20_000,
            _actors(_chameneos, lambda meetings: 2 * meetings),
            _processes(lambda meetings: twins.chameneos(CHAMENEOS, meetings), lambda meetings: 2 * meetings),
        ),
        _group(
            "bndbuffer",
            f"one item from {MAKERS} producers through a buffer of {PLACES} to {EATERS} consumers; processes: a select",
            20_000,
            _actors(_bndbuffer, lambda items: (items, _triangle(items))),
            _processes(_bndbuffer_as_processes, lambda items: (items, _triangle(items))),
            least=MAKERS,
        ),
        _group(
            "banking",
            f"one transfer between two of {ACCOUNTS} accounts",
            10_000,
            _actors(_banking, _balances),
            _actors(_banking_with_stash, _balances, "actorpar, with stash"),
        ),
        _group(
            "radixsort",
            f"one number through one of {BITS} stages",
            2000 * BITS,
            _actors(_radixsort, lambda items: sorted(_unsorted(items))),
            _processes(lambda items: twins.radixsort(_unsorted(items), BITS), lambda items: sorted(_unsorted(items))),
            least=BITS,
        ),
    ]


def groups() -> list[Group]:
    return [*_messaging(), *_forkjoin(), *_crowds()]
