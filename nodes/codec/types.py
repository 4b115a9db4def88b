"""What is asked about a declared type: its name, its outer classes, and what may be inside."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import types
import typing
from collections.abc import Iterator
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin

from .port import PORTABLE

_UNTYPED: Final = (Any, object)
#: Abstract types whose values are encoded as arrays and maps.
_ABSTRACT: Final = {
    collections.abc.Sequence: (list, tuple),
    collections.abc.Iterable: (list, tuple, set, frozenset),
    collections.abc.Collection: (list, tuple, set, frozenset),
    collections.abc.Mapping: (dict,),
    collections.abc.MutableMapping: (dict,),
    collections.abc.MutableSequence: (list,),
    collections.abc.Set: (set, frozenset),
}


def is_untyped(declared: Any) -> bool:
    """True where the declaration says nothing: Any, object, a type variable."""
    return declared in _UNTYPED or isinstance(declared, TypeVar)


def name_of(declared: Any) -> str:
    """A text of a type that is the same on every node that imports the same code."""
    if is_untyped(declared):
        return "Any"
    if declared is None or declared is type(None):
        return "None"
    origin, args = get_origin(declared), get_args(declared)
    if origin is Union or origin is types.UnionType:
        return " | ".join(sorted(map(name_of, args)))
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, args))}]"
    if origin is typing.Annotated:
        return name_of(args[0])
    if origin is not None:
        return f"{_plain_name(origin)}[{', '.join('...' if a is ... else name_of(a) for a in args)}]"
    return _plain_name(declared)


def _plain_name(cls: Any) -> str:
    module, name = getattr(cls, "__module__", ""), getattr(cls, "__qualname__", None) or repr(cls)
    return name if module in ("builtins", "") else f"{module}.{name}"


def outer_types(declared: Any) -> tuple[type, ...] | None:
    """The classes of which one must be the item's; None where that cannot be told."""
    if is_untyped(declared):
        return None
    if declared is None:
        return (type(None),)
    origin, args = get_origin(declared), get_args(declared)
    if origin is Union or origin is types.UnionType:
        found: list[type] = []
        for arg in args:
            outer = outer_types(arg)
            if outer is None:
                return None
            found += outer
        return tuple(dict.fromkeys(found))
    if origin is Literal:
        return tuple({type(value) for value in args})
    if origin is typing.Annotated:
        return outer_types(args[0])
    cls = origin or declared
    if hasattr(cls, "__supertype__"):
        return outer_types(cls.__supertype__)
    if typing.is_typeddict(cls):
        return (dict,)
    if cls in _ABSTRACT:
        return _ABSTRACT[cls]
    if cls is float:
        return (float, int)
    return (cls,) if isinstance(cls, type) else None


def has_portables(declared: Any) -> bool:
    """True if an end of a channel or a reference may be in a value of this type."""
    return any(isinstance(part, type) and issubclass(part, tuple(PORTABLE)) for part in _parts(declared, set()))


def holds(declared: Any, cls: type) -> bool:
    """True if the type names this very class somewhere."""
    return any(part is cls for part in _parts(declared, set()))


def _parts(declared: Any, seen: set[Any]) -> Iterator[Any]:
    """Every class that the type names, the fields of its classes included, each once."""
    origin = get_origin(declared)
    cls = origin if isinstance(origin, type) else declared
    key = (cls, get_args(declared)) if origin is not None else declared
    try:
        if key in seen:
            return
        seen.add(key)
    except TypeError:
        pass
    yield cls
    if not (isinstance(cls, type) and issubclass(cls, tuple(PORTABLE))):
        for arg in get_args(declared):
            yield from _parts(arg, seen)
    for field in _fields(cls):
        yield from _parts(field, seen)


def _fields(cls: Any) -> list[Any]:
    if not isinstance(cls, type) or issubclass(cls, enum.Enum):
        return [cls.__supertype__] if hasattr(cls, "__supertype__") else []
    named = dataclasses.is_dataclass(cls) or hasattr(cls, "__struct_fields__")
    if not (named or hasattr(cls, "_fields") or typing.is_typeddict(cls)):
        return []
    try:
        return list(typing.get_type_hints(cls).values())
    except (NameError, TypeError):
        return []
