"""Channel ends of a child spec: the spec owns them, and each incarnation of the child gets clones (CH-63).

A spec of a supervisor holds the specs of its children in turn, so these are cloned along: an incarnation of the inner
supervisor may close its own for good, and the next one still has some.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any

from ..channels.end import End


class Lender:
    """An argument that owns ends, or whose parts do: a child spec, or a strategy with its specs."""

    __slots__ = ()

    @property
    def ends(self) -> tuple[End, ...]:
        """The ends that it owns."""
        raise NotImplementedError

    def lent(self) -> Lender:
        """A copy that owns clones of them (CH-63)."""
        raise NotImplementedError


def ends_in(value: Any) -> Iterator[End]:
    """The ends in a value, where arguments carry them: itself, in lists, tuples, dicts, partials and specs."""
    if isinstance(value, End):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from ends_in(part)
    elif isinstance(value, dict):
        yield from ends_in(list(value.values()))
    elif isinstance(value, functools.partial):
        yield from ends_in([value.args, value.keywords])
    elif isinstance(value, Lender):
        yield from value.ends


def lend(value: Any) -> Any:
    """The value with a clone in the place of every end; raises ChannelClosed, with no clone left open."""
    clones: list[End] = []
    try:
        return _lend(value, clones)
    except BaseException:
        close(clones)
        raise


def _lend(value: Any, clones: list[End]) -> Any:
    if isinstance(value, End):
        clone = value.clone()
        clones.append(clone)
        return clone
    kind = type(value)
    if kind is list or kind is tuple:
        return kind([_lend(part, clones) for part in value])
    if kind is dict:
        return {key: _lend(part, clones) for key, part in value.items()}
    if kind is functools.partial:
        return functools.partial(value.func, *_lend(value.args, clones), **_lend(value.keywords, clones))
    if isinstance(value, Lender) and value.ends:
        copy = value.lent()
        clones.extend(copy.ends)
        return copy
    return value


def close(ends: Iterable[End], failure: BaseException | None = None) -> None:
    """Close the ends that are open; with a failure they end abnormally (CH-21)."""
    for end in ends:
        if not end.closed:
            if failure is None:
                end.close()
            else:
                end.lose(failure)
