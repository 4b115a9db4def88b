"""What is asked about a declared type: its name, its outer classes, and what may be inside."""

from __future__ import annotations

import collections.abc
import sys
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin

from msgspec import inspect

from ..errors import CodecError
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
    return any(declared is each for each in _UNTYPED) or isinstance(declared, TypeVar)


def is_union(declared: Any) -> bool:
    """True for `A | B` in either of its spellings."""
    return get_origin(declared) in (Union, types.UnionType)


def name_of(declared: Any) -> str:
    """A text of a type that is the same on every node that imports the same code."""
    if is_untyped(declared):
        return "Any"
    if declared is None or declared is type(None):
        return "None"
    origin, args = get_origin(declared), get_args(declared)
    if is_union(declared):
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
    if is_union(declared):
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


@dataclass(frozen=True)
class Contents:
    """What may be somewhere inside the values of a type."""

    #: Ends of channels or references.
    portables: bool
    #: Anything: the type says Any somewhere, or names a container without saying of what.
    anything: bool
    #: Numpy arrays.
    arrays: bool
    #: Far more memory than bytes that came: values that are more than a number or a text, as many as somebody likes.
    amplifies: bool
    #: Views of the encoded bytes: they would show what comes into the same memory later.
    views: bool


def contents(declared: Any) -> Contents:
    """Look through a type and through the fields of its classes. CodecError: no link can carry some class in it."""
    nodes = list(_nodes(inspect.type_info(declared)))
    classes = {node.cls for node in nodes if isinstance(node, inspect.CustomType)}
    portables = {cls for cls in classes if issubclass(cls, tuple(PORTABLE))}
    arrays = {cls for cls in classes if cls is array_class()}
    for cls in classes - portables - arrays - {object}:
        raise CodecError(
            f"{_plain_name(cls)} is no data: a dataclass, msgspec.Struct, NamedTuple or TypedDict can cross a link"
        )
    return Contents(
        portables=bool(portables),
        anything=object in classes or any(isinstance(node, inspect.AnyType) for node in nodes),
        arrays=bool(arrays),
        amplifies=any(map(_amplifies, nodes)),
        views=any(isinstance(node, inspect.MemoryViewType | inspect.RawType) for node in nodes),
    )


#: A value of these takes at most a few times its bytes.
_SMALL: Final = (
    inspect.IntType, inspect.FloatType, inspect.BoolType, inspect.NoneType, inspect.StrType, inspect.BytesType,
    inspect.EnumType, inspect.LiteralType, inspect.DateTimeType, inspect.DateType, inspect.TimeType,
    inspect.TimeDeltaType, inspect.UnionType, inspect.Metadata,
)  # fmt: skip
_CLASSES: Final = (inspect.StructType, inspect.DataclassType, inspect.TypedDictType, inspect.NamedTupleType)


def _amplifies(node: inspect.Type) -> bool:
    """True for a container of what is not small, and for a class that may hold itself."""
    if isinstance(node, inspect.CollectionType):
        return not all(isinstance(part, _SMALL) for part in _nodes(node.item_type))
    if isinstance(node, inspect.DictType):
        return not all(isinstance(part, _SMALL) for part in _nodes(node.value_type))
    return isinstance(node, _CLASSES) and any(part is node for each in node.fields for part in _nodes(each.type))


def array_class() -> type | None:
    """The class of numpy's arrays. None while nobody has imported numpy: then no value and no type can be one."""
    numpy = sys.modules.get("numpy")
    return None if numpy is None else numpy.ndarray


def _nodes(info: inspect.Type) -> Iterator[inspect.Type]:
    """Every type within a type, each once."""
    seen: dict[int, Any] = {}
    waiting: list[Any] = [info]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen[id(node)] = node
        if isinstance(node, inspect.Type):
            yield node
        for name in node.__struct_fields__:
            value = getattr(node, name)
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, inspect.Type | inspect.Field):
                    waiting.append(part)
