"""Depth-first search through every order in which a small world can run, with a cancel at any point.

A coroutine cannot be copied, so a state is reached again by building the world anew and replaying the actions that led
to it. States are told apart by a fingerprint of everything that decides what happens next; one that was seen is not
entered twice, so the search is exhaustive and ends.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from actorpar.channels.process import Process
from actorpar.channels.waiters import Waiter

from .world import World, stepped_by_hand

Action = tuple[str, str]


class Explored(NamedTuple):
    """What a finished search has seen."""

    states: int
    steps: int
    schedules: int

    def __str__(self) -> str:
        return f"{self.states} states, {self.schedules} schedules, {self.steps} steps"


class Violation(AssertionError):
    """A rule does not hold; `trace` is the sequence of actions that shows it."""

    def __init__(self, rule: str, trace: list[Action]) -> None:
        super().__init__(f"{rule}\n  after: " + ", ".join(f"{kind} {name}" for kind, name in trace))
        self.trace = trace


def explore(
    build: Callable[[World], None],
    check: Callable[[World, bool], str | None],
    *,
    cancels: int = 1,
    most_states: int = 20_000,
) -> Explored:
    """Enter every state of the world that `build` makes, and apply `check(world, at_rest)` to each.

    Raises Violation for the first rule that `check` names, and RuntimeError beyond `most_states`, for a search that
    was cut short proves nothing.
    """
    seen: set[Any] = set()
    open_traces: list[list[Action]] = [[]]
    steps = schedules = 0
    with stepped_by_hand():
        while open_traces:
            trace = open_traces.pop()
            world = World()
            world.cancels = cancels
            build(world)
            try:
                for action in trace:
                    world.perform(*action)
                steps += len(trace)
                while (state := fingerprint(world)) not in seen:
                    seen.add(state)
                    if len(seen) > most_states:
                        raise RuntimeError(f"more than {most_states} states")
                    actions = world.actions()
                    at_rest = all(kind == "cancel" for kind, _ in actions)
                    schedules += at_rest
                    if (broken := check(world, at_rest)) is not None:
                        raise Violation(broken, trace)
                    if not actions:
                        break
                    open_traces += [[*trace, action] for action in actions[1:]]
                    trace = [*trace, actions[0]]
                    world.perform(*actions[0])
                    steps += 1
            finally:
                world.close()
    return Explored(len(seen), steps, schedules)


def fingerprint(world: World) -> tuple[Any, ...]:
    """Everything that decides how the world goes on. Locals of coroutines follow from their place and their logs."""
    return (
        world.cancels,
        world.permits,
        tuple(world.fate.items()),
        tuple((name, *log) for name, log in world.received.items()),
        tuple(world.undelivered),
        tuple(describe_runner(runner) for runner in (*world.processes.values(), *world.tasks.values())),
        tuple(sorted(process.get_name() for process in world.queue.ready)),
        tuple(sorted(describe_callback(entry[0]) for entry in world.loop.callbacks)),
        world.queue.lent,
        tuple(selector._first for selector in world.selectors),
        tuple(describe_core(core) for core in world.cores),
    )


def describe_runner(runner: Any) -> tuple[Any, ...]:
    places = tuple((frame.f_code.co_name, frame.f_lasti) for frame in frames(runner))
    if isinstance(runner, Process):
        return (places, runner.waiter.state, runner.step.__name__, runner._must_cancel, runner.done())
    return (places, runner._must_cancel, runner.done(), runner._fut_waiter is not None and runner._fut_waiter.done())


def describe_callback(callback: Any) -> tuple[str, str]:
    owner = getattr(callback, "__self__", None)
    return (owner.get_name() if isinstance(owner, asyncio.Future) else "", getattr(callback, "__name__", "step"))  # type: ignore[attr-defined]


def describe_core(core: Any) -> tuple[Any, ...]:
    return (
        core.failure,
        tuple(core.buffer),
        core.held,
        core.limit,
        tuple(describe_waiter(waiter) for waiter in core.senders),
        tuple(describe_waiter(waiter) for waiter in core.receivers),
        tuple(describe_waiter(waiter) for waiter in getattr(core, "claimed", ())),
    )


def describe_waiter(waiter: Waiter) -> tuple[str, int, int]:
    sleeper: Any = waiter.sleeper()
    return (sleeper.get_name(), waiter.state, getattr(waiter, "index", -1))


def frames(runner: Any) -> Iterator[types.FrameType]:
    """Where a process or task stands, outermost frame first."""
    inner: Any = None if runner.done() else runner.get_coro()
    while inner is not None:
        frame = getattr(inner, "cr_frame", None) or getattr(inner, "gi_frame", None)
        if frame is None:
            return
        yield frame
        inner = getattr(inner, "cr_await", None) or getattr(inner, "gi_yieldfrom", None)
