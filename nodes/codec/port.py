"""How values that are more than data cross a link: ends of channels, and references.

Invariants
- An end is given up by nothing but the encoding that goes: `Survey` stands in for the port until all else is sure.
- Of a batch that was refused no end stays here: what `Acceptance` has accepted for an item that turned out bad is
  closed (NET-20).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, get_origin

from actorpar.channels.end import End
from actorpar.channels.receiver import Receiver
from actorpar.channels.sender import Sender

from ..errors import CodecError


class Port(Protocol):
    """One side of one link, for values that name something on a node."""

    def export(self, value: Any) -> bytes:
        """Describe an end or a reference for the other node; an end is given up with it. CodecError."""
        raise NotImplementedError

    def accept(self, declared: Any, data: bytes) -> Any:
        """Make of a description what was declared: `Sender[int]`, `ActorRef[Stats]`. CodecError."""


class Carrier(Protocol):
    """How values of one class cross: as a record of what they are, with the ends through which the rest follows."""

    def leave(self, value: Any, export: Callable[[End], bytes]) -> bytes:
        """Describe a value that goes to another node; ends in the description are given up by `export`. CodecError."""
        raise NotImplementedError

    def arrive(self, data: bytes, accept: Callable[[Any, bytes], Any]) -> Any:
        """The value of a description; ends in it by `accept`, with their declared type. CodecError."""

    def refuse(self, value: Any) -> None:
        """The item that an arrived value came in is refused: close the ends that it has."""


#: Those of the classes that have one; their classes are portable, too.
CARRIERS: Final[dict[type, Carrier]] = {}

#: The classes whose values cross by description. References register themselves, for they are defined above.
PORTABLE: Final[list[type]] = [Sender, Receiver]


def is_portable(value: Any) -> bool:
    """True for an end of a channel or a reference."""
    return isinstance(value, tuple(PORTABLE))


def is_portable_class(cls: type) -> bool:
    """True for the class of an end or of a reference."""
    return issubclass(cls, tuple(PORTABLE))


class NoPort:
    """Where nothing but data may cross."""

    def export(self, value: Any) -> bytes:
        raise CodecError(f"{value!r} cannot be sent here: it is more than data")

    def accept(self, declared: Any, data: bytes) -> Any:
        raise CodecError(f"{declared!r} cannot come from here: it is more than data")


class Survey:
    """A port that gives nothing up: what would be exported by a batch, in order. CodecError for what could not be."""

    def __init__(self) -> None:
        self.found: list[Any] = []

    def export(self, value: Any) -> bytes:
        if isinstance(value, End):
            if value.closed:
                raise CodecError(f"{value!r} was closed or given away before, and cannot be sent")
            if any(value is each for each in self.found):
                raise CodecError(f"{value!r} is in the message twice; send one of them as its clone()")
        self.found.append(value)
        return len(self.found).to_bytes(4, "little")

    def accept(self, declared: Any, data: bytes) -> Any:
        value = self.found[int.from_bytes(data, "little") - 1]
        if not isinstance(value, get_origin(declared) or declared):
            raise CodecError(f"{declared!r} is declared, not {value!r}")
        return value


class Acceptance:
    """What one item accepts through a port."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._accepted: list[Any] = []

    def export(self, value: Any) -> bytes:
        raise CodecError(f"{value!r} cannot be sent here: this port only accepts")

    def accept(self, declared: Any, data: bytes) -> Any:
        value = self._port.accept(declared, data)
        self._accepted.append(value)
        return value

    def close(self) -> None:
        """The item is refused: close the ends that came with it."""
        for value in self._accepted:
            if isinstance(value, End):
                value.close()
            elif type(value) in CARRIERS:
                CARRIERS[type(value)].refuse(value)
