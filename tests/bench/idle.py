"""What an idle actor weighs: the resident memory of a fresh process, before and after it has started many of them.

python -m tests.bench.idle KIND COUNT       prints the bytes of one actor, all-in, and the processor time of all
"""

import asyncio
import gc
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import actorpar as ap

from .actors import TASK_AND_QUEUE, Counter
from .cases import NO_LOOP, ROOT, Case, Group, LoopFactory, peer
from .measure import Sample

STATM = Path("/proc/self/statm")

Start = Callable[[], Awaitable[object]]


@asynccontextmanager
async def _actorpar() -> AsyncIterator[Start]:
    async with ap.ActorSystem("bench") as system:
        yield lambda: system.spawn(Counter)


@asynccontextmanager
async def _task_and_queue() -> AsyncIterator[Start]:
    from .queue_actors import Counter

    async def start() -> object:
        return Counter()

    yield start


@asynccontextmanager
async def _xoscar() -> AsyncIterator[Start]:
    peers = peer(f"{__package__}.xoscar_actors")
    async with peers.pool() as actors:
        yield lambda: actors.create_plain(peers.Counter)


KINDS = {"actorpar": _actorpar, TASK_AND_QUEUE: _task_and_queue, "xoscar": _xoscar}


async def weigh(kind: str, count: int) -> None:
    """Start one actor, so that all that is loaded at the first is there, then weigh the others; never returns."""
    async with KINDS[kind]() as start:
        first = await start()
        before = resident()
        started = time.process_time()
        actors = [await start() for _ in range(count)]
        await asyncio.sleep(0)  # each task waits for its queue now
        seconds = time.process_time() - started
        print((resident() - before) / len(actors), seconds, flush=True)
        assert first is not None
        os._exit(0)  # how long a million takes to end in good order is another question


def resident() -> int:
    """Bytes of memory that this process uses."""
    gc.collect()
    if STATM.exists():
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(os.getpid())])) * 1024


def _case(kind: str, at_most: int, needs: tuple[str, ...] = ()) -> Case:
    def trial(items: int, loop_factory: LoopFactory) -> Sample:
        count, started = min(items, at_most), time.perf_counter()
        command = [sys.executable, "-m", "tests.bench.idle", kind, str(count)]
        told = subprocess.check_output(command, cwd=ROOT, text=True).split()
        return Sample(count, float(told[1]), time.perf_counter() - started, float(told[0]))

    return Case(kind, trial, needs)


def groups() -> list[Group]:
    return [
        Group(
            "memory of an idle actor",
            "resident memory of a fresh process for each actor, its reference kept: a million of ours, 100 000 tasks "
            "with a queue, 10 000 of xoscar",
            1_000_000,
            (_case(TASK_AND_QUEUE, 100_000), _case("actorpar", 1_000_000), _case("xoscar", 10_000, ("xoscar",))),
            unit="B",
            loops=(NO_LOOP,),
        )
    ]


if __name__ == "__main__":
    asyncio.run(weigh(sys.argv[1], int(sys.argv[2])))
