"""What MessagePack does not know, as extensions of three kinds: large bytes, arrays, and descriptions by a port.

msgspec asks these hooks while it encodes or decodes: for a value that it does not know, for an extension, and for a
class that it does not know in the declared type, with what stands in its place.
"""

from __future__ import annotations

from typing import Any, Final, get_args, get_origin

from msgspec.msgpack import Ext

from ..errors import CodecError
from . import buffers as beside
from .buffers import BESIDE, BYTES_KINDS, Buffers
from .places import Large, StandIn
from .port import NoPort, Port, is_portable, is_portable_class
from .types import Contents, array_class, name_of

BYTES, ARRAY, PORTABLE = 1, 2, 3


class Call:
    """One call of a schema: all that it needs beyond the type."""

    __slots__ = ("beside", "buffers", "described", "port")

    def __init__(self, port: Port, buffers: Buffers) -> None:
        self.port = port
        self.buffers = buffers  # that came
        self.beside: list[Any] = []  # that go
        self.described = 0  # descriptions that came, less those that stood in a place declared for them


class Described:
    """An end or a reference before it is known what was declared in its place."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


NO_BUFFERS: Final = Buffers([])
NO_CALL: Final = Call(NoPort(), NO_BUFFERS)


class Hooks:
    """The hooks of one schema. `call` is the call under way; whoever begins one within another puts back the other."""

    def __init__(self, name: str, inside: Contents) -> None:
        self._name = name
        self._inside = inside
        self.call = NO_CALL

    def encode(self, value: Any) -> Any:
        """What goes instead of a value that MessagePack does not know."""
        if type(value) is Large:
            return Ext(BYTES, beside.put_bytes(value.value, self.call.beside))
        array = array_class()
        if array is not None and isinstance(value, array) and (self._inside.arrays or self._inside.anything):
            return Ext(ARRAY, beside.put_array(value, self.call.beside))
        if is_portable(value):
            return self._encode_portable(value)
        if hasattr(value, "dtype") and hasattr(value, "item") and not getattr(value, "ndim", 0):
            return value.item()  # a number of numpy
        if self._inside.anything:
            return self._encode_buffer(value)
        raise self._no_place(value)

    def _encode_portable(self, value: Any) -> Any:
        if not self._inside.portables:
            raise CodecError(
                f"{value!r} stands where {self._name} declares none: an end or a reference crosses a link only "
                "where the declared type has one"
            )
        return Ext(PORTABLE, self.call.port.export(value))

    def _encode_buffer(self, value: Any) -> Any:
        """The memory of an array.array, a mmap, an array of ctypes; it arrives as bytes, or as a view of them."""
        try:
            view = memoryview(value)
        except TypeError:
            raise self._no_place(value) from None
        return Ext(BYTES, beside.put_bytes(view, self.call.beside)) if view.nbytes >= BESIDE else view.tobytes()

    def _no_place(self, value: Any) -> CodecError:
        return CodecError(f"a {type(value).__name__} cannot be sent: {self._name} has no place for it")

    def extension(self, code: int, data: Any) -> Any:
        """What came as an extension where anything may, or a class that MessagePack does not know."""
        if code == BYTES:
            return beside.take_bytes(data, self.call.buffers)
        if code == ARRAY:
            return beside.take_array(data, self.call.buffers)
        if code == PORTABLE and self._inside.portables:
            self.call.described += 1
            return Described(bytes(data))
        raise CodecError(f"an extension of kind {code} came, which {self._name} has no place for")

    def decode(self, declared: Any, value: Any) -> Any:
        """A value of a declared class that MessagePack does not know, of what came in its place."""
        cls = get_origin(declared) or declared
        if type(value) is Described:
            if is_portable_class(cls):
                self.call.described -= 1
                return self.call.port.accept(declared, value.data)
        elif cls is object:
            return value
        elif issubclass(cls, StandIn):
            if type(value) in BYTES_KINDS:
                return value if type(value) is cls.cls else cls.cls(value)
        elif isinstance(value, cls) and cls is array_class() and _is_of(value, declared):
            return value
        raise CodecError(f"{name_of(declared)} is declared, and {type(value).__name__} came")


def _is_of(array: Any, declared: Any) -> bool:
    """Whether an array has the dtype of `NDArray[float64]`."""
    for arg in get_args(declared)[1:]:
        for scalar in get_args(arg):
            if scalar is not Any and isinstance(scalar, type) and not issubclass(array.dtype.type, scalar):
                raise CodecError(f"an array of {scalar.__name__} is declared, and one of {array.dtype} came")
    return True
