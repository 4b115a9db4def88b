"""The steps of a team whose members are on ranks of MPI of their own: by messages with the tag of the team.

They are begun without waiting, between the memory of the members, and looked at by the poller of the rank; so no copy
is made, and nothing blocks. MPI's own collectives would need a communicator for each team, whose making blocks a rank
until all others of the team have come, in one order for all teams; and in them a mismatch hangs or is taken for data.

Invariants
- A message is received with the size that its sender has said, or within the room that every record has.
- Messages of two members with one tag do not overtake each other (MPI 4.1, 3.5), and each team has a tag of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..channels.runqueue import run_queue
from .engine import Parts, tree
from .errors import InvalidCall, TeamBroken
from .mesh import GRACE, Mesh

if TYPE_CHECKING:
    from ..nodes.mpi.poller import Awaited, Poller
    from ..nodes.mpi.ranks import Ranks

#: Bytes of a record, for a team of one; and more for each member.
RECORD: Final = 2048
EACH: Final = 64
#: Bytes of one message: MPI counts up to 2^31.
PIECE: Final = 1 << 30


def here() -> Ranks | None:
    """The ranks, if this process is one of them and all its pairs are linked by MPI's messages."""
    module = sys.modules.get("actorpar.nodes.mpi.ranks")
    ranks: Ranks | None = getattr(module, "current", None)
    return None if ranks is None or ranks.takes_sockets else ranks


def place_here() -> tuple[str, int]:
    """The job of which this process is a rank, and which; or nothing."""
    ranks = here()
    return ("", -1) if ranks is None else (ranks.job, ranks.world.rank)


def by_ranks(mesh: Mesh, tag: int, places: Sequence[tuple[str, int]]) -> RankSteps | None:
    """The steps over MPI, if all members are on ranks of their own that MPI links; otherwise None, at all of them."""
    ranks = here()
    numbers = [number for _, number in places]
    if ranks is None or tag < 0 or len(set(numbers)) < len(numbers) or any(job != ranks.job for job, _ in places):
        return None
    return RankSteps(mesh, ranks.poller, ranks.tag(tag), numbers)


class RankSteps:
    """The steps over MPI. `numbers` are the ranks of the members in MPI, by their ranks in the team."""

    is_quick = True

    def __init__(self, mesh: Mesh, poller: Poller, tag: int, numbers: Sequence[int]) -> None:
        self._poller = poller
        self._wire = poller.wire
        self._tag = tag
        self._numbers = numbers
        self._size = len(numbers)
        self._rank = mesh.rank
        self._room = RECORD + EACH * self._size
        self._under_way: Awaited | None = None
        self._waits_for: set[int] = set()
        self._gone: dict[int, TeamBroken] = {}
        self.awaits: tuple[int, bool] | None = None
        mesh.watch(self._has_ended)

    async def agree(self, record: bytes) -> list[bytes]:
        if len(record) > self._room - 4:
            raise InvalidCall(f"a call of {len(record)} bytes, and {self._room - 4} may be said: too many arrays")
        records = [len(record).to_bytes(4, "little") + record]
        while (have := len(records)) < self._size:
            count = min(have, self._size - have)
            source = (self._rank + have) % self._size
            came = memoryview(bytearray(self._room * count))
            out = b"".join(records[:count])
            self.awaits = source, have == 1
            await self._pass([(self._rank - have) % self._size], [out], [source], [came])
            records += _cut(came, count)
        self.awaits = None
        first = self._size - self._rank
        return [each[4:] for each in (*records[first:], *records[:first])]

    async def exchange(
        self, out: Mapping[int, Parts], sizes: Mapping[int, Sequence[int]], into: Mapping[int, Parts]
    ) -> dict[int, list[memoryview]]:
        taken: dict[int, list[memoryview]] = {}
        to: list[int] = []
        data: list[memoryview] = []
        sources: list[int] = []
        places: list[memoryview] = []
        for member, lengths in sizes.items():
            taken[member] = list(into.get(member, ())) or [memoryview(bytearray(size)) for size in lengths]
            if member == self._rank:
                for place, part in zip(taken[member], out[member], strict=True):
                    place[:] = part
                continue
            for place in taken[member]:
                sources += [member] * _pieces(place)
                places += _cut_up(place)
        for member, parts in out.items():
            for part in parts if member != self._rank else ():
                to += [member] * _pieces(part)
                data += _cut_up(part)
        await self._pass(to, data, sources, places)
        return taken

    async def spread(self, root: int, parts: Parts, sizes: Sequence[int], into: Parts) -> list[memoryview]:
        parent, children = tree(self._rank, root, self._size)
        mine = list(parts) if parent is None else list(into) or [memoryview(bytearray(size)) for size in sizes]
        pieces = [piece for part in mine for piece in _cut_up(part)]
        if parent is not None:
            await self._pass([], [], [parent] * len(pieces), pieces)
        await self._pass([child for child in children for _ in pieces], pieces * len(children), [], [])
        return mine

    async def _pass(self, to: list[int], data: Sequence[Any], sources: list[int], places: list[memoryview]) -> None:
        """Send and receive so many pieces, and wait until all have left and come."""
        if self._gone:
            for source in sources:
                if source in self._gone:
                    raise self._gone[source]
        receives = [
            self._wire.receive_by_tag(self._numbers[source], self._tag, place)
            for source, place in zip(sources, places, strict=True)
        ]
        sends = [
            self._poller.send_by_tag(self._numbers[member], self._tag, piece)
            for member, piece in zip(to, data, strict=True)
        ]
        if self._poller.have_passed(sends, receives):
            return
        self._waits_for = set(sources)
        self._under_way = self._poller.await_all(sends, receives)
        await self._under_way.done
        self._under_way = None
        self._waits_for = set()

    def _has_ended(self, member: int, why: TeamBroken) -> None:
        """A member sends nothing more; what it has sent may still be on its way."""
        run_queue().loop.call_later(GRACE, self._fail, member, why)

    def _fail(self, member: int, why: TeamBroken) -> None:
        self._gone[member] = why
        if member in self._waits_for and self._under_way is not None:
            self._under_way.give_up(why)


def _pieces(part: memoryview) -> int:
    return -(-len(part) // PIECE)


def _cut_up(part: memoryview) -> list[memoryview]:
    return [part[at : at + PIECE] for at in range(0, len(part), PIECE)]


def _cut(came: memoryview, count: int) -> list[bytes]:
    """Records that came one behind the other."""
    found, at = [], 0
    for _ in range(count):
        size = 4 + int.from_bytes(came[at : at + 4], "little")
        found.append(bytes(came[at : at + size]))
        at += size
    return found
