"""A private certificate authority for the nodes of one user; needs the `cryptography` package."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Any, Final

from actorpar.channels import env

from ..errors import KeyRefused
from .keys import read_private

#: Days that certificates are good for.
DAYS: Final = 3650


def make(folder: Path, names: list[str]) -> list[Path]:
    """Make, or go on with, the authority in `folder`, and a folder of credentials for each name. KeyRefused."""
    try:
        from cryptography import x509
    except ImportError:
        raise KeyRefused("certificates need the cryptography package: pip install 'actorpar[keys]'") from None
    assert x509
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key, certificate = _authority(folder)
    made = []
    for name in names:
        target = folder / name
        if (target / "node.key").exists():
            raise KeyRefused(f"{target} exists; a key is never overwritten")
        target.mkdir(mode=0o700, exist_ok=True)
        own = _new_key()
        _write(target / "node.key", _pem(own))
        _write(target / "node.pem", _public(_sign(name, own, key, certificate)))
        _write(target / "ca.pem", _public(certificate))
        made.append(target)
    return made


def _authority(folder: Path) -> tuple[Any, Any]:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if (folder / "ca.key").exists():
        key = load_pem_private_key(read_private(folder / "ca.key"), None)
        return key, x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    key = _new_key()
    certificate = _sign("actorpar nodes", key, key, None)
    _write(folder / "ca.key", _pem(key))
    _write(folder / "ca.pem", _public(certificate))
    return key, certificate


def _new_key() -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _sign(name: str, key: Any, authority_key: Any, authority: Any) -> Any:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import NameOID

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.fromtimestamp(env.wall_clock(), datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if authority is None else authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=DAYS))
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
    )
    if authority is None:
        usage = x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        builder = builder.add_extension(usage, critical=True)
    else:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(authority_key, hashes.SHA256())


def _pem(key: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    plain = serialization.NoEncryption()
    pem: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return pem


def _public(certificate: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    pem: bytes = certificate.public_bytes(serialization.Encoding.PEM)
    return pem


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
