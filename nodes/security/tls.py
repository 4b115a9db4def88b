"""TLS between nodes: version 1.3 only, and each side proves itself to the other (A1, A2, A3).

A key file is enough where Python is 3.13 or later: both sides prove that they have it (TLS-PSK). A folder of
certificates, which `actorpar key certs` makes, works with any Python: both sides show one of the private authority.

Invariants
- Nobody is trusted but who has the key, or a certificate of that one authority: no public authority is ever loaded.
- Certificates are verified in both directions, also with a shared key. There no certificate can pass, so a stranger
  who leaves the key aside and shows a certificate instead is refused, too.
- Whose certificate it is, is not TLS's business: the name comes with HELLO, and `binding.check_name` compares them.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

from ..errors import KeyRefused
from .keys import read_key, read_private

IDENTITY: Final = "actorpar"
HAS_PSK: Final = bool(getattr(ssl, "HAS_PSK", False))
#: Turns that the two sides of a handshake need, and some more.
_TURNS: Final = 6


def load(path: str | Path) -> PreSharedKey | Certificates:
    """The credentials in a key file, or in a folder of certificates. KeyRefused."""
    path = Path(path)
    return Certificates(path) if path.is_dir() else PreSharedKey(path)


def _context(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # check_name does that, in both directions
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    if protocol == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0  # no connection goes on with the keys of an older one
    return context


class PreSharedKey:
    """One key that all nodes have. It says nothing of their names: who has it may take any."""

    #: The name that it is for: none.
    name: Final = ""

    def __init__(self, path: Path) -> None:
        self._key = read_key(path)
        if not HAS_PSK:
            raise KeyRefused(
                f"{path}: this Python has no TLS with pre-shared keys, which came with 3.13; "
                "`actorpar key certs FOLDER NAME…` makes certificates, which work everywhere"
            )

    def server_context(self) -> ssl.SSLContext:
        """For connections that are accepted; without the key there is no handshake."""
        context = _context(ssl.PROTOCOL_TLS_SERVER)
        context.set_psk_server_callback(self._server_key, IDENTITY)  # type: ignore[attr-defined,unused-ignore]
        return context

    def client_context(self) -> ssl.SSLContext:
        """For connections that are made."""
        context = _context(ssl.PROTOCOL_TLS_CLIENT)
        context.set_psk_client_callback(self._client_key)  # type: ignore[attr-defined,unused-ignore]
        return context

    def _server_key(self, identity: str | None) -> bytes:
        return self._key if identity == IDENTITY else b""

    def _client_key(self, hint: str | None) -> tuple[str, bytes]:
        return IDENTITY, self._key


class Certificates:
    """A folder with the certificate of this node, its key, and the authority that signed those of all nodes.

    node.pem, node.key, ca.pem. That they fit together is tried at once: it shakes hands with itself. KeyRefused.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        read_private(folder / "node.key")
        for name in ("node.pem", "ca.pem"):
            if not (folder / name).is_file():
                raise KeyRefused(f"{folder} has no {name}: `actorpar key certs` makes such folders")
        self._server = self._load(ssl.PROTOCOL_TLS_SERVER)
        self._client = self._load(ssl.PROTOCOL_TLS_CLIENT)
        try:
            names = names_of(_shaken(self._server, self._client))
        except ssl.SSLError as error:
            why = getattr(error, "verify_message", "") or error.reason or str(error)
            raise KeyRefused(f"{folder}: its certificate is not good: {why}") from error
        if not names:
            raise KeyRefused(f"{folder}: its certificate has no name (a DNS name as subjectAltName)")
        #: The name that this node has to use.
        self.name = names[0]

    def _load(self, protocol: int) -> ssl.SSLContext:
        context = _context(protocol)
        try:
            context.load_verify_locations(self._folder / "ca.pem")
            context.load_cert_chain(self._folder / "node.pem", self._folder / "node.key", password=self._no_password)
        except (ssl.SSLError, OSError) as error:
            why = error.reason if isinstance(error, ssl.SSLError) else error.strerror
            raise KeyRefused(f"{self._folder}: its files are no certificate and key that fit: {why}") from error
        return context

    def _no_password(self) -> str:
        raise KeyRefused(f"{self._folder / 'node.key'} is encrypted, and nobody is there to ask for its password")

    def server_context(self) -> ssl.SSLContext:
        """For connections that are accepted; the other side must show a certificate of the authority."""
        return self._server

    def client_context(self) -> ssl.SSLContext:
        """For connections that are made."""
        return self._client


def names_of(tls: ssl.SSLObject) -> tuple[str, ...] | None:
    """The names in the certificate of the other side, which was verified; None: it has shown none."""
    certificate = tls.getpeercert()
    if certificate is None:
        return None
    alternatives: tuple[tuple[str, str], ...] = certificate.get("subjectAltName", ())  # type: ignore[assignment]
    return tuple(name for kind, name in alternatives if kind == "DNS")


def _shaken(server: ssl.SSLContext, client: ssl.SSLContext) -> ssl.SSLObject:
    """The client's side of a handshake in memory. SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    dialing = client.wrap_bio(to_client, to_server)
    accepting = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(_TURNS):
        for side in (dialing, accepting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
    return dialing
