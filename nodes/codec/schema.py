"""A declared type as a link sees it: what it encodes, checks and decodes. Compiled once for each type.

A batch of items is one MessagePack array: one call to encode it and one to decode and validate it (msgspec).

Invariants
- Nothing is decoded into code, and no class by its name: what comes is a value of the declared type, or a CodecError.
- Where a type says Any, a batch weighs at most UNTYPED bytes, or small messages would become large objects
  (docs/semantics.md, NET-40). Byte strings and buffers weigh nothing.
- A batch of a declared type holds at most VALUES values, or SMALL_VALUES where they are small: a byte of an empty set
  becomes 224.
- A batch that is refused has changed nothing where it is encoded: every end in it is still there. Where it is decoded,
  every end that came with a bad item is closed (NET-20).
- A call may begin within another of the same schema: an end that is exported sends what its channel holds.
"""

from __future__ import annotations

import functools
import operator
from typing import Any, Final

import msgspec

from actorpar.channels.errors import ActorparError

from ..errors import CodecError, ItemTypeError
from .buffers import BESIDE, Buffers
from .hooks import NO_BUFFERS, Call, Hooks
from .places import lift_of, with_stand_ins
from .port import CARRIERS, PORTABLE, Acceptance, Carrier, Port, Survey
from .types import contents, is_untyped, name_of, outer_types
from .weight import is_heavy, is_many

#: What untyped values may weigh in one batch.
UNTYPED: Final = 256 * 1024
#: Values of one batch where a type amplifies, and where it does not: neither becomes more than some hundred megabytes.
VALUES: Final = 1 << 20
SMALL_VALUES: Final = 8 << 20
#: Bytes of an item that cost about as much to copy as it costs to ask whether it is large.
WORTH_ASKING: Final = 512
#: Items of a batch that are decoded one by one when it is bad.
MOST_PARTS: Final = 64 * 1024

#: What can go wrong in encoding; a fault of the program itself is not taken for a bad item.
FAILURES: Final = (
    msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError, AttributeError, BufferError,
    ActorparError,
)  # fmt: skip


