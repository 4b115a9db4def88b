"""Accept connections at an address: from this host only, unless there are keys (NET-31).

Invariants
- A Unix socket stands in a directory that only its user can enter, and its peer belongs to that user. Only a socket at
  which nobody listens is replaced, never another file.
- At most HALF_OPEN connections are in their handshake at a time, and PER_SOURCE of one other host; the newest is shed.
- Without descriptors a connection is accepted with one of the reserve and shed, so that its peer knows and nobody
  spins; without even those the listener rests for a moment.
- Whatever strangers do, the log has one line of it a second.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import errno
import ipaddress
import logging
import os
import socket
import ssl
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from actorpar.channels import env

from .address import Address, is_local, resolve
from .errors import BindRefused
from .peercred import check_owner
from .stream import Stream

if TYPE_CHECKING:
    from .security.binding import Credentials

logger = logging.getLogger("actorpar.nodes")

#: Connections that may be in their handshake, in all and from one other host.
HALF_OPEN: Final = 256
PER_SOURCE: Final = 64
#: Connections that the kernel keeps for this listener, and that one callback accepts.
BACKLOG: Final = 128
ACCEPT_TURN: Final = 32
#: Descriptors in reserve, for shedding when there is no other.
RESERVE: Final = 8
#: Seconds of rest when nothing can be accepted, and between two lines in the log.
REST: Final = 1.0
_OUT_OF_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE)


class Listener:
    """One address that is listened at. What `accepted` returns has a future `over`: the handshake has ended."""

    def __init__(
        self, sock: socket.socket, address: Address, accepted: Callable[[Stream], Any], tls: ssl.SSLContext | None
    ) -> None:
        self.address = address
        #: Connections that were closed before a word was said.
        self.shed = 0
        self._socket = sock
        self._accepted = accepted
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._half_open: collections.Counter[str] = collections.Counter()
        self._reserve: list[int] = []
        self._complained = -REST
        self._resting: asyncio.TimerHandle | None = None
        self._inode = os.stat(address.path).st_ino if address.is_unix else 0
        self._refill()
        self._loop.add_reader(sock.fileno(), self._readable)

    # -- accepting

    def _readable(self) -> None:
        for _ in range(ACCEPT_TURN):
            try:
                found = self._accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                self._rest(error)
                return
            if found is not None:
                self._take(*found)

    def _accept(self) -> tuple[socket.socket, str] | None:
        """The next connection; None: it was shed, for there is no descriptor to keep it."""
        try:
            sock, source = self._socket.accept()
        except OSError as error:
            if error.errno not in _OUT_OF_DESCRIPTORS or not self._reserve:
                raise
            self._shed_with_reserve(error)  # the kernel says so even when nobody waits to be accepted
            return None
        return sock, _host_of(source)

    def _take(self, sock: socket.socket, source: str) -> None:
        if self._half_open.total() >= HALF_OPEN or (source and self._half_open[source] >= PER_SOURCE):
            self._shed(sock, f"{self._half_open.total()} handshakes are under way, {self._half_open[source]} with it")
            return
        try:
            if self.address.is_unix:
                check_owner(sock)
            stream = Stream(sock, tls=self._tls, server=True)
        except OSError as error:
            self._shed(sock, str(error))
            return
        self._half_open[source] += 1
        try:
            greeting = self._accepted(stream)
        except BaseException:
            self._settled(source)
            stream.close()
            raise
        greeting.over.add_done_callback(lambda _: self._settled(source))

    def _settled(self, source: str) -> None:
        self._half_open[source] -= 1
        if not self._half_open[source]:
            del self._half_open[source]

    # -- shedding

    def _shed(self, sock: socket.socket, why: str) -> None:
        sock.close()
        self.shed += 1
        self._complain("a connection was closed, %d by now: %s", self.shed, why)

    def _shed_with_reserve(self, error: OSError) -> None:
        """Accept the next connection with a descriptor of the reserve, and close it."""
        os.close(self._reserve.pop())
        try:
            sock, _ = self._socket.accept()
            self._shed(sock, str(error))
        finally:
            self._refill()

    def _refill(self) -> None:
        with contextlib.suppress(OSError):
            while len(self._reserve) < RESERVE:
                self._reserve.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))

    def _rest(self, error: OSError) -> None:
        self._complain("no connection can be accepted for %g s: %s", REST, error)
        self._loop.remove_reader(self._socket.fileno())
        self._resting = self._loop.call_later(REST, self._resume)

    def _resume(self) -> None:
        self._resting = None
        self._refill()
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def _complain(self, text: str, *values: object) -> None:
        now = env.clock()
        if now - self._complained >= REST:
            self._complained = now
            logger.warning("%s: " + text, self.address, *values)

    def close(self) -> None:
        """Accept nothing more. What was accepted goes on."""
        if self._socket.fileno() < 0:
            return
        if self._resting is not None:
            self._resting.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        while self._reserve:
            os.close(self._reserve.pop())
        if self.address.is_unix:
            with contextlib.suppress(OSError):
                if os.stat(self.address.path).st_ino == self._inode:
                    os.unlink(self.address.path)


def _host_of(source: Any) -> str:
    """What is counted as one source: another host, or its network of IPv6. This host is only counted in all."""
    if not source or is_local(source[0]):
        return ""
    host = ipaddress.ip_address(source[0].partition("%")[0])
    return str(ipaddress.ip_network((host, 64), strict=False) if host.version == 6 else host)


# -- binding


async def listen(address: Address, accepted: Callable[[Stream], Any], credentials: Credentials | None) -> Listener:
    """Listen at an address; port 0 takes one that is free.

    BindRefused: there is no key and it is not for this host alone, it is taken, or it cannot be had. InvalidAddress: it
    does not resolve. KeyRefused: the key cannot be used.
    """
    if not address.is_loopback and credentials is None:
        raise _without_key(str(address))
    tls = None if credentials is None or address.is_unix else credentials.server_context()
    try:
        sock = _bind_unix(address.path) if address.is_unix else await _bind_tcp(address, credentials)
    except OSError as error:
        raise BindRefused(f"{address} cannot be listened at: {error.strerror or error}") from error
    if not address.is_unix:
        address = Address(host=address.host, port=sock.getsockname()[1])
    try:
        return Listener(sock, address, accepted, tls)
    except BaseException:
        sock.close()
        raise


def _without_key(where: str) -> BindRefused:
    return BindRefused(
        f"{where} can be reached from other hosts, and there is no key: `actorpar key new` makes one, and "
        "--key FILE or ACTORPAR_KEY_FILE names it; or listen at 127.0.0.1"
    )


async def _bind_tcp(address: Address, credentials: Credentials | None) -> socket.socket:
    family, target = (await resolve(address))[0]
    if credentials is None and not is_local(target[0]):
        raise _without_key(f"{address}, which is {target[0]},")
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return _bound(sock, target)


def _bound(sock: socket.socket, target: Any) -> socket.socket:
    try:
        sock.bind(target)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind_unix(path: str) -> socket.socket:
    folder = Path(path).parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise PermissionError(f"{folder} must belong to this user alone: chmod 700 {folder}")
    _remove_stale(path)
    return _bound(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), path)


def _remove_stale(path: str) -> None:
    """Remove a socket at which nobody listens any more; OSError for one in use, and for any other file."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(errno.EEXIST, "there is a file of that name, and it is no socket")
    except FileNotFoundError:
        return
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    probe.setblocking(False)
    try:
        probe.connect(path)
    except ConnectionRefusedError:
        os.unlink(path)
    except BlockingIOError:  # its backlog is full
        raise OSError(errno.EADDRINUSE, "another node listens there") from None
    else:
        raise OSError(errno.EADDRINUSE, "another node listens there")
    finally:
        probe.close()
