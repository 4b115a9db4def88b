"""Arrays and large bytes, which cross beside the message that holds them: no copy on the way out, none on the way in.

In the message stands a small header: which buffer, and for an array its dtype and shape. Everything in it is checked
against the buffer, for it comes from outside.
"""

from __future__ import annotations

import math
import sys
from typing import Any, Final

import msgspec

from ..errors import CodecError

#: Bytes from which a value goes beside the message instead of into it.
BESIDE: Final = 16 * 1024
#: Kinds of dtype that are plain numbers: bool, int, uint, float, complex, time spans, times, byte and text strings.
KINDS: Final = "biufcmMSU"
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


_encode = msgspec.msgpack.Encoder().encode
_decode_beside = msgspec.msgpack.Decoder(Beside).decode
_decode_array = msgspec.msgpack.Decoder(Array).decode


def is_array(value: Any) -> bool:
    """True for a numpy array; numpy is not imported for the question."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


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
    if array.dtype.kind not in KINDS or array.dtype.hasobject:
        raise CodecError(f"an array of {array.dtype} cannot be sent: only plain numbers, times and strings can")
    if not array.flags.c_contiguous:
        array = array.copy(order="C")
    shape = [int(n) for n in array.shape]
    if array.nbytes < BESIDE:
        return _encode(Array(-1, array.dtype.str, shape, array.tobytes()))
    buffers.append(memoryview(array.reshape(-1).view("u1")))
    return _encode(Array(len(buffers) - 1, array.dtype.str, shape))


def take_bytes(data: Any, buffers: list[Any]) -> Any:
    """The bytes that a header stands for."""
    beside = _decode_beside(data)
    buffer = _buffer(buffers, beside.index)
    if beside.kind == "b":
        return bytes(buffer)
    if beside.kind == "a":
        return buffer if isinstance(buffer, bytearray) else bytearray(buffer)
    if beside.kind == "m":
        return memoryview(buffer)
    raise CodecError(f"unknown kind of bytes {beside.kind!r}")


def take_array(data: Any, buffers: list[Any]) -> Any:
    """The array that a header stands for, built on its buffer."""
    header = _decode_array(data)
    try:
        import numpy
    except ImportError:
        raise CodecError("an array came, and numpy is not installed here") from None
    if len(header.shape) > MOST_DIMENSIONS or any(n < 0 for n in header.shape) or len(header.dtype) > 16:
        raise CodecError("an array came whose header makes no sense")
    try:
        dtype = numpy.dtype(header.dtype)
    except TypeError as error:
        raise CodecError(f"an array of an unknown dtype came: {error}") from None
    if dtype.kind not in KINDS or dtype.hasobject:
        raise CodecError(f"an array of {dtype} came; only plain numbers, times and strings may")
    buffer = _buffer(buffers, header.index) if header.index >= 0 else bytearray(header.data)
    if math.prod(header.shape) * dtype.itemsize != len(buffer):
        raise CodecError(f"an array of shape {header.shape} and {dtype} does not have {len(buffer)} bytes")
    if dtype.itemsize == 0:
        return numpy.zeros(header.shape, dtype)
    return numpy.frombuffer(buffer, dtype=dtype).reshape(header.shape)


def _buffer(buffers: list[Any], index: int) -> Any:
    if not 0 <= index < len(buffers):
        raise CodecError(f"a message names its buffer {index} and has {len(buffers)}")
    return buffers[index]
