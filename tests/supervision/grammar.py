"""What may happen in a supervision tree, and in which order: rules that any trace of events must keep.

An incarnation is made, then ready unless it cannot start, then perhaps stopping, then gone. The checks know nothing of
how the supervisor works; they read the trace of all actors of a tree from beginning to end.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Literal

import actorpar as ap

from .trees import Branch, Leaf, Tree

What = Literal["made", "ready", "stopping", "gone", "attempt"]

#: Seconds that a kill grants, and a little more.
GRACE = 0.3


@dataclass(frozen=True)
class Step:
    """Something that happened to the incarnation at a path. `attempt`: this supervisor decided to restart somebody."""

    time: float
    what: What
    path: str
    reason: ap.Reason | None = None

    @property
    def parent(self) -> str:
        return self.path.rpartition(".")[0]

    @property
    def ordered(self) -> bool:
        """True if a supervisor told it to stop; one that gives up says so in the detail of its reason."""
        return self.reason is not None and self.reason.kind == "shutdown" and self.reason.detail is None


@dataclass
class Trace:
    """All steps of a tree, in order."""

    steps: list[Step] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join(f"{step.time:8.3f} {step.path:10} {step.what} {step.reason or ''}" for step in self.steps)

    def lives(self, path: str) -> list[tuple[int, int]]:
        """The incarnations at a path: where in the trace each begins and ends."""
        places = [place for place, step in enumerate(self.steps) if step.path == path and step.what in ("made", "gone")]
        return list(zip(places[::2], places[1::2], strict=True))

    def during(self, life: tuple[int, int]) -> list[Step]:
        return self.steps[life[0] : life[1] + 1]


def check_incarnations(trace: Trace) -> None:
    """At most one incarnation at a path at a time, under a living parent, with nothing left of the last one."""
    alive: dict[str, Step] = {}
    for step in trace.steps:
        if step.what == "made":
            assert step.path not in alive, f"two incarnations of {step.path}"
            assert not step.parent or step.parent in alive, f"{step.path} without its parent"
            orphans = [path for path in alive if path.startswith(f"{step.path}.")]
            assert not orphans, f"{step.path} meets {orphans} of its last incarnation"
            alive[step.path] = step
        elif step.what == "gone":
            del alive[step.path]
            orphans = [path for path in alive if path.rpartition(".")[0] == step.path]
            killed = step.reason is not None and step.reason.kind == "killed"
            assert killed or not orphans, f"{step.path} ended before {orphans}"
        elif step.what != "attempt":
            assert step.path in alive, f"{step.path} is {step.what} and not alive"
    assert not alive, f"left alive: {sorted(alive)}"


def check_starts(trace: Trace, path: str, tree: Branch) -> None:
    """The first children start in order, each when the one before is ready (AC-34)."""
    for life in trace.lives(path):
        expected = [f"{path}.{place}" for place in range(len(tree.initial))]
        seen: list[str] = []
        ready: set[str] = set()
        for step in trace.during(life):
            if step.path == path and step.what in ("ready", "gone"):
                assert step.what == "gone" or seen == expected, f"{path} is ready, and had started {seen}"
                break
            if step.parent == path and step.what == "made":
                assert set(seen) <= ready, f"{step.path} started before {set(seen) - ready} was ready"
                seen.append(step.path)
                assert seen == expected[: len(seen)], f"{path} started {seen}"
            elif step.parent == path and step.what == "ready":
                ready.add(step.path)


def check_stops(trace: Trace, path: str, tree: Branch) -> None:
    """Children stop one at a time and, when their supervisor ends, in reverse order; dynamic ones at once (AC-35)."""
    for life in trace.lives(path):
        steps = trace.during(life)
        order: list[str] = []
        stopping: dict[str, float] = {}
        ending: float | None = None
        last: int | None = None
        for step in steps:
            if step.path == path and step.what == "stopping":
                ending = step.time
            if step.parent != path:
                continue
            if step.what == "made" and step.path not in order:
                order.append(step.path)
            elif step.what == "gone":
                stopping.pop(step.path, None)
            elif step.what == "stopping" and step.ordered and tree.strategy == "dynamic":
                pass
            elif step.what == "stopping" and step.ordered:
                assert not stopping, f"{step.path} is stopped while {stopping} is"
                stopping[step.path] = step.time
                if ending is not None:
                    place = order.index(step.path)
                    assert last is None or place < last, f"{path} stops {step.path} out of order"
                    last = place


def check_times(trace: Trace, path: str, leaf: Leaf) -> None:
    """A child that is told to stop is gone when its time is over (AC-36)."""
    if not isinstance(leaf.shutdown, float):
        return
    since: float | None = None
    for step in trace.steps:
        if step.path == path and step.what == "stopping" and step.ordered:
            since = step.time
        elif step.path == path and step.what == "gone":
            assert since is None or step.time - since <= leaf.shutdown + GRACE, f"{path} took {step.time - since} s"
            since = None


def check_restarts(trace: Trace, path: str, tree: Branch, trees: dict[str, Tree]) -> None:
    """Who comes back is who should (AC-37), and never more often than the supervisor allows (AC-39)."""
    alone = tree.strategy in ("one_for_one", "dynamic")
    for life in trace.lives(path):
        attempts: list[float] = []
        made: dict[str, int] = defaultdict(int)
        over: set[str] = set()
        done = False
        for step in trace.during(life):
            if step.what == "attempt" and step.path == path:
                attempts.append(step.time)
                done = sum(step.time - time <= tree.period for time in attempts) > tree.intensity
            if step.parent != path:
                continue
            restart = trees[step.path].restart
            if step.what == "made":
                assert not done, f"{path} had had enough, and started {step.path}"
                assert step.path not in over, f"{step.path} is {restart} and came back"
                made[step.path] += 1
                assert restart != "temporary" or made[step.path] == 1, f"{step.path} is temporary and came back"
                restarts = sum(made.values()) - len(made)
                assert not alone or restarts <= len(attempts), f"{path} did not count a restart of {step.path}"
            elif step.what == "gone" and alone and restart == "transient":
                assert step.reason is not None
                if not step.reason.abnormal:
                    over.add(step.path)
        given_up = trace.steps[life[1]].reason
        if given_up is not None and "restarts in" in str(given_up.detail):
            assert done, f"{path} gave up too early"


def check(trace: Trace, trees: dict[str, Tree]) -> None:
    """All rules."""
    check_incarnations(trace)
    for path, tree in trees.items():
        if isinstance(tree, Branch):
            check_starts(trace, path, tree)
            check_stops(trace, path, tree)
            check_restarts(trace, path, tree, trees)
        else:
            check_times(trace, path, tree)
