"""Keys: with a key file, or a folder of certificates, nodes of several hosts know each other (TLS 1.3, mutual).

`actorpar key new FILE` writes 32 random bytes: with Python 3.13 or later on all hosts that is enough (TLS-PSK).
`actorpar key certs FOLDER NAME…` makes a private CA and a certificate for each node, for any Python.

Invariant: a key that others than its user can read is no key, and is refused.
"""

from __future__ import annotations

import os
import secrets
import ssl
import stat
from pathlib import Path
from typing import Final

from ..errors import KeyRefused

#: Bytes of a key.
SIZE: Final = 32
IDENTITY: Final = "actorpar"
HAS_PSK: Final = getattr(ssl, "HAS_PSK", False)


def new(path: Path) -> None:
    """Write a new key, readable by its user alone. KeyRefused if the file is there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyRefused(f"{path} exists; a key is never overwritten") from None
    except OSError as error:
        raise KeyRefused(f"{path} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(SIZE) + "\n")


def load(path: str | Path) -> PreSharedKey | Certificates:
    """The credentials in a key file or a folder of certificates. KeyRefused."""
    path = Path(path)
    return Certificates(path) if path.is_dir() else PreSharedKey(path)


def read_private(path: Path) -> bytes:
    """What is in a file that nobody else can read. KeyRefused."""
    try:
        status = path.stat()
        if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise KeyRefused(f"{path} can be read by others, so it is no secret: chmod 600 {path}, and make a new key")
        return path.read_bytes()
    except OSError as error:
        raise KeyRefused(f"{path} cannot be read: {error.strerror}") from error


def _context(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    return context


class PreSharedKey:
    """One key that all nodes have."""

    def __init__(self, path: Path) -> None:
        text = read_private(path).decode("ascii", errors="replace").strip()
        try:
            self._key = bytes.fromhex(text)
        except ValueError:
            self._key = b""
        if len(self._key) < 16:
            raise KeyRefused(f"{path} holds no key: `actorpar key new FILE` makes one")
        if not HAS_PSK:
            raise KeyRefused(
                f"{path}: this Python has no TLS with pre-shared keys, which came with 3.13; "
                "`actorpar key certs FOLDER NAME…` makes certificates, which work everywhere"
            )

    def server_context(self) -> ssl.SSLContext:
        """TLS 1.3 for a connection that was accepted; without the key there is no handshake."""
        context = _context(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_NONE
        context.set_psk_server_callback(self._server_key, IDENTITY)  # type: ignore[attr-defined,unused-ignore]
        return context

    def client_context(self) -> ssl.SSLContext:
        """TLS 1.3 for a connection that was made."""
        context = _context(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_mode = ssl.CERT_NONE
        context.set_psk_client_callback(self._client_key)  # type: ignore[attr-defined,unused-ignore]
        return context

    def _server_key(self, identity: str | None) -> bytes:
        return self._key if identity == IDENTITY else b""

    def _client_key(self, hint: str | None) -> tuple[str, bytes]:
        return IDENTITY, self._key


class Certificates:
    """A folder with the certificate of this node, its key, and the CA that signed those of all nodes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        read_private(folder / "node.key")
        for name in ("node.pem", "ca.pem"):
            if not (folder / name).is_file():
                raise KeyRefused(f"{folder} has no {name}: `actorpar key certs` makes such folders")

    def _load(self, protocol: int) -> ssl.SSLContext:
        context = _context(protocol)
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(self._folder / "ca.pem")
            context.load_cert_chain(self._folder / "node.pem", self._folder / "node.key")
        except (ssl.SSLError, OSError) as error:
            raise KeyRefused(f"{self._folder}: {error}") from error
        return context

    def server_context(self) -> ssl.SSLContext:
        """TLS 1.3 for a connection that was accepted; the other side must show a certificate of the CA."""
        return self._load(ssl.PROTOCOL_TLS_SERVER)

    def client_context(self) -> ssl.SSLContext:
        """TLS 1.3 for a connection that was made."""
        return self._load(ssl.PROTOCOL_TLS_CLIENT)
