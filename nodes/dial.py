"""Connect to the node at an address.

Every place that a name resolves to is tried in turn, and has its share of the time. A Unix socket whose backlog is full
refuses for the moment only: its node is busy, and is asked again.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final

from actorpar.channels import env

from .address import Address, Target, resolve
from .errors import Unreachable
from .peercred import check_owner
from .stream import Stream

if TYPE_CHECKING:
    from .security.binding import Credentials

#: Seconds that a connection may take.
CONNECT: Final = 5.0
#: Seconds between two attempts at a Unix socket whose backlog is full.
BACKLOG_PAUSE: Final = 0.02


async def dial(address: Address, credentials: Credentials | None = None) -> Stream:
    """A connection to the address. Unreachable, InvalidAddress for a host that does not resolve.

    With credentials TLS is spoken, except over a Unix socket. Cancelled, it leaves no connection.
    """
    try:
        async with asyncio.timeout(CONNECT):
            sock = await (_connect_unix(address.path) if address.is_unix else _connect_tcp(address))
    except (OSError, TimeoutError) as error:  # a TimeoutError of ours has no text
        raise Unreachable(f"no node can be reached at {address}: {error if str(error) else 'no answer'}") from error
    try:
        context = None if credentials is None or address.is_unix else credentials.client_context()
        return Stream(sock, tls=context)
    except BaseException:
        sock.close()
        raise


async def _connect_tcp(address: Address) -> socket.socket:
    targets = await resolve(address)
    failure: OSError = TimeoutError()
    for number, target in enumerate(targets):
        try:
            async with asyncio.timeout(CONNECT / (len(targets) - number + 1) if number + 1 < len(targets) else None):
                return await _connect(target)
        except OSError as error:  # TimeoutError is one
            failure = error
    raise failure


async def _connect(target: Target) -> socket.socket:
    sock = socket.socket(target[0], socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, target[1])
    except BaseException:
        sock.close()
        raise
    return sock


async def _connect_unix(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        while True:
            try:
                sock.connect(path)
                break
            except BlockingIOError:  # the loops take it for a connection under way, which it is not
                await env.sleep(BACKLOG_PAUSE)
        check_owner(sock)
    except BaseException:
        sock.close()
        raise
    return sock
