"""Credentials of the tests: two authorities with certificates, and two keys."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from actorpar.nodes.security import authority, keys
from actorpar.nodes.security.tls import HAS_PSK, Certificates, PreSharedKey

needs_psk = pytest.mark.skipif(not HAS_PSK, reason="TLS-PSK came with Python 3.13")
KINDS = ["certificates", pytest.param("key", marks=needs_psk)]


class Safe:
    """A folder with what two users have: ours, and a stranger's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        authority.make(folder / "ours", ["alpha", "beta"])
        authority.make(folder / "theirs", ["alpha", "mallory"])
        keys.new(folder / "our.key")
        keys.new(folder / "their.key")

    def certificates(self, name: str) -> Certificates:
        """By `ours/alpha` and the like."""
        return Certificates(self.folder / name)

    def key(self, whose: str = "our") -> PreSharedKey:
        """The shared key of ours or of theirs."""
        return PreSharedKey(self.folder / f"{whose}.key")

    def of(self, kind: str, name: str) -> Certificates | PreSharedKey:
        """What a node of ours has."""
        return self.key() if kind == "key" else self.certificates(f"ours/{name}")


def without_certificate() -> ssl.SSLContext:
    """A client that shows nothing and asks for nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def showing(folder: Path, protocol: int = ssl.PROTOCOL_TLS_CLIENT) -> ssl.SSLContext:
    """One that shows a certificate, and believes everybody."""
    context = ssl.SSLContext(protocol)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(folder / "node.pem", folder / "node.key")
    return context
