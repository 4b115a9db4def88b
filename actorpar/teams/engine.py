"""How the members of one team exchange what they have: the steps of which every collective is made.

A collective begins with `agree`: each member gets a small record of every other one. So all know what the others have
called, whether it fits, and how large what follows will be; nobody is more than one collective ahead of anybody; and
what is small has travelled already. What is large follows by `exchange` or `spread`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from .mesh import Mesh

#: What one member gives to another: pieces of memory, read only.
Parts = Sequence[memoryview]


class Engine(Protocol):
    """The steps. Members are named by their rank in the team."""

    #: True if steps mostly end without a wait, so that a collective is worth beginning in the step of its caller.
    is_quick: bool
    #: Whom this member waits for, and whether it is still to call what this member has called; None: for nobody.
    awaits: tuple[int, bool] | None

    async def agree(self, record: bytes) -> list[bytes]:
        """The records of all members, by rank. It ends once all have come."""
        raise NotImplementedError

    async def exchange(
        self, out: Mapping[int, Parts], sizes: Mapping[int, Sequence[int]], into: Mapping[int, Parts]
    ) -> dict[int, list[memoryview]]:
        """Give parts to some members and take those of others, whose sizes are known.

        What comes is this member's own: it stands where `into` says, or in memory of its own. What was given is free
        when this returns.
        """
        raise NotImplementedError

    async def spread(self, root: int, parts: Parts, sizes: Sequence[int], into: Parts) -> list[memoryview]:
        """Give the parts of `root`, which all know the sizes of, to all."""
        raise NotImplementedError


class Channels:
    """The steps over channels, for members anywhere.

    agree     dissemination: in step k each member passes on what it has to the one 2^k before it, so all have all after
              ceil(log2 n) steps (Bruck et al., 1997)
    spread    a binomial tree
    exchange  each to each directly; whoever has taken what it got says so, so that the giver may use its memory again
    """

    is_quick = False

    def __init__(self, mesh: Mesh, tag: str, members: Sequence[int]) -> None:
        self._mesh = mesh
        self._tag = tag
        self._members = members
        self._size = len(members)
        self._rank = members.index(mesh.rank)
        self.awaits: tuple[int, bool] | None = None

    async def _send(self, to: int, parts: Parts) -> None:
        await self._mesh.send(self._members[to], self._tag, list(parts))

    async def _receive(self, source: int, *, first: bool = False) -> list[memoryview]:
        self.awaits = source, first
        parts = await self._mesh.receive(self._members[source], self._tag)
        self.awaits = None
        return parts

    async def agree(self, record: bytes) -> list[bytes]:
        records = [memoryview(record)]  # of this rank, and of those behind it
        while (have := len(records)) < self._size:
            await self._send((self._rank - have) % self._size, records[: self._size - have])
            records += await self._receive((self._rank + have) % self._size, first=have == 1)
        first = self._size - self._rank
        return [bytes(each) for each in (*records[first:], *records[:first])]

    async def exchange(
        self, out: Mapping[int, Parts], sizes: Mapping[int, Sequence[int]], into: Mapping[int, Parts]
    ) -> dict[int, list[memoryview]]:
        for to, parts in out.items():
            if to != self._rank:
                await self._send(to, [part.toreadonly() for part in parts])
        taken: dict[int, list[memoryview]] = {}
        for source in sizes:
            if source == self._rank:
                taken[source] = own([part.toreadonly() for part in out[source]], into.get(source, ()))
                continue
            taken[source] = own(await self._receive(source), into.get(source, ()))
            await self._send(source, [])
        for to in out:
            if to != self._rank:
                await self._receive(to)
        return taken

    async def spread(self, root: int, parts: Parts, sizes: Sequence[int], into: Parts) -> list[memoryview]:
        parent, children = tree(self._rank, root, self._size)
        mine = list(parts) if parent is None else own(await self._receive(parent), into)
        for child in children:
            await self._send(child, [part.toreadonly() for part in mine])
        if parent is not None:
            await self._send(parent, [])
        for child in children:
            await self._receive(child)
        return mine


def tree(rank: int, root: int, size: int) -> tuple[int | None, list[int]]:
    """In the binomial tree below `root`: from whom a member gets, None at the root, and to whom it gives."""
    place = (rank - root) % size
    bit = 1
    while bit < size and not place & bit:
        bit <<= 1
    parent = (place - bit + root) % size if place else None
    children = []
    while bit := bit >> 1:
        if place + bit < size:
            children.append((place + bit + root) % size)
    return parent, children


def own(parts: Parts, into: Parts = ()) -> list[memoryview]:
    """What came, in memory of this member: a part that another one still has is read only."""
    if into:
        for place, part in zip(into, parts, strict=True):
            place[:] = part
        return list(into)
    return [memoryview(bytearray(part)) if part.readonly else part for part in parts]
