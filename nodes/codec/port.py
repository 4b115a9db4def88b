"""How values that are more than data cross a link: ends of channels, and references."""

from __future__ import annotations

from typing import Any, Final, Protocol

from actorpar.channels.receiver import Receiver
from actorpar.channels.sender import Sender

from ..errors import CodecError


class Port(Protocol):
    """One side of one link, for values that name something on a node."""

    def export(self, value: Any) -> bytes:
        """Describe an end or a reference for the other node; an end is given up with it. CodecError."""

    def accept(self, declared: Any, data: bytes) -> Any:
        """Make of a description what was declared: `Sender[int]`, `ActorRef[Stats]`. CodecError."""


#: The classes whose values cross by description. References register themselves, for they are defined above.
PORTABLE: Final[list[type]] = [Sender, Receiver]


class NoPort:
    """Where nothing but data may cross."""

    def export(self, value: Any) -> bytes:
        raise CodecError(f"{value!r} cannot be sent here: it is more than data")

    def accept(self, declared: Any, data: bytes) -> Any:
        raise CodecError(f"{declared!r} cannot come from here: it is more than data")
