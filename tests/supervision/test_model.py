"""Random trees and random events: what runs afterwards is what a supervisor made of lists says (AC-34 … AC-44)."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import actorpar as ap
from actorpar.testing import run_virtual

from .acting import Boom, S
from .model import Child, End, Model, end_of, supervisors
from .trees import Branch, Leaf, Planter, branches

pytestmark = pytest.mark.virtual_time

#: What may happen, to whom (the number of a child, in the order of the tree), and seconds after what came before.
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(("fail", "fail", "kill", "finish", "stop", "terminate", "restart", "delete", "start", "spoil")),
        st.integers(0, 30),
        st.sampled_from((0.1, 1.0, 3.0, 10.0)),
    ),
    max_size=12,
)


class Node(ap.Actor):
    """A leaf that starts unless it is spoilt."""

    def __init__(self, failing: Counter[str], path: str, tree: Leaf) -> None:
        if failing[path]:
            failing[path] -= 1
            raise Boom(path)

    def fail(self) -> None:
        raise Boom

    def finish(self) -> None:
        self.ctx.stop()


class Inner(S):
    """A supervisor that is made like a leaf."""

    def __init__(self, failing: Counter[str], path: str, strategy: ap.Strategy) -> None:
        super().__init__(strategy)


class Play:
    """A real tree and its model, to which the same things happen."""

    def __init__(self, system: ap.ActorSystem, tree: Branch) -> None:
        self.system = system
        self.real: Counter[str] = Counter()
        self.planter = Planter(Node, Inner, self.real)
        self.model: Model | None = Model("r", tree, Counter())
        self.tree = tree
        self.added = 0

    async def begin(self) -> None:
        assert self.model is not None
        assert self.model.starts()
        strategy = self.planter.strategy(self.tree, "r")
        self.root: ap.ActorRef[S] = await self.system.spawn(Inner, self.real, "r", strategy, name="r")

    async def happen(self, what: str, who: int) -> None:
        """Let one thing happen to one child of the tree, in both."""
        assert self.model is not None
        if what == "start":
            await self.start(supervisors(self.model)[who % len(supervisors(self.model))])
            return
        known = [(owner, child) for owner in supervisors(self.model) for child in owner.children]
        if not known:
            return
        owner, child = known[who % len(known)]
        if what == "spoil":
            self.real[child.path] += 1
            self.model.failing[child.path] += 1
        elif what in ("terminate", "restart", "delete"):
            await self.change(what, owner, child)
        elif child.runs:
            await self.end(what, owner, child)

    async def end(self, what: str, owner: Model, child: Child) -> None:
        ref: Any = self.system.registry.find(child.path)
        end: End = "abnormal"
        if what == "kill" or (what == "fail" and not isinstance(child.tree, Leaf)):
            self.system.kill(ref)
        elif what == "fail":
            ref.tell(Node.fail)
        elif what == "finish" and isinstance(child.tree, Leaf):
            ref.tell(Node.finish)
            end = "normal"
        else:
            await self.system.stop(ref)
            end = "shutdown"
        assert self.model is not None
        if not end_of(self.model, owner, child, end, self.now()):
            self.model = None

    async def change(self, what: str, owner: Model, child: Child) -> None:
        expected: type[Exception] | None = None
        if what == "terminate":
            child.runs = None
            if child.tree.restart == "temporary" or owner.tree.strategy == "dynamic":
                owner.children.remove(child)
        elif child.runs:
            expected = ap.ChildRunning
        elif what == "delete":
            owner.children.remove(child)
        elif not owner.start(child):
            expected = ap.ChildStartFailed
        await self.ask(owner, getattr(S, f"{what}_child"), child.path, expected)

    async def start(self, owner: Model) -> None:
        """One more child: the next of a dynamic supervisor's, or a leaf."""
        self.added += 1
        tree = Leaf("transient")
        if owner.tree.children and owner.tree.strategy == "dynamic":
            tree = owner.tree.children[self.added % len(owner.tree.children)]  # type: ignore[assignment]
        path = f"{owner.path}.x{self.added}"
        spec = self.planter.child(tree, path)
        child = Child(path, tree)
        expected = None if owner.start(child) else ap.ChildStartFailed
        if expected is None:
            owner.children.append(child)
        await self.ask(owner, S.start_child, spec, expected)

    async def ask(self, owner: Model, message: Any, argument: Any, expected: type[Exception] | None) -> None:
        ref: Any = self.system.registry.find(owner.path)
        if expected is None:
            await ref.ask(message, argument)
        else:
            with pytest.raises(expected):
                await ref.ask(message, argument)

    async def snapshot(self, ref: Any) -> list[Any]:
        told = []
        for info in await ref.ask(S.which_children):
            assert info.state in ("running", "stopped")
            assert (info.ref is not None) == (info.state == "running")
            runs: Any = info.ref is not None
            if info.kind == "supervisor" and runs:
                runs = await self.snapshot(info.ref)
            told.append((info.id, runs))
        return told

    def now(self) -> float:
        return asyncio.get_running_loop().time()


def check(tree: Branch, events: list[tuple[str, int, float]]) -> None:
    async def main() -> None:
        async with ap.ActorSystem() as system:
            play = Play(system, tree)
            await play.begin()
            for what, who, pause in events:
                await asyncio.sleep(pause)
                await play.happen(what, who)
                await asyncio.sleep(0.001)
                assert play.root.is_alive() == (play.model is not None)
                if play.model is None:
                    break
                assert await play.snapshot(play.root) == play.model.snapshot()
        assert system.killed == ()
        assert system.registry.names() == []

    run_virtual(main)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Crash reports of some thousand crashes are of no interest."""
    caplog.set_level(logging.CRITICAL, "actorpar")


@given(branches(), EVENTS)
@settings(max_examples=150, deadline=None)
def test_what_runs_is_what_the_list_model_says(tree: Branch, events: list[tuple[str, int, float]]) -> None:
    check(tree, events)
