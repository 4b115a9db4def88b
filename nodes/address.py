"""Node addresses: `unix:/path` and `tcp://host:port`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from .errors import InvalidAddress

#: The longest path that the kernel takes for a Unix socket.
LONGEST_PATH = 107


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
        if self.is_unix or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        if self.is_unix:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"


def parse(text: str) -> Address:
    """The address that a text tells. InvalidAddress."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not Path(path).is_absolute() or len(path.encode()) > LONGEST_PATH:
            raise InvalidAddress(
                f"{text!r}: the path of a Unix socket is absolute and has at most {LONGEST_PATH} bytes"
            )
        return Address(path=path)
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme != "tcp" or not parts.hostname or port is None or parts.path not in ("", "/"):
        raise InvalidAddress(f"{text!r} is no node address: write tcp://host:port or unix:/path")
    return Address(host=parts.hostname, port=port)
