"""What binds a connection to a node: its credentials, and that it is who it says it is."""

from __future__ import annotations

import ssl
from typing import Protocol

from ..errors import HandshakeRefused
from .tls import names_of


class Credentials(Protocol):
    """The keys of a node."""

    def server_context(self) -> ssl.SSLContext:
        """TLS 1.3 for a connection that was accepted; the other side must show its key, too."""
        raise NotImplementedError

    def client_context(self) -> ssl.SSLContext:
        """TLS 1.3 for a connection that was made."""
        raise NotImplementedError


def names_proven(tls: ssl.SSLObject | None) -> bool:
    """True if the other side has shown a certificate: then it is the node of that name (`check_name`)."""
    return tls is not None and names_of(tls) is not None


def check_name(tls: ssl.SSLObject | None, name: str) -> None:
    """Whether the other side may call itself so (A3): the name is one in its certificate, letter by letter.

    HandshakeRefused with code auth: it is not. Both sides check, as soon as HELLO or WELCOME has told the name. Without
    TLS the other side is of this host; with a shared key all who have it trust each other, whatever they are called.
    """
    if tls is None:
        return
    names = names_of(tls)
    if names is None or name in names:
        return
    told = ", ".join(names) or "nobody"
    raise HandshakeRefused(f"no link: it says it is {name}, and its certificate is for {told}", code="auth")
