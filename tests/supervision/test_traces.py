"""Random trees whose children take their time, and random events that overlap: every trace keeps the rules."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import actorpar as ap
from actorpar.actors.belongings import more_of
from actorpar.testing import live_processes, run_virtual

from . import grammar
from .acting import Boom, S
from .grammar import Step, Trace
from .trees import Branch, Leaf, Planter, Tree, branches, paths

pytestmark = pytest.mark.virtual_time

#: What happens, to whom, and seconds after what came before.
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(("fail", "fail", "kill", "kill", "finish", "work", "terminate", "start", "spoil")),
        st.integers(0, 30),
        st.sampled_from((0.0, 0.0, 0.3, 1.0, 4.0)),
    ),
    max_size=14,
)


class Recorder:
    """Writes the trace of a tree, and knows who is alive."""

    def __init__(self) -> None:
        self.trace = Trace()
        self.failing: Counter[str] = Counter()
        self.alive: dict[str, ap.ActorRef[Any]] = {}

    def made(self, actor: ap.Actor, path: str) -> None:
        cell = actor._cell
        self.write("made", path)
        self.alive[path] = cell
        more = more_of(cell)
        more.on_end = more.on_end or []
        more.on_end.append(lambda cell, reason: self.gone(path, reason))

    def gone(self, path: str, reason: ap.Reason) -> None:
        del self.alive[path]
        self.write("gone", path, reason)

    def write(self, what: grammar.What, path: str, reason: ap.Reason | None = None) -> None:
        self.trace.steps.append(Step(asyncio.get_running_loop().time(), what, path, reason))


class Node(ap.Actor):
    """A leaf that writes down its life."""

    def __init__(self, record: Recorder, path: str, tree: Leaf) -> None:
        self.record, self.path, self.tree = record, path, tree
        record.made(self, path)

    async def on_start(self) -> None:
        if self.tree.start_seconds:
            await asyncio.sleep(self.tree.start_seconds)
        if self.record.failing[self.path]:
            self.record.failing[self.path] -= 1
            raise Boom(self.path)
        self.record.write("ready", self.path)

    async def on_stop(self, reason: ap.Reason) -> None:
        self.record.write("stopping", self.path, reason)
        if self.tree.stop_seconds:
            await asyncio.sleep(self.tree.stop_seconds)

    def fail(self) -> None:
        raise Boom(self.path)

    def finish(self) -> None:
        self.ctx.stop()

    async def work(self) -> None:
        await asyncio.sleep(2.0)


class Inner(S):
    """A supervisor that writes down its life."""

    def __init__(self, record: Recorder, path: str, strategy: ap.Strategy) -> None:
        self.record, self.path = record, path
        record.made(self, path)
        super().__init__(strategy)

    async def on_start(self) -> None:
        await super().on_start()
        self.record.write("ready", self.path)

    async def _note_the_end(self) -> None:
        self.record.write("stopping", self.path, self._cell.stopping)
        await self._end_children()

    _stop_children = _note_the_end

    async def _restart(self, child: Any, reason: ap.Reason) -> None:
        self.record.write("attempt", self.path)
        await super()._restart(child, reason)


class Play:
    """A tree that is played with."""

    def __init__(self, tree: Branch) -> None:
        self.record = Recorder()
        self.planter = Planter(Node, Inner, self.record)
        self.tree = tree
        self.trees: dict[str, Tree] = dict(paths(tree, "r"))
        self.terminated: set[str] = set()

    async def run(self, events: list[tuple[str, int, float]]) -> None:
        async with ap.ActorSystem() as system:
            root = await system.spawn(Inner, self.record, "r", self.planter.strategy(self.tree, "r"), name="r")
            for what, who, pause in events:
                await asyncio.sleep(pause)
                self.happen(system, what, who)
            await asyncio.sleep(100.0)
            if root.is_alive():
                await self.check_quiet(root)
            await system.stop(root, timeout=None)
        assert system.killed == ()
        assert live_processes() == []

    def happen(self, system: ap.ActorSystem, what: str, who: int) -> None:
        """Let something happen to somebody, and do not wait for what follows."""
        if what == "spoil":
            self.record.failing[sorted(self.trees)[who % len(self.trees)]] += 1
            return
        known = [path for path in self.record.alive if path != "r"]
        if what == "start":
            known = [path for path in self.record.alive if isinstance(self.trees[path], Branch)]
        if not known:
            return
        path = known[who % len(known)]
        ref, tree = self.record.alive[path], self.trees[path]
        if what == "start":
            self.start(path, ref)
        elif what == "terminate":
            owner = self.record.alive.get(path.rpartition(".")[0])
            if owner is not None:  # it may be dead, and a killed child of it not yet
                self.terminated.add(path)
                owner.tell(S.terminate_child, path)
        elif what == "kill" or not isinstance(tree, Leaf):
            system.kill(ref)
        else:
            ref.tell(getattr(Node, what))

    def start(self, owner: str, ref: ap.ActorRef[Any]) -> None:
        branch = self.trees[owner]
        assert isinstance(branch, Branch)
        path = f"{owner}.{len(self.trees)}"
        tree: Tree = Leaf("permanent", start_seconds=1.0)
        if branch.strategy == "dynamic" and branch.children:
            tree = branch.children[len(self.trees) % len(branch.children)]
        self.trees.update(paths(tree, path))
        ref.tell(S.start_child, self.planter.child(tree, path))

    async def check_quiet(self, root: ap.ActorRef[S]) -> None:
        """When all is quiet, every permanent child runs, unless it was terminated."""
        for info in await root.ask(S.which_children):
            if info.restart == "permanent" and info.id not in self.terminated:
                assert info.state == "running", info
            if info.kind == "supervisor" and info.ref is not None:
                await self.check_quiet(info.ref)  # type: ignore[arg-type]


def check(tree: Branch, events: list[tuple[str, int, float]]) -> None:
    play = Play(tree)
    try:
        run_virtual(lambda: play.run(events))
        grammar.check(play.record.trace, play.trees)
    except AssertionError:
        print(play.record.trace)
        raise


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Crash reports of some thousand crashes are of no interest."""
    caplog.set_level(logging.CRITICAL, "actorpar")


@given(branches(timed=True), EVENTS)
@settings(max_examples=150, deadline=None)
def test_every_trace_of_a_random_tree_keeps_the_rules(tree: Branch, events: list[tuple[str, int, float]]) -> None:
    check(tree, events)
