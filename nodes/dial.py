"""Connect to the node at an address."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, Final

from .address import Address
from .errors import InvalidAddress, Unreachable
from .peercred import check_owner
from .stream import Stream

if TYPE_CHECKING:
    from .security.binding import Credentials

#: Seconds that a connection may take.
CONNECT: Final = 5.0


async def dial(address: Address, credentials: Credentials | None = None) -> Stream:
    """A connection to the address. Unreachable, InvalidAddress for a host that does not resolve."""
    loop = asyncio.get_running_loop()
    family, target = await _resolve(address)
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        async with asyncio.timeout(CONNECT):
            await loop.sock_connect(sock, target)
        if address.is_unix:
            check_owner(sock)
    except (OSError, TimeoutError) as error:
        sock.close()
        raise Unreachable(f"no node can be reached at {address}: {error or 'it does not answer'}") from error
    except BaseException:
        sock.close()
        raise
    if credentials is None or address.is_unix:
        return Stream(sock)
    return Stream(sock, tls=credentials.client_context())


async def _resolve(address: Address) -> tuple[int, Any]:
    if address.is_unix:
        return socket.AF_UNIX, address.path
    try:
        found = await asyncio.get_running_loop().getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise InvalidAddress(f"{address} does not resolve: {error}") from error
    return found[0][0], found[0][4]