class Schema:
    """How values of one declared type cross a link. Made by `schema_of`."""

    def __init__(self, declared: Any) -> None:
        self.declared = declared
        #: A stable text of the type, to compare two nodes and to tell people.
        self.name = name_of(declared)
        self.untyped = is_untyped(declared)
        #: What isinstance is asked at a send; None: anything.
        self.outer = outer_types(declared)
        try:
            inside = contents(declared)
            hooks = self._hooks = Hooks(self.name, inside)
            self._pack = msgspec.msgpack.Encoder(enc_hook=hooks.encode).encode
            self._unpack = self._decoder(declared)
            other = with_stand_ins(declared)
            self._unpack_beside = self._unpack if other is declared else self._decoder(other)
        except (TypeError, NameError, CodecError) as error:
            raise CodecError(f"{self.name} cannot cross a link: {error}") from None
        #: Ends or references may be inside.
        self.has_ends = inside.portables
        self._anything = inside.anything
        self._amplifies = inside.amplifies
        self._views = inside.views
        self._plain = not (inside.portables or inside.anything or inside.arrays or inside.views)
        self._lift = lift_of(declared)
        self._sized = declared is bytes or declared is bytearray
        self._expects_large = False  # so that the next large item is not encoded in vain before it is found
        self._kept: tuple[bytes, list[Any]] | None = None  # the batch that `decode` has refused, decoded item by item

    def _decoder(self, declared: Any) -> Any:
        batch = list[Any] if self.untyped else list[declared]
        return msgspec.msgpack.Decoder(batch, dec_hook=self._hooks.decode, ext_hook=self._hooks.extension).decode

    def check(self, item: Any) -> None:
        """Raise ItemTypeError unless the item is of the outer type that was declared (NET-8)."""
        if self.outer is not None and not isinstance(item, self.outer):
            raise ItemTypeError(f"{self.name} is declared, not {type(item).__name__}", item=item)

    # -- to bytes

    def encode(self, items: list[Any], port: Port) -> tuple[bytes, list[Any]]:
        """One body for the whole batch, and the buffers that go beside it.

        CodecError: some item cannot be encoded. Then no end in the batch was given up.
        """
        if self._plain and not self._expects_large:
            try:
                body = self._pack(items)
                if self._lift is None or len(body) < BESIDE:
                    if len(body) > VALUES:
                        self._bound(body)
                    return body, []
                lifted = self._lifted(items, len(body))
            except FAILURES as error:
                raise self._cannot_go(error) from error
            return (body, []) if lifted is items else self._encode(lifted, port)
        if self.has_ends:
            return self._encode_ends(items, port)
        if self._expects_large:
            return self._encode(self._lifted(items), port)
        encoded = self._encode(items, port)
        if self._lift is None or len(encoded[0]) < BESIDE:
            return encoded
        lifted = self._lifted(items, len(encoded[0]))
        return encoded if lifted is items else self._encode(lifted, port)

    def _lifted(self, items: list[Any], size: int | None = None) -> list[Any]:
        """The items with what is large marked; they themselves if nothing is. `size` is what they take unmarked."""
        assert self._lift is not None
        if size is not None and size < len(items) * WORTH_ASKING:
            return items
        if self._sized and _longest(items) < BESIDE:
            self._expects_large = False
            return items
        lifted = list(map(self._lift, items))
        self._expects_large = any(map(operator.is_not, lifted, items))
        return lifted if self._expects_large else items

    def _encode(self, items: list[Any], port: Port) -> tuple[bytes, list[Any]]:
        hooks = self._hooks
        call, before = Call(port, NO_BUFFERS), hooks.call
        hooks.call = call
        try:
            body = self._pack(items)
        except FAILURES as error:
            raise self._cannot_go(error) from error
        finally:
            hooks.call = before
        if len(body) > VALUES:
            self._bound(body)
        if self._anything and is_heavy(body, UNTYPED):
            raise CodecError(
                f"{len(body)} bytes of untyped data, and {UNTYPED} may be sent at once: declare the type of the "
                "items, or send large data as bytes or arrays"
            )
        return body, call.beside

    def _encode_ends(self, items: list[Any], port: Port) -> tuple[bytes, list[Any]]:
        """First without giving an end up, for an item that comes later in the batch may be refused."""
        if self._lift is not None:
            items = self._lifted(items)
        survey = Survey()
        body, buffers = self._encode(items, survey)
        if not survey.found:
            return body, buffers
        if self._anything:  # an end may stand in a place that is declared for anything
            self._decode(body, survey, Buffers([bytearray(each) for each in buffers]))
        return self._encode(items, port)

    def _cannot_go(self, error: BaseException) -> CodecError:
        return error if isinstance(error, CodecError) else CodecError(f"{self.name}: {error or type(error).__name__}")

    # -- from bytes

    def decode(self, body: Any, buffers: list[Any], port: Port) -> list[Any]:
        """The items of a batch, each of the declared type. CodecError: some are not; `decode_each` tells which."""
        if self._plain and not buffers:
            if len(body) > VALUES:
                self._bound(body)
            try:
                return self._unpack(body)  # type: ignore[no-any-return]
            except Exception as error:
                raise self._came_wrong(error) from None
        if not self.has_ends:
            return self._decode(body, port, Buffers(buffers))
        items = self.decode_each(body, buffers, port)
        for item in items:
            if isinstance(item, CodecError):
                self._kept = bytes(body), items  # an end is accepted once
                raise item
        return items

    def decode_each(self, body: Any, buffers: list[Any], port: Port) -> list[Any]:
        """The same item by item, after `decode` has failed: a CodecError stands for what is no value of the type.

        CodecError: it is no batch of items at all, or one of more than MOST_PARTS.
        """
        kept, self._kept = self._kept, None
        if kept is not None and kept[0] == body:
            return kept[1]
        parts = self._split(body)
        try:
            self._bound(body)
        except CodecError as error:
            return [error] * len(parts)
        if self._anything and is_heavy(body, UNTYPED):
            return [self._too_heavy(body)] * len(parts)
        taken = Buffers(buffers)
        return [self._decode_one(part, port, taken) for part in parts]

    def _split(self, body: Any) -> list[bytes]:
        try:
            if count_of(body) > MOST_PARTS:
                raise CodecError(f"{count_of(body)} items, and {MOST_PARTS} may come in a batch that is not all right")
            return [b"\x91" + bytes(part) for part in _decode_parts(body)]
        except Exception as error:
            raise self._came_wrong(error) from None

    def _decode_one(self, body: bytes, port: Port, buffers: Buffers) -> Any:
        acceptance = Acceptance(port)
        try:
            return self._decode(body, acceptance, buffers)[0]
        except CodecError as error:
            acceptance.close()
            return error.with_traceback(None)

    def _decode(self, body: Any, port: Port, buffers: Buffers) -> list[Any]:
        self._bound(body)
        if self._anything and is_heavy(body, UNTYPED):
            raise self._too_heavy(body)
        if self._views:
            body = bytes(body)  # a view must not show what the next message leaves in the same memory
        hooks = self._hooks
        call, before = Call(port, buffers), hooks.call
        hooks.call = call
        try:
            items: list[Any] = (self._unpack_beside if buffers else self._unpack)(body)
        except Exception as error:
            raise self._came_wrong(error) from None
        finally:
            hooks.call = before
        if call.described:
            raise CodecError(f"an end or a reference stands where {self.name} declares none")
        return items

    def _bound(self, body: Any) -> None:
        """CodecError for a body that holds so many values that they would fill the memory (A8, NET-40)."""
        most = VALUES if self._amplifies or count_of(body) > VALUES else SMALL_VALUES
        if len(body) > most and not self._anything and is_many(body, most):
            raise CodecError(
                f"more than {most} values of {self.name} in one batch of {len(body)} bytes: send fewer at once, or "
                "large data as bytes or arrays"
            )

    def _too_heavy(self, body: Any) -> CodecError:
        return CodecError(f"{len(body)} bytes of untyped data came, and {UNTYPED} may")

    def _came_wrong(self, error: Exception) -> CodecError:
        """Whatever the bytes of others, or a class of the user in `__post_init__`, come up with is this one error."""
        if isinstance(error, CodecError):
            return error
        said = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        return CodecError(f"no {self.name}: {said}")


def _longest(items: list[Any]) -> int:
    try:
        return max(map(len, items), default=0)
    except TypeError:
        return BESIDE  # not all are bytes; whoever decodes them says so


_decode_parts = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode


def count_of(body: Any) -> int:
    """How many items a batch claims to hold; 0 for what is no array."""
    first = body[0] if len(body) else 0
    if first in (0xDC, 0xDD):
        return int.from_bytes(body[1 : 3 if first == 0xDC else 5], "big")
    return first & 0x0F if first >> 4 == 9 else 0


@functools.lru_cache(maxsize=1024)
def _cached(declared: Any) -> Schema:
    return Schema(declared)


def register_portable(cls: type) -> None:
    """Have values of this class cross links by description: references register themselves, they are defined above."""
    if cls not in PORTABLE:
        PORTABLE.append(cls)
        _cached.cache_clear()


def register_carrier(cls: type, carrier: Carrier) -> None:
    """Have values of this class cross links as its carrier describes them."""
    CARRIERS[cls] = carrier
    register_portable(cls)


def schema_of(declared: Any) -> Schema:
    """The schema of a declared type. CodecError for a type that no link can carry."""
    try:
        return _cached(declared)
    except TypeError:  # not hashable
        return Schema(declared)
