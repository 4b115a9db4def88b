"""Ends that travel in items: an item that is sent belongs to its receiver, and so do the ends in it (NET-20).

The declared type tells once whether items may hold ends; where it does, each item passes through `moved` at the moment
it is sent. Where it does not, nothing is done and nothing looked at.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Callable
from typing import Any, get_args, get_origin

from .end import End
from .ownership import Parcel


def moved(item: Any) -> Any:
    """The item with every open end in it moved to a new handle; the handles that the sender has raise EndMoved."""
    return Parcel(of_items=True).pack(item)


def close_ends(item: Any) -> None:
    """Nobody will receive this item: close the ends in it."""
    parcel = Parcel(of_items=True)
    parcel.pack(item)
    for end in parcel.ends:
        end.close()


def mover_of(declared: Any) -> Callable[[Any], Any] | None:
    """`moved`, if items of the declared type may hold ends."""
    try:
        return moved if _holds_ends(declared) else None
    except TypeError:  # a type that cannot be hashed, such as Annotated[int, []]
        return moved if _search(declared, set()) else None


@functools.lru_cache(1024)
def _holds_ends(declared: Any) -> bool:
    return _search(declared, set())


def _search(declared: Any, seen: set[int]) -> bool:
    if isinstance(declared, str):  # an annotation that names what cannot be found from here
        return "Sender[" in declared or "Receiver[" in declared
    kind = get_origin(declared) or declared
    if isinstance(kind, type) and issubclass(kind, End):
        return True
    if any(_search(arg, seen) for arg in get_args(declared)):
        return True
    if not isinstance(kind, type) or id(kind) in seen or not is_record(kind):
        return False
    seen.add(id(kind))
    try:
        hints = typing.get_type_hints(kind)
    except Exception:  # it names what cannot be found from here
        return any(_search(hint, seen) for hint in kind.__annotations__.values())
    return any(_search(hint, seen) for hint in hints.values())


def is_record(kind: type) -> bool:
    """True for a class whose fields are declared: dataclass, msgspec.Struct, NamedTuple, TypedDict."""
    return (
        dataclasses.is_dataclass(kind)
        or hasattr(kind, "__struct_fields__")
        or hasattr(kind, "__total__")
        or (issubclass(kind, tuple) and hasattr(kind, "_fields"))
    )
