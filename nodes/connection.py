"""What a link needs of what carries its bytes: a socket (`stream.py`), or messages between ranks (`mpi/stream.py`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import ssl


class Sink(Protocol):
    """Who gets what comes."""

    @property
    def buffer(self) -> Callable[[], memoryview]:
        """What tells where to receive into, which is never empty; asked for once, when the sink is set."""
        raise NotImplementedError

    def advance(self, count: int) -> None:
        """So many bytes came. ProtocolError closes the connection."""

    def writable(self) -> None:
        """What was kept is written: there is room again."""

    def closed(self, error: BaseException | None) -> None:
        """The connection is closed: by the other side (None), or by an error."""


class Connection(Protocol):
    """Bytes to and from one other node, in order, used on one loop."""

    is_closed: bool
    #: Bytes that were written, and that came.
    sent: int
    received: int

    @property
    def tls(self) -> ssl.SSLObject | None:
        """What is known of the other side by TLS."""

    @property
    def medium(self) -> str:
        """What it runs over: unix, tcp, tls, or mpi."""
        raise NotImplementedError

    def start(self, sink: Sink) -> None:
        """Begin to read; what comes goes to the sink."""

    def hand_over(self, sink: Sink) -> None:
        """What comes from now on goes to another sink."""

    def write(self, buffers: list[Any]) -> bool:
        """Write whole frames now, in bytes-like pieces whose `len` is their size.

        False: a rest is kept, and `writable` tells when it is gone. The pieces stay as they are until they are sent.
        """
        raise NotImplementedError

    def beat(self, frame: bytes) -> None:
        """From another thread: write this frame, if nothing waits to be written (NET-41)."""

    def close(self) -> None:
        """Close; the sink is told."""

    def abandon(self) -> None:
        """Close; the sink has another connection already, and is not told."""
