"""Ends that are given away belong to whoever gets them: as arguments (CH-63), or in items (NET-20)."""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Iterable
from typing import Any, TypeVar, cast

from .end import MOVED, End

T = TypeVar("T")


class Parcel:
    """Ends on their way to a new owner: all of them move, or none.

    `of_items`: they are found in the fields of dataclasses, Structs and NamedTuples too, and those that were closed or
    given away before stay what they are.
    """

    def __init__(self, *, of_items: bool = False) -> None:
        self._of_items = of_items
        self._moves: list[tuple[End, End]] = []

    @property
    def ends(self) -> tuple[End, ...]:
        """The new handles, in the order in which they were found."""
        return tuple(new for _, new in self._moves)

    def pack(self, value: T) -> T:
        """`value` with every end in it moved to a new handle.

        Ends are found where arguments carry them: as themselves, in lists, tuples, dicts and `functools.partial`s. What
        holds no end is returned as it is. Raises ChannelClosed or EndMoved for an end that cannot be given away.
        """
        return cast(T, self._pack(value))

    def unpack(self) -> None:
        """Give every end back to the handle it came from: the move did not take place."""
        for old, new in reversed(self._moves):
            old.core, new.core = new.core, MOVED
        self._moves.clear()

    def _pack(self, value: Any) -> Any:
        if isinstance(value, End):
            if self._of_items and value.closed:
                return value
            moved = value.move()
            self._moves.append((value, moved))
            return moved
        before = len(self._moves)
        packed: Any = value
        kind = type(value)
        if kind is list or kind is tuple:
            if _may_hold_ends(value):
                packed = kind([self._pack(part) for part in value])
        elif kind is dict:
            if _may_hold_ends(value.values()):
                packed = {key: self._pack(part) for key, part in value.items()}
        elif kind is functools.partial:
            packed = functools.partial(value.func, *self._pack(value.args), **self._pack(value.keywords))
        elif self._of_items:
            packed = self._pack_record(kind, value)
        return packed if len(self._moves) > before else value

    def _pack_record(self, kind: type, value: Any) -> Any:
        fields = fields_of(kind)
        if not fields:
            return value
        packed = {name: self._pack(getattr(value, name)) for name in fields if hasattr(value, name)}
        if not dataclasses.is_dataclass(kind):
            return kind(**packed)
        record = copy.copy(value)
        for name, part in packed.items():
            object.__setattr__(record, name, part)  # a frozen one, too
        return record


def fields_of(kind: type) -> tuple[str, ...]:
    """The names of the fields of a dataclass, a Struct or a NamedTuple; none of anything else."""
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    fields: tuple[str, ...] = getattr(kind, "__struct_fields__", ())
    return fields or (getattr(kind, "_fields", ()) if issubclass(kind, tuple) else ())


def _may_hold_ends(values: Iterable[Any]) -> bool:
    """True if one of the values is no plain data; a long list of numbers costs 30 ns for each."""
    return any(issubclass(kind, _CARRIERS) or fields_of(kind) for kind in set(map(type, values)))


_CARRIERS = (End, list, tuple, dict, functools.partial)
