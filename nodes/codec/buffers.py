"""Arrays and large bytes, which cross beside the message that holds them: no copy on the way out, none on the way in.

In the message stands a small header: which buffer, and for an array its dtype and shape. Everything in it is checked
against the buffer, for it comes from outside.

Invariants
- A buffer becomes one value: a small message that named one buffer a thousand times would become a thousand copies.
- numpy reads a dtype only after it was matched with DTYPE: it would take programs of commas and brackets, and objects.
- `bytes` are copied out of their buffer, once. Everything else stands on it, and can be written to.
"""

from __future__ import annotations

import math
import re
import sys
from typing import Any, Final

import msgspec

from ..errors import CodecError

#: Bytes from which a value goes beside the message instead of into it.
BESIDE: Final = 16 * 1024
#: Plain numbers, times with their unit, and strings of a length that is not 0: as `dtype.str` writes them.
DTYPE: Final = re.compile(r"[<>|](?:[biufc][1-9]\d?|[mM]8(?:\[\d{0,9}[a-zA-Z]{1,2}\])?|[SU][1-9]\d{0,8})")
MOST_DIMENSIONS: Final = 32

BYTES_KINDS: Final[dict[type, str]] = {bytes: "b", bytearray: "a", memoryview: "m"}


class Beside(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """Bytes that are the buffer `index` of the message. kind: b bytes, a bytearray, m memoryview."""

    index: int
    kind: str


class Array(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """A numpy array: its numbers are the buffer `index`, or `data` for a small one. In C order."""

    index: int
    dtype: str
    shape: list[int]
    data: bytes = b""


class Buffers:
    """The buffers that came with a message, of which each is taken once."""

    __slots__ = ("_all", "_taken")

    def __init__(self, buffers: list[Any]) -> None:
        self._all = buffers
        self._taken: set[int] = set()

    def __len__(self) -> int:
        return len(self._all)

    def take(self, index: int) -> Any:
        """The buffer of this index. CodecError: there is none, or it was taken."""
        if not 0 <= index < len(self._all):
            raise CodecError(f"a message names its buffer {index} and has {len(self._all)}")
        if index in self._taken:
            raise CodecError(f"a message names its buffer {index} twice")
        self._taken.add(index)
        return self._all[index]


_encode = msgspec.msgpack.Encoder().encode
_decode_beside = msgspec.msgpack.Decoder(Beside).decode
_decode_array = msgspec.msgpack.Decoder(Array).decode


def put_bytes(value: Any, buffers: list[Any]) -> bytes:
    """The header of large bytes, which join the buffers."""
    kind = BYTES_KINDS.get(type(value), "m")
    view = memoryview(value)
    if not view.c_contiguous:
        raise CodecError("a memoryview that is not contiguous cannot be sent; send bytes(view)")
    buffers.append(view.cast("B"))
    return _encode(Beside(len(buffers) - 1, kind))


def put_array(array: Any, buffers: list[Any]) -> bytes:
    """The header of an array, whose numbers join the buffers unless they are few."""
    numpy = sys.modules["numpy"]
    if type(array) is not numpy.ndarray and type(array) is not numpy.memmap:
        raise CodecError(f"a {type(array).__name__} cannot be sent, for only its numbers would arrive; send .data")
    dtype = array.dtype.str
    if DTYPE.fullmatch(dtype) is None or numpy.dtype(dtype) != array.dtype:
        raise CodecError(f"an array of {array.dtype} cannot be sent: only plain numbers, times and strings can")
    if not array.flags.c_contiguous:
        array = array.copy(order="C")
    shape = [int(n) for n in array.shape]
    if array.nbytes < BESIDE:
        return _encode(Array(-1, dtype, shape, array.tobytes()))
    buffers.append(memoryview(array.reshape(-1).view("u1")))
    return _encode(Array(len(buffers) - 1, dtype, shape))


def take_bytes(data: Any, buffers: Buffers) -> Any:
    """The bytes that a header stands for."""
    beside = _decode_beside(data)
    buffer = buffers.take(beside.index)
    if beside.kind == "b":
        return bytes(buffer)
    if beside.kind == "a":
        return buffer if isinstance(buffer, bytearray) else bytearray(buffer)
    if beside.kind == "m":
        return memoryview(buffer)
    raise CodecError(f"unknown kind of bytes {beside.kind!r}")


def take_array(data: Any, buffers: Buffers) -> Any:
    """The array that a header stands for, built on its buffer."""
    header = _decode_array(data)
    if DTYPE.fullmatch(header.dtype) is None:
        raise CodecError(f"an array of {header.dtype[:40]!r} came; only plain numbers, times and strings may")
    if len(header.shape) > MOST_DIMENSIONS or any(n < 0 for n in header.shape):
        raise CodecError("an array came whose shape makes no sense")
    try:
        import numpy
    except ImportError:
        raise CodecError("an array came, and numpy is not installed here") from None
    dtype = numpy.dtype(header.dtype)
    buffer = buffers.take(header.index) if header.index >= 0 else bytearray(header.data)
    if math.prod(header.shape) * dtype.itemsize != len(buffer):
        raise CodecError(f"an array of shape {header.shape} and {dtype} does not have {len(buffer)} bytes")
    return numpy.frombuffer(buffer, dtype=dtype).reshape(header.shape)
