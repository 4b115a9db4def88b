"""Where in a declared type large bytes may stand, so that they go beside the message: the item itself, or what a
tuple, list or dict holds, as the arguments of a call do. Bytes in the fields of classes stay in the message.

Such a type has two forms. Most batches hold nothing large and are decoded as what was declared. A batch that has
buffers is decoded as the other form, in which a stand-in takes the place of each bytes type.
"""

from __future__ import annotations

import abc
import operator
import types
from collections.abc import Callable
from typing import Any, Final, get_args, get_origin

from .buffers import BESIDE
from .types import is_union, is_untyped

#: Takes a value, and returns it with `Large` in the place of large bytes, or the very value if there are none.
Lift = Callable[[Any], Any]


class Large:
    """Bytes that go beside the message."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class StandIn(abc.ABC):
    """A bytes type whose values may have come beside the message."""

    cls: type


class AnyBytes(StandIn):
    """bytes"""

    cls = bytes


class AnyByteArray(StandIn):
    """bytearray"""

    cls = bytearray


class AnyView(StandIn):
    """memoryview"""

    cls = memoryview


STAND_INS: Final[dict[Any, type[StandIn]]] = {each.cls: each for each in (AnyBytes, AnyByteArray, AnyView)}
for _cls, _stand_in in STAND_INS.items():
    _stand_in.register(_cls)  # the decoder asks isinstance


def is_large(value: Any) -> bool:
    """True for bytes that go beside the message."""
    cls = type(value)
    if cls is memoryview:
        return bool(value.nbytes >= BESIDE)
    return (cls is bytes or cls is bytearray) and len(value) >= BESIDE


def with_stand_ins(declared: Any) -> Any:
    """The other form of a type; the type itself if it has no place for large bytes."""
    stand_in = STAND_INS.get(declared) if isinstance(declared, type) else None
    if stand_in is not None:
        return stand_in
    args = get_args(declared)
    if not args:
        return declared
    if _optional(declared) is not None:
        others = [with_stand_ins(arg) for arg in args]
        return declared if others == list(args) else others[0] | others[1]
    origin = get_origin(declared)
    if origin is tuple or origin is list or origin is dict:
        parts = tuple(arg if arg is ... else with_stand_ins(arg) for arg in args)
        if origin is dict:
            parts = (args[0], parts[1])
        return declared if parts == args else types.GenericAlias(origin, parts)
    return declared


def lift_of(declared: Any) -> Lift | None:
    """How large bytes are found in values of a type. None: it has no place for them."""
    if is_untyped(declared) or (isinstance(declared, type) and declared in STAND_INS):
        return _lift
    args, origin = get_args(declared), get_origin(declared)
    inner = _optional(declared)
    if inner is not None:
        return lift_of(inner)
    if origin is dict:
        lift = lift_of(args[1])
        return None if lift is None else _lift_values(lift)
    if origin is list or (origin is tuple and args[-1:] == (...,)):
        lift = lift_of(args[0])
        return None if lift is None else _lift_all(origin, lift)
    if origin is tuple:
        lifts = [lift_of(arg) for arg in args]
        return _lift_each(lifts) if any(lifts) else None
    return None


def _optional(declared: Any) -> Any:
    """What `T | None` may be beyond None; None if it is no such type."""
    args = get_args(declared)
    if is_union(declared) and len(args) == 2 and type(None) in args:
        return args[0] if args[1] is type(None) else args[1]
    return None


def _lift(value: Any) -> Any:
    return Large(value) if is_large(value) else value


def _lift_all(cls: type[list[Any]] | type[tuple[Any, ...]], lift: Lift) -> Lift:
    def all_of(value: Any) -> Any:
        if type(value) is not cls:
            return value
        parts = [lift(part) for part in value]
        return parts if any(map(operator.is_not, parts, value)) else value

    return all_of


def _lift_each(lifts: list[Lift | None]) -> Lift:
    def each_of(value: Any) -> Any:
        if type(value) is not tuple or len(value) != len(lifts):
            return value
        parts = [part if lift is None else lift(part) for lift, part in zip(lifts, value, strict=True)]
        return parts if any(map(operator.is_not, parts, value)) else value

    return each_of


def _lift_values(lift: Lift) -> Lift:
    def values_of(value: Any) -> Any:
        if type(value) is not dict:
            return value
        parts = {key: lift(part) for key, part in value.items()}
        return parts if any(parts[key] is not part for key, part in value.items()) else value

    return values_of
