"""Ends that are given to a process belong to it (CH-63)."""

from __future__ import annotations

import functools
from typing import Any

from .ends import End


def take_ends(value: Any, taken: list[End]) -> Any:
    """`value` with every end in it moved to a new handle, which is added to `taken`.

    Ends are found where arguments carry them: as themselves, in lists, tuples, dicts and `functools.partial`s.
    What holds no end is returned as it is.
    """
    if isinstance(value, End):
        moved = value.move()
        taken.append(moved)
        return moved
    before = len(taken)
    copy: Any = value
    kind = type(value)
    if kind is list or kind is tuple:
        copy = kind(take_ends(part, taken) for part in value)
    elif kind is dict:
        copy = {key: take_ends(part, taken) for key, part in value.items()}
    elif kind is functools.partial:
        copy = functools.partial(value.func, *take_ends(value.args, taken), **take_ends(value.keywords, taken))
    return copy if len(taken) > before else value
