"""Ends that are given to a process belong to it (CH-63)."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, TypeVar, cast

from .end import MOVED, End

T = TypeVar("T")


class Parcel:
    """Ends on their way to a new owner: all of them move, or none."""

    def __init__(self) -> None:
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
            moved = value.move()
            self._moves.append((value, moved))
            return moved
        before = len(self._moves)
        copy: Any = value
        kind = type(value)
        if kind is list or kind is tuple:
            if _may_hold_ends(value):
                copy = kind([self._pack(part) for part in value])
        elif kind is dict:
            if _may_hold_ends(value.values()):
                copy = {key: self._pack(part) for key, part in value.items()}
        elif kind is functools.partial:
            copy = functools.partial(value.func, *self._pack(value.args), **self._pack(value.keywords))
        return copy if len(self._moves) > before else value


def _may_hold_ends(values: Iterable[Any]) -> bool:
    """True if one of the values is an end or a container; a long list of numbers costs 30 ns for each."""
    return any(issubclass(kind, _CARRIERS) for kind in set(map(type, values)))


_CARRIERS = (End, list, tuple, dict, functools.partial)
