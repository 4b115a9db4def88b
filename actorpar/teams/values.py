"""Values as parts: encoded by their type, so that what arrives is what was declared, and arrays stand beside.

Invariants
- The first part is the encoded value, each other one a buffer that it names. An array is one buffer, without a copy.
- What comes back is the receiver's own: nobody else sees what it changes.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .errors import InvalidCall

if TYPE_CHECKING:
    from ..nodes.codec.schema import Schema


def _schema(declared: Any) -> Schema:
    from ..nodes.codec.schema import schema_of  # heavy, and needed once a team is at work

    return schema_of(declared)


def _port() -> Any:
    from ..nodes.codec.port import NoPort

    return NoPort()


def type_of(value: Any, declared: Any) -> Any:
    """The type by which a value goes: the one that was declared, or its own class."""
    return type(value) if declared is None else declared


def name_of(declared: Any) -> str:
    """What members compare of their types."""
    return _schema(declared).name


def encode(value: Any, declared: Any) -> list[memoryview]:
    """A value as parts. CodecError, ItemTypeError: no link could carry it."""
    schema = _schema(declared)
    schema.check(value)
    body, buffers = schema.encode([value], _port())
    return [memoryview(body), *(memoryview(buffer).cast("B") for buffer in buffers)]


def decode(parts: Sequence[memoryview], declared: Any) -> Any:
    """The value again, standing on the parts. CodecError: it is none of that type."""
    return _schema(declared).decode(parts[0], list(parts[1:]), _port())[0]


def is_array(value: Any) -> bool:
    """True for an array of numpy."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def shape_of(array: Any) -> str:
    """What members compare of their arrays where these are reduced."""
    return _shape_of(array.dtype.str, array.shape)


@functools.lru_cache(256)
def _shape_of(dtype: str, shape: tuple[int, ...]) -> str:
    return f"array of {dtype} {shape}"


def bytes_of(array: Any) -> memoryview:
    """The memory of an array in C order."""
    return memoryview(array.reshape(-1).view("u1")) if array.size else memoryview(b"")


def checked_out(out: Any, like: Any) -> None:
    """InvalidCall unless `out` can take an array like that."""
    if not is_array(like):
        raise InvalidCall(f"out receives an array, and this is {type(like).__name__}: leave it out")
    if not is_array(out) or out.dtype != like.dtype or out.shape != like.shape or not out.flags.c_contiguous:
        raise InvalidCall(f"out is a contiguous {shape_of(like)}, not {shape_of(out) if is_array(out) else repr(out)}")
