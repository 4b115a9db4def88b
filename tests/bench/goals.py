"""The figures the project promises, and what became of them in a run.

A goal is a ratio to a named contestant of the same group in the same run, or, where it has none, seconds or bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from .cases import DEFAULT, NO_LOOP, UVLOOP
from .session import Result

PROCESSES, TASKS, QUEUE = "actorpar, processes", "actorpar, tasks", "asyncio.Queue"
WAIT, SELECTOR, ONE_SHOT, AIOCHAN_SELECT = (
    "asyncio.wait over get()",
    "actorpar, Selector",
    "actorpar, one-shot",
    "aiochan select",
)

BLOCKING = "PyOpenCL, event.wait()"
BY_HAND, LOCAL = "task + asyncio.Queue", "xoscar, LocalActorRef"


@dataclass(frozen=True)
class Goal:
    """`limits` per kind of loop; `base` None makes the limit an absolute one, of a `figure` that is told in `unit`.

    With `over` both are counted by what they take more than that contestant.
    """

    group: str
    ours: str
    base: str | None
    limits: dict[str, float]
    figure: str = "p99"
    unit: str = "ms"
    over: str | None = None


@dataclass(frozen=True)
class Verdict:
    """One goal on one loop. `reached` None: not measured in this run."""

    goal: Goal
    loop: str
    limit: float
    reached: float | None

    @property
    def met(self) -> bool:
        """Whether it was measured and is within the limit."""
        return self.reached is not None and self.reached <= self.limit

    @property
    def of_the_limit(self) -> float | None:
        """1.0 is exactly the limit, less is better."""
        return None if self.reached is None else self.reached / self.limit


#: (shape, ours, base): at most. A rate of 1.2 times another is a time of 1/1.2 of it.
LINK, CHANNEL, TEAM = "actorpar, link", "actorpar, channel", "actorpar, team"
SEND, PICKLED = "mpi4py Send", "mpi4py send"
RANKS: dict[str, dict[tuple[str, str, str | None], float]] = {
    lane: {
        ("latency", LINK, SEND): link,
        ("latency", CHANNEL, SEND): channel,
        ("one way", CHANNEL, SEND): 1 / rate,
        ("one way", CHANNEL, PICKLED): 1 / 6,
        ("64 KiB", CHANNEL, SEND): 1 / middle,
        ("16 MiB", CHANNEL, SEND): 1 / large,
        ("allreduce", TEAM, "mpi4py allreduce"): 1.0,
        ("4 ranks on 2 cores, 64 B", "actorpar, auto", "actorpar, socket"): 1.0,
    }
    for lane, link, channel, rate, middle, large in (
        ("mpich", 3.5, 5.0, 1.2, 0.7, 0.9), ("openmpi", 5.0, 7.0, 0.75, 0.6, 0.75),
    )
}  # fmt: skip


def _both(limit: float) -> dict[str, float]:
    return {DEFAULT: limit, UVLOOP: limit}


GOALS = (
    Goal("rendezvous", PROCESSES, "aiochan", {UVLOOP: 1 / 3}),
    Goal("rendezvous", PROCESSES, "anyio", {UVLOOP: 1 / 10}),
    Goal("capacity 1", PROCESSES, QUEUE, {DEFAULT: 1 / 4, UVLOOP: 0.40}),
    Goal("capacity 64", PROCESSES, QUEUE, _both(0.52)),
    Goal("unbounded", PROCESSES, QUEUE, _both(1.0)),
    *(Goal(group, TASKS, QUEUE, _both(1.2)) for group in ("capacity 1", "capacity 64", "unbounded")),
    Goal("batches of 64", "actorpar, unbounded", QUEUE, _both(1 / 8)),
    Goal("ping-pong", PROCESSES, QUEUE, {UVLOOP: 0.45}),
    Goal("ring of 1000", PROCESSES, QUEUE, {UVLOOP: 0.45}),
    Goal("fan-in of 100", PROCESSES, QUEUE, {UVLOOP: 0.55}),
    Goal("select of 10, busy", SELECTOR, WAIT, _both(0.45)),
    Goal("select of 10, parking", SELECTOR, WAIT, _both(0.45)),
    Goal("select of 10, busy", ONE_SHOT, WAIT, _both(0.6)),
    Goal("select of 10, busy", SELECTOR, AIOCHAN_SELECT, _both(1 / 3)),
    Goal("select of 10, busy", ONE_SHOT, AIOCHAN_SELECT, _both(1 / 3)),
    Goal("thread to loop", "actorpar, receive_many", "call_soon_threadsafe per item", {DEFAULT: 0.1, UVLOOP: 0.3}),
    *(
        Goal(f"{probe} under load, {micros} us", PROCESSES, None, _both(0.005))
        for probe in ("timer", "echo")
        for micros in (0, 20)
    ),
    Goal("tell", "actorpar", BY_HAND, _both(0.55)),
    Goal("tell", "actorpar, teller", BY_HAND, _both(0.40)),
    Goal("tell", "actorpar", "pykka", _both(1 / 15)),
    Goal("tell", "actorpar", "xoscar, ActorRef", _both(1 / 40)),
    Goal("counters", "actorpar, counters on", "actorpar, counters off", _both(1.1)),
    Goal("ask", "actorpar, def", f"{LOCAL}, def", _both(1 / 5)),
    Goal("ask", "actorpar, async def", f"{LOCAL}, async def", _both(1 / 3)),
    Goal("spawn", "actorpar", BY_HAND, _both(1 / 8)),
    Goal("memory of an idle actor", "actorpar", None, {NO_LOOP: 500}, "each", "B"),
    Goal("one tell to each", "actorpar", None, _both(1e-6), "each", "us"),
    Goal("supervised restart", "actorpar, one_for_one", None, _both(50e-6), "each", "us"),
    Goal("pool, tasks of 1 ms", "actorpar", "one process", {NO_LOOP: 1 / 1.9}),
    Goal("pool, overhead", "actorpar", "multiprocessing.Pool, chunksize=1", {NO_LOOP: 1 / 3}),
    Goal("link, 64 B one way", "actorpar, pipe", "asyncio streams", {UVLOOP: 1 / 3}),
    Goal("link, 64 B one way", "actorpar, TCP", "asyncio streams", {UVLOOP: 1 / 4}),
    Goal("link, 64 B one way", "actorpar, pipe, send_many", "asyncio streams", {UVLOOP: 1 / 5}),
    Goal("link, 64 B one way", "actorpar, pipe", "pyzmq asyncio", {UVLOOP: 1 / 15}),
    Goal("link, 64 B one way", "actorpar, TCP", "pyzmq asyncio", {UVLOOP: 1 / 15}),
    Goal("link, 64 B one way, TLS", "actorpar, TLS", "asyncio streams, TLS", {UVLOOP: 1 / 3}),
    Goal("link, 64 B round trip", "actorpar, pipe", "asyncio streams", {UVLOOP: 0.8}),
    Goal("remote ask", "actorpar, pipe", "xoscar", {UVLOOP: 1 / 8}),
    Goal("1 000 channels on one link", "1 000 channels", "one channel", {UVLOOP: 1 / 0.4}),
    Goal(
        "1 000 channels on one link", "1 000 channels, 32 items ready", "one channel, 32 items ready", {UVLOOP: 1 / 0.9}
    ),
    Goal("pipeline across nodes", "two stages on two nodes", "direct link", {UVLOOP: 1 / 0.9}),
    Goal("link, 16 MiB", "actorpar, pipe, one copy", "C sockets", {UVLOOP: 0.7}),
    Goal("link, 16 MiB", "actorpar, TCP, between hosts", "C sockets, TCP", {UVLOOP: 1.1}),
    Goal("link, 16 MiB", "actorpar, pipe, empty_shared", None, {UVLOOP: 100e-6}, "each", "us"),
    *(
        Goal(f"ranks, {lane}, {shape}", ours, base, {NO_LOOP: limit})
        for lane, limits in RANKS.items()
        for (shape, ours, base), limit in limits.items()
    ),
    *(
        Goal(f"downloads, {size} files", "actorpar fetch", "aiohttp + semaphore, uvloop", {NO_LOOP: 1.05})
        for size in ("small", "large")
    ),
    *(Goal(f"ranks, {lane}, idle", "actorpar", None, {NO_LOOP: 0.005}, "share", "ms") for lane in RANKS),
    *(
        goal
        for ours in ("actorpar, gpu.done(queue)", "actorpar, gpu.done(event)")
        for goal in (
            Goal("devices, one by one", ours, None, {UVLOOP: 6e-6}, f"over {BLOCKING}", "us", over=BLOCKING),
            Goal("devices, one by one", ours, "PyOpenCL, set_callback", {UVLOOP: 1 / 10}, over=BLOCKING),
            Goal("devices, one by one", ours, "thread, event.wait()", {UVLOOP: 1 / 3}, over=BLOCKING),
        )
    ),
    *(
        Goal("devices, hand-over", f"actorpar, {size}", None, {UVLOOP: 10e-6}, "each", "us")
        for size in ("4 KiB", "64 MiB")
    ),
    Goal("import", "actorpar, and its channels used", "asyncio", {NO_LOOP: 1.4}),
)


def judge(results: Sequence[Result]) -> list[Verdict]:
    """Every goal whose group and loop were part of the run."""
    ran = {(result.group.name, result.loop): result for result in results}
    return [
        Verdict(goal, loop, limit, _reached(goal, ran[goal.group, loop]))
        for goal in GOALS
        for loop, limit in goal.limits.items()
        if (goal.group, loop) in ran
    ]


def _reached(goal: Goal, result: Result) -> float | None:
    if goal.over is None:
        return result.median(goal.ours) if goal.base is None else result.ratio(goal.ours, goal.base)
    ours = result.added(goal.ours, goal.over)
    theirs = 1.0 if goal.base is None else result.added(goal.base, goal.over)
    # What adds nothing is no measure for anything: so it is on a machine whose noise is larger than all of them.
    return None if ours is None or theirs is None or theirs <= 0 else ours / theirs
