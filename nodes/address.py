"""Node addresses: `unix:/path` and `tcp://host:port`.

Invariants
- What parses prints as text that parses to the same address.
- An address is of this host alone only if that is certain: a name is not, except `localhost`, and what that resolves
  to is looked at again before anything is bound (`is_local`).
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Any, Final

from .errors import InvalidAddress, Unreachable

#: The longest path that the kernel takes for a Unix socket.
LONGEST_PATH: Final = 107
_TCP: Final = re.compile(
    r"tcp://(?:\[(?P<six>[0-9A-Fa-f:.]+(?:%\w+)?)\]|(?P<host>[\w.-]{1,253})):(?P<port>\d{1,5})/?", re.A
)

#: Family and socket address, as `socket` takes them.
Target = tuple[int, Any]


@dataclass(frozen=True)
class Address:
    """Where a node listens: a path, or a host and a port (0: any that is free)."""

    path: str = ""
    host: str = ""
    port: int = 0

    @property
    def is_unix(self) -> bool:
        """True for a Unix socket."""
        return bool(self.path)

    @property
    def is_loopback(self) -> bool:
        """True if nobody on another host can reach it."""
        return self.is_unix or self.host == "localhost" or is_local(self.host)

    @property
    def is_any(self) -> bool:
        """True if it stands for all addresses of this host, and so leads nobody there."""
        return self.host in ("0.0.0.0", "::")

    def __str__(self) -> str:
        if self.is_unix:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"


def is_local(host: str) -> bool:
    """True if it is an IP address that stands for this host alone; a name is never one."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse(text: str) -> Address:
    """The address that a text tells. InvalidAddress."""
    if text.startswith("unix:"):
        return _parse_path(text)
    found = _TCP.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise InvalidAddress(f"{text!r} is no node address: write tcp://host:port or unix:/path")
    if found["six"] is not None:
        try:
            ipaddress.IPv6Address(found["six"])
        except ValueError as error:
            raise InvalidAddress(f"{text!r} is no node address: {error}") from None
    return Address(host=(found["six"] or found["host"]).lower(), port=int(found["port"]))


def _parse_path(text: str) -> Address:
    path = text.removeprefix("unix:")
    if not path.startswith("/") or "\0" in path or len(path.encode(errors="surrogateescape")) > LONGEST_PATH:
        raise InvalidAddress(f"{text!r}: the path of a Unix socket is absolute and has at most {LONGEST_PATH} bytes")
    return Address(path=path)


async def resolve(address: Address) -> list[Target]:
    """Where the host of a TCP address is, the preferred place first.

    InvalidAddress: there is no such host. Unreachable: who knows does not answer now.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise Unreachable(f"{address} cannot be resolved now: {error.strerror}") from error
        raise InvalidAddress(f"{address} does not resolve: {error.strerror}") from error
    except (OSError, UnicodeError) as error:
        raise InvalidAddress(f"{address} does not resolve: {error}") from error
    return [(family, target) for family, _, _, _, target in found]
