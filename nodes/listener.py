"""Accept connections at an address: from this host only, unless there are keys (NET-31).

Invariants
- A Unix socket stands in a directory that only its user can enter, and its peer belongs to that user.
- At most HALF_OPEN connections are in their handshake at a time, and PER_SOURCE of one host; the newest is shed.
- Without descriptors the listener rests for a moment and says so once a second; it gives none of its own up.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import errno
import logging
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .address import Address
from .errors import BindRefused, InvalidAddress
from .peercred import check_owner
from .stream import Stream

if TYPE_CHECKING:
    from .security.binding import Credentials

logger = logging.getLogger("actorpar.nodes")

#: Connections that may be in their handshake, in all and from one source.
HALF_OPEN: Final = 256
PER_SOURCE: Final = 64
#: Connections that one callback accepts.
ACCEPT_TURN: Final = 32
#: Seconds of rest without descriptors.
REST: Final = 1.0
_OUT_OF_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Listener:
    """One address that is listened at."""

    def __init__(
        self, sock: socket.socket, address: Address, accepted: Callable[[Stream], Any],
        credentials: Credentials | None,
    ) -> None:  # fmt: skip
        self.address = address
        #: Connections that were shed, or refused before a word was said.
        self.shed = 0
        self._socket = sock
        self._accepted = accepted
        self._credentials = None if address.is_unix else credentials
        self._loop = asyncio.get_running_loop()
        self._half_open: collections.Counter[str] = collections.Counter()
        self._loop.add_reader(sock.fileno(), self._readable)
        self._inode = os.stat(address.path).st_ino if address.is_unix else 0

    def _readable(self) -> None:
        for _ in range(ACCEPT_TURN):
            try:
                sock, source = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in _OUT_OF_DESCRIPTORS:
                    self._rest(error)
                    return
                raise
            self._take(sock, str(source[0]) if source else "")

    def _rest(self, error: OSError) -> None:
        logger.error("%s: no connection can be accepted for %g s: %s", self.address, REST, error)
        self._loop.remove_reader(self._socket.fileno())
        self._loop.call_later(REST, self._resume)

    def _resume(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.add_reader(self._socket.fileno(), self._readable)

    def _take(self, sock: socket.socket, source: str) -> None:
        if self._half_open.total() >= HALF_OPEN or self._half_open[source] >= PER_SOURCE:
            self.shed += 1
            sock.close()
            return
        try:
            if self.address.is_unix:
                check_owner(sock)
            context = None if self._credentials is None else self._credentials.server_context()
            stream = Stream(sock, tls=context, server=True)
        except OSError:
            self.shed += 1
            sock.close()
            return
        self._half_open[source] += 1
        greeting = self._accepted(stream)
        if greeting is not None:
            greeting.over.add_done_callback(lambda _: self._settled(source))

    def _settled(self, source: str) -> None:
        self._half_open[source] -= 1
        if not self._half_open[source]:
            del self._half_open[source]

    def close(self) -> None:
        """Accept nothing more."""
        if self._socket.fileno() < 0:
            return
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        if self.address.is_unix:
            with contextlib.suppress(OSError):
                if os.stat(self.address.path).st_ino == self._inode:
                    os.unlink(self.address.path)


async def listen(address: Address, accepted: Callable[[Stream], Any], credentials: Credentials | None) -> Listener:
    """Listen at an address; port 0 takes one that is free. BindRefused, InvalidAddress."""
    if not address.is_loopback and credentials is None:
        raise BindRefused(
            f"{address} can be reached from other hosts, and there is no key: `actorpar key new` makes one, and "
            "--key FILE or ACTORPAR_KEY_FILE names it; or listen at 127.0.0.1"
        )
    try:
        sock = _bind_unix(address) if address.is_unix else await _bind_tcp(address)
        sock.listen(128)
    except OSError as error:
        raise BindRefused(f"{address} cannot be listened at: {error.strerror or error}") from error
    sock.setblocking(False)
    if not address.is_unix:
        address = Address(host=address.host, port=sock.getsockname()[1])
    return Listener(sock, address, accepted, credentials)


async def _bind_tcp(address: Address) -> socket.socket:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise InvalidAddress(f"{address} does not resolve: {error}") from error
    sock = socket.socket(found[0][0], socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(found[0][4])
    except BaseException:
        sock.close()
        raise
    return sock


def _bind_unix(address: Address) -> socket.socket:
    folder = Path(address.path).parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise PermissionError(f"{folder} must belong to this user alone: chmod 700 {folder}")
    _remove_stale(address.path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(address.path)
    except BaseException:
        sock.close()
        raise
    return sock


def _remove_stale(path: str) -> None:
    """Remove a socket that nobody listens at any more; OSError for one that is in use."""
    if not os.path.exists(path):
        return
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        probe.connect(path)
    except ConnectionRefusedError:
        os.unlink(path)
    except OSError:
        pass
    else:
        raise OSError(errno.EADDRINUSE, "another node listens there")
    finally:
        probe.close()
