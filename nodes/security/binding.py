"""What a node needs to be reached from other hosts: TLS contexts for both sides."""

from __future__ import annotations

import ssl
from typing import Protocol


class Credentials(Protocol):
    """The keys of a node."""

    def server_context(self) -> ssl.SSLContext:
        """TLS 1.3 for a connection that was accepted; the other side must show its key, too."""

    def client_context(self) -> ssl.SSLContext:
        """TLS 1.3 for a connection that was made."""
