"""A byte stream between two nodes: one non-blocking socket on the event loop, plain or under TLS.

The transports of asyncio would do, and cost a copy of every large buffer and a callback for each read; so the socket is
used directly: `sendmsg` of what one turn has gathered, `recv_into` where the frames say, both repeated until the
kernel has no more. It is the same on asyncio's loop and on uvloop.

Invariants
- What `write` was given and the kernel did not take is kept, in order, and goes on exactly there (NET-37). Who was told
  False is told `writable` once it is gone.
- The sink is told `closed` exactly once, after which nothing is read or written.
- The socket is watched for room only while the kernel has refused bytes that may go; before the handshake of TLS is
  over that is its own, and what was written waits.
- `beat` runs in another thread. It and all that writes, encrypts or decrypts share a lock, for OpenSSL has none; the
  sink is never called under it. `beat` never writes into the middle of a frame.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import socket
import ssl
from collections.abc import Callable
from itertools import islice
from typing import Any, Final

from actorpar.channels import env

from .connection import Sink
from .errors import ProtocolError

#: Bytes that one callback reads at most, so that others have their turn.
READ_TURN: Final = 1 << 20
#: Bytes at once from which more is likely on its way, and asked for at once.
FLOW: Final = 16 * 1024
#: Buffers that one call writes; the kernel takes 1024.
GATHER: Final = 512
#: Bytes up to which a copy into one piece costs less than a call with many.
JOIN: Final = 4096
#: Bytes that TLS takes at a time.
TLS_WRITE: Final = 256 * 1024
#: What the kernel keeps of a Unix socket in each direction, if its limits allow.
UNIX_BUFFER: Final = 1 << 20


class Stream:
    """One connection, made on the loop that uses it. With `tls`, `start` shakes hands as a server or a client.

    The socket belongs to the stream. It may be a pipe (one of a `socketpair`), a Unix socket, or TCP.
    """

    def __init__(self, sock: socket.socket, *, tls: ssl.SSLContext | None = None, server: bool = False) -> None:
        sock.setblocking(False)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF) if sock.family == socket.AF_UNIX else ():
            sock.setsockopt(socket.SOL_SOCKET, option, UNIX_BUFFER)
        self._socket = sock
        self._loop = asyncio.get_running_loop()
        self._sink: Sink | None = None
        self._buffer: Callable[[], memoryview]
        self._rest: collections.deque[Any] = collections.deque()
        self._lock = env.Lock()
        self._unsent = memoryview(b"")  # ciphertext
        self._watches = False  # for the socket to have room
        self._owes = False  # `writable`, to the sink that was told False
        self._tls: ssl.SSLObject | None = None
        if tls is not None:
            self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
            self._tls = tls.wrap_bio(self._in, self._out, server_side=server)
            self._cipher = memoryview(bytearray(TLS_WRITE))
        self._shaking = self._tls is not None
        self.is_closed = False
        self.sent = 0
        self.received = 0

    @property
    def tls(self) -> ssl.SSLObject | None:
        """What is known of the other side by TLS."""
        return self._tls

    @property
    def medium(self) -> str:
        """What it runs over: unix, tcp, or tls."""
        if self._socket.family == socket.AF_UNIX:
            return "unix"
        return "tcp" if self._tls is None else "tls"

    def start(self, sink: Sink) -> None:
        """Begin to read; what comes goes to the sink."""
        self._sink = sink
        self._buffer = sink.buffer
        read = (self._read,) if self._tls is None else (self._guard, self._read_tls)
        self._loop.add_reader(self._socket.fileno(), *read)
        if self._shaking:
            self._guard(self._shake)

    def hand_over(self, sink: Sink) -> None:
        """What comes from now on goes to another sink."""
        self._sink = sink
        self._buffer = sink.buffer

    # -- writing

    def write(self, buffers: list[Any]) -> bool:
        """Write whole frames now, in bytes-like pieces whose `len` is their size. An error is told by `closed`, soon.

        False: a rest is kept, and `writable` tells when it is gone.
        """
        if self.is_closed:
            return True
        with self._lock:
            if not self._rest and self._tls is None and len(buffers) <= GATHER:
                size = sum(map(len, buffers))
                sent = self._send_now(buffers, size)
                if sent == size:
                    return True  # most writes: one call takes it all
                self._rest += buffers
                self._took(sent)
            else:
                self._rest += buffers
            full = self._push()
        if full:
            self._watch()
        self._owes = full or bool(self._rest)
        return not self._owes

    def _send_now(self, buffers: list[Any], size: int) -> int:
        try:
            sent = self._socket.send(b"".join(buffers)) if size <= JOIN else self._socket.sendmsg(buffers)
        except OSError:
            return 0  # the next attempt will tell why
        self.sent += sent
        return sent

    def beat(self, frame: bytes) -> None:
        """From another thread: push what is kept, or write this frame if nothing is (NET-41)."""
        if self.is_closed or self._shaking or not self._lock.acquire(blocking=False):
            return
        try:
            if not self._rest and not self._ciphertext():
                self._rest.append(frame)
            full = self._push()
        finally:
            self._lock.release()
        if full:
            self._soon(self._watch)

    def _soon(self, step: Any, *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(step, *args)

    def _watch(self) -> None:
        if not self._watches and not self.is_closed:
            self._watches = True
            self._loop.add_writer(self._socket.fileno(), self._drain)

    def _drain(self) -> None:
        """The socket has room again."""
        with self._lock:
            if self._push():
                return
        self._watches = False
        self._loop.remove_writer(self._socket.fileno())
        self._settle()

    def _settle(self) -> None:
        if self._owes and not self._rest and self._sink is not None:
            self._owes = False
            self._sink.writable()

    def _ciphertext(self) -> bool:
        return bool(self._unsent) or (self._tls is not None and self._out.pending > 0)

    def _push(self) -> bool:
        """Under the lock: write all that may go. True: the kernel takes no more for now. An error closes, soon."""
        try:
            if self._tls is not None:
                self._push_tls()
            else:
                while self._rest:
                    count = self._socket.sendmsg(islice(self._rest, GATHER))
                    self.sent += count
                    self._took(count)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError as error:
            self._rest.clear()
            self._soon(self._read_out, error)
        return False

    def _took(self, count: int) -> None:
        """The kernel took so many bytes; an empty buffer is gone with what stands before it."""
        rest = self._rest
        while rest:
            size = len(rest[0])
            if size > count:
                if count:
                    rest[0] = memoryview(rest[0])[count:]
                return
            count -= size
            rest.popleft()

    def _push_tls(self) -> None:
        while True:
            if self._ciphertext():
                self._send_cipher()
            elif self._rest and not self._shaking:
                self._encrypt()
            else:
                return

    def _encrypt(self) -> None:
        """Put what is kept under TLS, small pieces together."""
        assert self._tls is not None
        first = self._rest.popleft()
        if len(first) < TLS_WRITE // 4:
            pieces, size = [first], len(first)
            while self._rest and size + len(self._rest[0]) <= TLS_WRITE:
                size += len(self._rest[0])
                pieces.append(self._rest.popleft())
            first = b"".join(pieces)
        if first:
            view = memoryview(first)
            done = self._tls.write(view[:TLS_WRITE])
            if done < len(view):
                self._rest.appendleft(view[done:])

    def _send_cipher(self) -> None:
        while self._unsent or self._out.pending:
            if not self._unsent:
                self._unsent = memoryview(self._out.read())
            count = self._socket.send(self._unsent)
            self.sent += count
            self._unsent = self._unsent[count:]

    # -- reading

    def _guard(self, step: Any) -> None:
        try:
            step()
        except (OSError, ProtocolError) as error:
            self._close(error)

    def _read(self) -> None:
        left = READ_TURN
        try:
            while left > 0 and self._sink is not None:
                view = self._buffer()
                try:
                    count = self._socket.recv_into(view)
                except (BlockingIOError, InterruptedError):
                    return
                if not count:
                    self._close(None)
                    return
                left -= count
                self.received += count
                self._sink.advance(count)
                if count < FLOW and count < len(view):
                    return  # there is no more, or the loop will say so
        except (OSError, ProtocolError) as error:
            self._close(error)

    def _read_tls(self) -> None:
        left = READ_TURN
        while left > 0 and self._sink is not None:
            try:
                count = self._socket.recv_into(self._cipher)
            except (BlockingIOError, InterruptedError):
                return
            if not count:
                self._close(None)
                return
            left -= count
            self.received += count
            with self._lock:
                self._in.write(self._cipher[:count])
            if self._shaking:
                self._shake()
            if not self._shaking:
                self._decrypt()

    def _decrypt(self) -> None:
        assert self._tls is not None
        while self._sink is not None:
            view = self._buffer()
            with self._lock:
                try:
                    count = int(self._tls.read(len(view), view))
                except ssl.SSLWantReadError:
                    break
                except ssl.SSLZeroReturnError:
                    count = 0
            if not count:
                self._close(None)
                return
            self._sink.advance(count)
        if self._out.pending:
            self._flush()  # TLS answers for itself: a new key was asked for

    def _shake(self) -> None:
        """Go on with the handshake of TLS."""
        assert self._tls is not None
        try:
            self._tls.do_handshake()
            self._shaking = False
        except ssl.SSLWantReadError:
            pass
        finally:
            self._flush()  # our part, or the alert that tells the other side why not

    def _flush(self) -> None:
        """Push what TLS has to say, and what waited for it."""
        with self._lock:
            full = self._push()
        if full:
            self._watch()
        else:
            self._settle()

    def _read_out(self, error: BaseException) -> None:
        """Nothing can be written any more: what the other side has said before it went is read all the same."""
        before = -1
        while self.received != before and not self.is_closed:
            before = self.received
            if self._tls is None:
                self._read()
            else:
                self._guard(self._read_tls)
        self._close(error)

    # -- closing

    def _say_close_notify(self) -> None:
        """TLS: tell the other side that nothing more follows and nothing was cut off, if the kernel takes it now."""
        if self._tls is None or self._shaking:
            return
        with contextlib.suppress(OSError):  # SSLWantReadError is one: its answer is not waited for
            self._tls.unwrap()
        with contextlib.suppress(OSError):
            self._send_cipher()

    def close(self) -> None:
        """Close; the sink is told."""
        self._close(None)

    def abandon(self) -> None:
        """Close; the sink has another stream already, and is not told."""
        self._sink = None
        self._close(None)

    def _close(self, error: BaseException | None) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        number = self._socket.fileno()
        if number >= 0 and not self._loop.is_closed():
            self._loop.remove_reader(number)
            self._loop.remove_writer(number)
        with self._lock:
            if not isinstance(error, OSError):
                self._say_close_notify()
            self._socket.close()
            self._rest.clear()
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.closed(error)
