"""A connection until its handshake is over: HELLO, then WELCOME or REFUSED, within a deadline (NET-31).

Before that nothing but these small frames is read, and nothing at all is told to who dials without the right to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from .errors import CodecError, HandshakeRefused
from .protocol import frame as frames
from .protocol import handshake
from .protocol.frame import FrameReader
from .protocol.handshake import Hello

if TYPE_CHECKING:
    from .connection import Connection
    from .link import Link
    from .protocol.frame import Message

#: Seconds that a handshake may take, TLS included.
DEADLINE: Final = 5.0


class Greeting:
    """The sink of a stream until it is known who is there.

    `greeted` is called with what the other side says of itself and returns the link that it is for; `attach` gives the
    connection to that link, which reads on at once.
    """

    def __init__(
        self,
        stream: Connection,
        expects: int,
        greeted: Callable[[Greeting, Hello], Link],
        attach: Callable[[Link, Greeting, Hello], None],
        deadline: float | None = DEADLINE,
    ) -> None:
        self.stream = stream
        self.reader = FrameReader()
        self._attach = attach
        #: Done when the handshake is over; fails with HandshakeRefused.
        self.over: asyncio.Future[Hello] = asyncio.get_running_loop().create_future()
        self.over.add_done_callback(_seen)
        self.link: Link | None = None  # whom it has led to
        self._expects = expects
        self._greeted = greeted
        self._timer: asyncio.TimerHandle | None = None
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_later(deadline, self._too_late)

    def say(self, kind: int, body: bytes) -> None:
        """Write a frame of the handshake."""
        self.stream.write([frames.frame(kind, body)])

    def refuse(self, code: str) -> None:
        """Tell the other side why not, and close."""
        if self._expects == frames.HELLO:
            self.say(frames.REFUSED, handshake.encode_refusal(code))
        self._fail(handshake.refused(code))

    def _fail(self, error: BaseException) -> None:
        self._in_time()
        if not self.over.done():
            self.over.set_exception(error)
        self.stream.close()

    def _in_time(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _too_late(self) -> None:
        self._fail(HandshakeRefused("no link: the handshake took too long", code="deadline"))

    # -- a sink

    @property
    def buffer(self) -> Callable[[], memoryview]:
        return self.reader.buffer

    def advance(self, count: int) -> None:
        for message in self.reader.advance(count):
            self._hear(message)

    def _hear(self, message: Message) -> None:
        try:
            if message.kind == frames.REFUSED and self._expects == frames.WELCOME:
                raise handshake.decode_refusal(message.body)
            if message.kind != self._expects:
                raise handshake.refused("malformed")
            hello = handshake.decode(message.body)
            self._in_time()
            link = self.link = self._greeted(self, hello)
        except HandshakeRefused as error:
            if self._expects == frames.HELLO:
                self.say(frames.REFUSED, handshake.encode_refusal(error.code))
            self._fail(error)
            return
        except CodecError as error:  # this node has more to say of itself than WELCOME may hold
            self._fail(error)
            return
        self.reader.begin(link.inbound)
        self._attach(link, self, hello)
        if not self.over.done():
            self.over.set_result(hello)
        link.advance(0)

    def writable(self) -> None:
        pass

    def closed(self, error: BaseException | None) -> None:
        self._in_time()
        if not self.over.done():
            why = "the other side closed the connection" if error is None else str(error)
            failure = HandshakeRefused(f"no link: {why}", code="closed")
            failure.__cause__ = error
            self.over.set_exception(failure)


def _seen(over: asyncio.Future[Hello]) -> None:
    if not over.cancelled():
        over.exception()  # whoever waits for it gets it, and nobody has to
