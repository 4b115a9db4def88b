"""Every collective, written once over the steps of an engine: first all agree on the call, then what is large follows.

Each is a coroutine for one member. Where all that is asked for came with the records of the calls, nothing follows.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import msgspec

from . import calls, values
from .calls import Call, Told
from .engine import Engine, Parts
from .errors import InvalidCall, TeamMismatch
from .ops import Reduction, fold, prefixes
from .values import bytes_of, decode, encode, is_array


class Collectives:
    """The collectives of one member of a team."""

    def __init__(self, name: str, engine: Engine, rank: int, size: int) -> None:
        self._name = name
        self.engine = engine
        self._rank = rank
        self._size = size
        self._number = 0

    async def _agree(self, kind: str, alike: str, mine: Sequence[Parts] = (), of: str = "") -> list[Told]:
        """Call a collective, and hear what the others have called."""
        records = await self.engine.agree(calls.pack(Call(self._number, kind, alike, [], of), mine))
        self._number += 1  # not of a call that was refused before anything was sent
        return calls.unpack(self._name, records)

    async def places(self, mine: tuple[str, int]) -> list[tuple[str, int]]:
        """Where all members are. It is no call: what they do call is compared when they do."""
        told = await self.engine.agree(msgspec.msgpack.encode(mine))
        return [msgspec.msgpack.decode(each, type=tuple[str, int]) for each in told]

    # -- of any values

    async def barrier(self) -> None:
        await self._agree("barrier", "")

    async def broadcast(self, value: Any, root: int, declared: Any, out: Any) -> Any:
        mine = encode(value, declared) if self._rank == root else []
        name = values.name_of(declared) if self._rank == root or declared is not Any else ""
        told = await self._agree("broadcast", f"root={root}", [mine] if mine else [], name)
        self._check_types("broadcast", told, root)
        into: Parts = ()
        if told[root].is_small:
            parts = told[root].parts()
        else:
            sizes = told[root].call.sizes[0]
            if out is not None and self._rank != root and len(sizes) == 2 and sizes[1] == out.nbytes:
                into = (memoryview(bytearray(sizes[0])), bytes_of(out))
            parts = await self.engine.spread(root, mine, sizes, into)
        if self._rank == root:
            return value
        found = decode(parts, declared)
        return found if out is None else _into(out, found)

    def _check_types(self, kind: str, told: list[Told], root: int) -> None:
        """What the root gives must be what the others have said they want."""
        given = told[root].call.of
        for member, (call, *_) in enumerate(told):
            if call.of and call.of != given:
                raise TeamMismatch(
                    f"{self._name}: in {kind} the root, member {root}, gives {given}, and member {member} "
                    f"wants {call.of}: pass the same `of=`"
                )

    async def scatter(self, given: Sequence[Any] | None, root: int, declared: Any) -> Any:
        mine = [encode(value, declared) for value in given] if given is not None and self._rank == root else []
        name = values.name_of(declared) if self._rank == root or declared is not Any else ""
        told = await self._agree("scatter", f"root={root}", mine, name)
        self._check_types("scatter", told, root)
        if told[root].is_small:
            return decode(told[root].parts(self._rank), declared)
        sizes = {root: told[root].call.sizes[self._rank]}
        came = await self.engine.exchange(dict(enumerate(mine)), sizes, {})
        return decode(came[root], declared)

    async def collect(self, kind: str, alike: str, value: Any, declared: Any, root: int | None = None) -> Any:
        """The values of all, which have one type: at the root (None elsewhere), or at all if there is none."""
        mine = encode(value, declared)
        told = await self._agree(kind, alike, [mine])
        found = await self._gathered(mine, told, root)
        return None if found is None else [decode(parts, declared) for parts in found]

    async def gather(self, value: Any, root: int | None, declared: Any) -> list[Any] | None:
        """To one member, or to all."""
        kind, where = ("allgather", "") if root is None else ("gather", f"root={root}")
        found: list[Any] | None = await self.collect(
            kind, _named(where, values.name_of(declared)), value, declared, root
        )
        return found

    async def _gathered(self, mine: Parts, told: list[Told], root: int | None) -> list[Parts] | None:
        """The parts of all members, at the root or everywhere; only of those that are large something follows."""
        wants = root is None or root == self._rank
        large = {member for member, each in enumerate(told) if not each.is_small}
        takers = range(self._size) if root is None else (root,)
        out: dict[int, Parts] = dict.fromkeys(takers, tuple(mine)) if self._rank in large else {}
        sizes = {member: told[member].call.sizes[0] for member in sorted(large)} if wants else {}
        came = await self.engine.exchange(out, sizes, {}) if large else {}
        if not wants:
            return None
        return [came[member] if member in large else each.parts() for member, each in enumerate(told)]

    async def alltoall(self, given: Sequence[Any], declared: Any) -> list[Any]:
        mine = [encode(value, declared) for value in given]
        told = await self._agree("alltoall", values.name_of(declared), mine)
        large = {member for member, each in enumerate(told) if not each.is_small}
        out = dict(enumerate(mine)) if self._rank in large else {}
        sizes = {member: told[member].call.sizes[self._rank] for member in sorted(large)}
        came = await self.engine.exchange(out, sizes, {}) if large else {}
        found = [came[member] if member in large else each.parts(self._rank) for member, each in enumerate(told)]
        return [decode(parts, declared) for parts in found]

    # -- reductions

    async def reduce(self, value: Any, op: Reduction, name: str, root: int | None, out: Any) -> Any:
        """To one member, or to all."""
        kind, where = ("allreduce", "") if root is None else ("reduce", f"root={root}")
        if not is_array(value):
            alike = _named(name, values.name_of(type(value)), where)
            found = await self.collect(kind, alike, value, type(value), root)
            return None if found is None else fold(op, found)
        told = await self._arrays(kind, value, name, where)
        if not told[0].is_small:  # all have as many bytes
            return await self._reduce_slices(value, op, root, out)
        if root not in (None, self._rank):
            return None
        found = fold(op, _small_arrays(value, told))
        return _own(found) if out is None else _into(out, found)

    async def scan(self, value: Any, op: Reduction, name: str) -> Any:
        if not is_array(value):
            found = await self.collect("scan", _named(name, values.name_of(type(value))), value, type(value))
            return fold(op, found[: self._rank + 1])
        told = await self._arrays("scan", value, name, "")
        if not told[0].is_small:
            return await self._scan_slices(value, op)
        return _own(fold(op, _small_arrays(value, told[: self._rank + 1])))

    async def _arrays(self, kind: str, value: Any, name: str, where: str) -> list[Told]:
        """What all have told, whose arrays have one shape and dtype."""
        if value.dtype.hasobject:
            raise InvalidCall(f"{kind} of an array of {value.dtype}: only arrays of plain numbers are reduced")
        return await self._agree(kind, _named(name, values.shape_of(value), where), [[bytes_of(_contiguous(value))]])

    async def _slices(self, value: Any) -> tuple[list[Any], list[Any]]:
        """Of an array that all have: this member's slices for each member, and each member's slice for this one."""
        import numpy

        mine = numpy.array_split(_contiguous(value).reshape(-1), self._size)
        sizes = {member: [mine[self._rank].nbytes] for member in range(self._size)}
        out = {member: [bytes_of(part)] for member, part in enumerate(mine)}
        came = await self.engine.exchange(out, sizes, {})
        return mine, [_array(came[member][0], value.dtype) for member in range(self._size)]

    async def _reduce_slices(self, value: Any, op: Reduction, root: int | None, out: Any) -> Any:
        """Each member folds one slice of all arrays, in the order of ranks; then the slices are put together."""
        import numpy

        mine, theirs = await self._slices(value)
        folded = numpy.ascontiguousarray(fold(op, theirs), value.dtype)
        wants = root is None or root == self._rank
        result = (numpy.empty_like(value, order="C") if out is None else out) if wants else None
        takers = range(self._size) if root is None else (root,)
        return await self._put_together(mine, {taker: [bytes_of(folded)] for taker in takers}, result)

    async def _scan_slices(self, value: Any, op: Reduction) -> Any:
        import numpy

        mine, theirs = await self._slices(value)
        out: dict[int, Parts] = {
            member: [bytes_of(numpy.ascontiguousarray(prefix, value.dtype))]
            for member, prefix in enumerate(prefixes(op, theirs))
        }
        return await self._put_together(mine, out, numpy.empty_like(value, order="C"))

    async def _put_together(self, mine: Sequence[Any], out: dict[int, Parts], result: Any) -> Any:
        """Give slices away, and receive those of `result` where they belong; None: this member gets none."""
        import numpy

        into: dict[int, Parts] = {}
        sizes: dict[int, list[int]] = {}
        if result is not None:
            places = numpy.array_split(result.reshape(-1), self._size)
            into = {member: [bytes_of(place)] for member, place in enumerate(places)}
            sizes = {member: [part.nbytes] for member, part in enumerate(mine)}
        await self.engine.exchange(out, sizes, into)
        return result


@functools.lru_cache(256)
def _named(*words: str) -> str:
    return ", ".join(filter(None, words))


def _contiguous(array: Any) -> Any:
    import numpy

    return numpy.ascontiguousarray(array)


def _array(part: memoryview, dtype: Any) -> Any:
    import numpy

    return numpy.frombuffer(part, dtype)


def _small_arrays(value: Any, told: Sequence[Told]) -> list[Any]:
    """The arrays that have come with the records, of the shape of this one; they can only be read."""
    import numpy

    return [numpy.frombuffer(each.values, value.dtype).reshape(value.shape) for each in told]


def _own(array: Any) -> Any:
    """The array, in memory that is nobody else's."""
    return array if array.flags.owndata else array.copy()


def _into(out: Any, found: Any) -> Any:
    """The array in the memory that the caller has given."""
    values.checked_out(out, found)
    if found.ctypes.data != out.ctypes.data:
        out[...] = found
    return out
