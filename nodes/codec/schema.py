"""A declared type as a link sees it: what it encodes, checks and decodes. Compiled once for each type.

A batch of items is one MessagePack array: one call to encode it and one to decode and validate it (msgspec). What is
more than MessagePack knows crosses as an extension of four kinds, each with its own check; anything else is refused.

Invariants
- Nothing is decoded into code, and no class by its name: what comes is a value of the declared type, or a CodecError.
- An untyped value is plain data, and its encoding is at most UNTYPED bytes, or small messages would become large
  objects (docs/semantics.md, NET-40).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..errors import CodecError, ItemTypeError
from . import buffers as beside
from .port import PORTABLE, NoPort
from .types import has_portables, holds, is_untyped, name_of, outer_types

if TYPE_CHECKING:
    from .port import Port

#: Bytes that a batch of untyped values may take.
UNTYPED: Final = 256 * 1024

_BYTES, _ARRAY, _PORTABLE = 1, 2, 3
_BYTES_TYPES: Final = frozenset(beside.BYTES_KINDS)

#: What can go wrong in decoding bytes from outside; all of it becomes a CodecError, here and nowhere else.
FAILURES: Final = (msgspec.MsgspecError, ValueError, TypeError, RecursionError, OverflowError, MemoryError)


class Schema:
    """How values of one declared type cross a link. Made by `schema_of`."""

    def __init__(self, declared: Any) -> None:
        self.declared = declared
        #: A stable text of the type, to compare two nodes and to tell people.
        self.name = name_of(declared)
        self.untyped = is_untyped(declared)
        #: Ends or references may be inside.
        self.has_ends = has_portables(declared)
        #: What isinstance is asked at a send; None: anything.
        self.outer = None if self.untyped else outer_types(declared)
        self._views = holds(declared, memoryview)
        self._bytes = declared if declared in beside.BYTES_KINDS else None
        self._port: Port = NoPort()
        self._buffers: list[Any] = []
        try:
            self._encode = msgspec.msgpack.Encoder(enc_hook=self._encode_custom).encode
            self._decode = self._decoder(list[Any] if self.untyped else list[declared])
            self._decode_beside = self._decode
            if self._bytes is not None:
                self._decode_beside = self._decoder(list[declared | msgspec.msgpack.Ext])
        except (TypeError, NameError) as error:
            raise CodecError(f"{self.name} cannot cross a link: {error}") from None

    def _decoder(self, batch: Any) -> Callable[[Any], list[Any]]:
        decoder: msgspec.msgpack.Decoder[list[Any]] = msgspec.msgpack.Decoder(
            batch, dec_hook=self._decode_custom, ext_hook=self._decode_extension
        )
        return decoder.decode

    def check(self, item: Any) -> None:
        """Raise ItemTypeError unless the item is of the outer type that was declared (NET-8)."""
        if self.outer is not None and not isinstance(item, self.outer):
            raise ItemTypeError(f"{self.name} is declared, not {type(item).__name__}", item=item)

    def encode(self, items: list[Any], port: Port) -> tuple[bytes, list[Any]]:
        """One body for the whole batch, and the buffers that go beside it. CodecError: some item cannot be encoded."""
        self._port, self._buffers = port, []
        try:
            if self._may_be_large(items) and any(map(_is_large, items)):
                items = [_Large(item) if _is_large(item) else item for item in items]
            body = self._encode(items)
            if self.untyped and len(body) > UNTYPED:
                raise CodecError(
                    f"{len(body)} bytes of untyped data, and {UNTYPED} may be sent at once: declare the type of the "
                    "items, or send large data as bytes or arrays"
                )
            return body, self._buffers
        except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
            if isinstance(error, CodecError):
                raise
            raise CodecError(f"{self.name}: {error}") from error
        finally:
            self._port, self._buffers = NoPort(), []

    def _may_be_large(self, items: list[Any]) -> bool:
        if self._bytes is not None:
            return self._bytes is memoryview or max(map(len, items), default=0) >= beside.BESIDE
        return self.untyped and not _BYTES_TYPES.isdisjoint(map(type, items))

    def decode(self, body: Any, buffers: list[Any], port: Port) -> list[Any]:
        """The items of a batch, each of the declared type. CodecError: they are not."""
        if self.untyped and len(body) > UNTYPED:
            raise CodecError(f"{len(body)} bytes of untyped data came, and {UNTYPED} may")
        if self._views:
            body = bytes(body)  # a view must not show what the next message leaves in the same memory
        self._port, self._buffers = port, buffers
        try:
            if buffers and self._bytes is not None:
                return [self._resolve(item) for item in self._decode_beside(body)]
            return self._decode(body)
        except FAILURES as error:
            if isinstance(error, CodecError):
                raise
            raise CodecError(f"no {self.name}: {error}") from None
        finally:
            self._port, self._buffers = NoPort(), []

    def decode_each(self, body: Any, buffers: list[Any], port: Port) -> list[Any]:
        """The same item by item, after `decode` has failed: a CodecError stands for what is no value of the type."""
        try:
            parts = _decode_parts(body)
        except FAILURES as error:
            raise CodecError(f"no batch of items: {error}") from None
        items: list[Any] = []
        for part in parts:
            try:
                items += self.decode(b"\x91" + bytes(part), buffers, port)
            except CodecError as error:
                items.append(error)
        return items

    def _resolve(self, item: Any) -> Any:
        if type(item) is not msgspec.msgpack.Ext:
            return item
        value = self._decode_extension(item.code, item.data)
        if type(value) is not self._bytes:
            raise CodecError(f"{self.name} is declared, and {type(value).__name__} came")
        return value

    # -- what MessagePack does not know

    def _encode_custom(self, value: Any) -> Any:
        if type(value) is _Large:
            return msgspec.msgpack.Ext(_BYTES, beside.put_bytes(value.value, self._buffers))
        if beside.is_array(value):
            return msgspec.msgpack.Ext(_ARRAY, beside.put_array(value, self._buffers))
        if is_portable(value):
            if not self.has_ends:
                raise CodecError(
                    f"{value!r} stands where {self.name} declares none: an end or a reference crosses a link only "
                    "where the declared type has one"
                )
            return msgspec.msgpack.Ext(_PORTABLE, self._port.export(value))
        if isinstance(value, memoryview):
            return bytes(value)
        raise CodecError(f"a {type(value).__name__} cannot be sent: {self.name} has no place for it")

    def _decode_extension(self, code: int, data: Any) -> Any:
        if code == _BYTES:
            return beside.take_bytes(data, self._buffers)
        if code == _ARRAY:
            return beside.take_array(data, self._buffers)
        if code == _PORTABLE and self.has_ends:
            return _Described(bytes(data))
        raise CodecError(f"an extension of kind {code} came, which {self.name} has no place for")

    def _decode_custom(self, declared: Any, value: Any) -> Any:
        if type(value) is _Described:
            return self._port.accept(declared, value.data)
        if isinstance(declared, type) and isinstance(value, declared):
            return value
        raise CodecError(f"{name_of(declared)} is declared, and {type(value).__name__} came")


class _Large:
    """Bytes that go beside the message."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class _Described:
    """An end or a reference before it is known what was declared in its place."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


def _is_large(item: Any) -> bool:
    return type(item) in beside.BYTES_KINDS and memoryview(item).nbytes >= beside.BESIDE


def is_portable(value: Any) -> bool:
    """True for an end of a channel or a reference."""
    return isinstance(value, tuple(PORTABLE))


_decode_parts = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode


@functools.lru_cache(maxsize=1024)
def _cached(declared: Any) -> Schema:
    return Schema(declared)


def register_portable(cls: type) -> None:
    """Have values of this class cross links by description: references register themselves, they are defined above."""
    if cls not in PORTABLE:
        PORTABLE.append(cls)
        _cached.cache_clear()


def schema_of(declared: Any) -> Schema:
    """The schema of a declared type. CodecError for a type that no link can carry."""
    try:
        return _cached(declared)
    except TypeError:  # not hashable
        return Schema(declared)
