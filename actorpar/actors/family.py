"""The children of one supervisor, in start order, and what is done with several of them at once.

Invariant: a restart keeps a child's place; a new child comes last.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import operator
from collections.abc import Iterator
from typing import Any

from . import life
from .cell import Cell
from .child import ChildSpec
from .childprocess import kill_process
from .reason import SHUTDOWN, Reason
from .refusals import InvalidChild, UnknownChild
from .strategies import Strategy
from .supervised import Child


class Family:
    """The children of the supervisor `owner`."""

    def __init__(self, owner: Cell, strategy: Strategy) -> None:
        self._owner = owner
        self._strategy = strategy
        self._children: dict[str, Child] = {}
        self._serial = 0

    def __iter__(self) -> Iterator[Child]:
        return iter(list(self._children.values()))

    def __contains__(self, child: Child) -> bool:
        return self._children.get(child.id) is child

    def __len__(self) -> int:
        return len(self._children)

    def find(self, id: str) -> Child | None:
        """The child of this id."""
        return self._children.get(id)

    def get(self, id: str) -> Child:
        """The child of this id; UnknownChild if there is none."""
        child = self._children.get(id)
        if child is None:
            known = ", ".join(list(self._children)[:10]) or "none"
            raise UnknownChild(f"{self._owner.name} has no child {id!r}; its children: {known}")
        return child

    def adopt(self, spec: ChildSpec[Any]) -> Child:
        """Take a spec, which is not started yet; InvalidChild, DuplicateChild."""
        self._strategy.check(spec, self._children)
        if any(end.closed for end in spec.ends):
            raise InvalidChild(f"child {spec.label!r} owns channel ends, and they are closed: its spec was used before")
        id = spec.label
        if self._strategy.kind == "dynamic" and spec.id is None:
            self._serial += 1
            id = f"{id}-{self._serial}"
        child = self._children[id] = Child(self._owner, spec, id)
        return child

    def forget(self, child: Child) -> None:
        """The child is not one of them any more."""
        if child in self:
            del self._children[child.id]

    def concerned_by(self, child: Child) -> list[Child]:
        """Those who are restarted with the child, in start order (AC-38)."""
        kind = self._strategy.kind
        if kind in ("one_for_one", "dynamic"):
            return [child]
        children = list(self._children.values())
        return children if kind == "one_for_all" else children[children.index(child) :]

    async def stop_for_restart(self, child: Child, pending: object, reason: Reason) -> list[Child]:
        """Stop those who are restarted with the child, the last first; those who will be started again, in order.

        Temporary ones stay gone (AC-38).
        """
        members = self.concerned_by(child)
        for member in reversed(members):
            if member.body is not None:
                await member.stop("restart", Reason("shutdown", cause=reason))
            if member.spec.restart == "temporary":
                self.forget(member)
                member.give_up(None)
        members = [member for member in members if member.spec.restart != "temporary" and not member.is_over]
        for member in members:
            member.phase = "restarting"
            member.pending = pending
        return members

    async def stop_all(self, reason: Reason = SHUTDOWN) -> None:
        """Stop all children: the last first, one at a time; those of a dynamic supervisor all at once (AC-35)."""
        if self._strategy.kind == "dynamic":
            await self._stop_at_once(reason)
            return
        children = list(reversed(self._children.values()))
        for child in [each for each in children if each.order is not None]:
            await child.stop("stop", reason)  # it was told to stop before, and is the first to be waited for
        for child in children:
            await child.stop("stop", reason)

    async def _stop_at_once(self, reason: Reason) -> None:
        """Tell all to stop, and wait for all; each is killed when its own time is over, counted from now."""
        living = [child for child in self._children.values() if child.body is not None]
        for child in living:
            child.begin_to_stop("stop")
            if child.spec.shutdown == "kill":
                child.kill()
            elif isinstance(child.body, Cell):
                life.stop(child.body, reason)
            else:
                child.body.cancel(reason)  # type: ignore[union-attr]  # living
        when = operator.attrgetter("due")
        for due, same in itertools.groupby(sorted(living, key=when), when):
            await _end_within([child.body for child in same], due)
        await asyncio.gather(*[kill_process(child.body) for child in living if isinstance(child.body, asyncio.Future)])
        for child in living:
            if isinstance(child.body, Cell):
                await life.ended(child.body)
            await child.has_stopped(reason)


async def _end_within(refs: list[Any], deadline: float) -> None:
    """Wait for the end of all; at the deadline, in the time of the loop, the actors that are left are killed."""
    try:
        async with asyncio.timeout_at(None if deadline == math.inf else deadline):
            for ref in refs:
                await (life.ended(ref) if isinstance(ref, Cell) else asyncio.wait([ref]))
    except TimeoutError:
        for ref in refs:
            if isinstance(ref, Cell):
                life.kill(ref)
