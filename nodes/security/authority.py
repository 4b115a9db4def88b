"""A private certificate authority for the nodes of one user; needs the `cryptography` package.

Invariants
- The authority's key stays in its folder; what is copied to a host is the folder of that host's node.
- A certificate is for one name, which that node then has to use.
- Nothing is written before everything that was asked for is known to be possible; nothing is overwritten.
"""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from actorpar.channels import env

from ..errors import KeyRefused
from .keys import read_private, write_private

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, CertificateBuilder, KeyUsage, Name

#: Days that certificates are good for.
DAYS: Final = 3650
#: What a node with a certificate may be called: a name of nodes that is also one of a folder, and short enough.
NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}")


def make(folder: Path, names: list[str]) -> list[Path]:
    """Make, or go on with, the authority in `folder`, and a folder of credentials for each name. KeyRefused."""
    try:
        import cryptography  # noqa: F401
    except ImportError:
        raise KeyRefused("certificates need the cryptography package: pip install 'actorpar[keys]'") from None
    targets = [folder / name for name in names]
    for name, target in zip(names, targets, strict=True):
        if not NAME.fullmatch(name):
            raise KeyRefused(f"{name!r} cannot be the name of a certificate: up to 64 letters, digits and _ . : -")
        if target.exists():
            raise KeyRefused(f"{target} exists, and a key is never overwritten")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key, certificate = _authority(folder)
        for name, target in zip(names, targets, strict=True):
            target.mkdir(mode=0o700)
            own = _new_key()
            write_private(target / "node.key", _pem(own))
            write_private(target / "node.pem", _public(_node(name, own, key, certificate.subject)))
            write_private(target / "ca.pem", _public(certificate))
    except OSError as error:
        raise KeyRefused(f"{error.filename or folder} cannot be written: {error.strerror}") from error
    return targets


def _authority(folder: Path) -> tuple[EllipticCurvePrivateKey, Certificate]:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if not (folder / "ca.key").exists():
        new = _new_key()
        certificate = _root(new)
        write_private(folder / "ca.pem", _public(certificate))
        write_private(folder / "ca.key", _pem(new))
        return new, certificate
    try:
        key = load_pem_private_key(read_private(folder / "ca.key"), None)
        certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    except (ValueError, TypeError, OSError) as error:
        raise KeyRefused(f"{folder} holds no authority that can be gone on with: {error}") from error
    if not isinstance(key, EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise KeyRefused(f"{folder}: ca.key is not the key of ca.pem")
    return key, certificate


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _root(key: EllipticCurvePrivateKey) -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    builder = _builder(_named("actorpar nodes"), None, key, key)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return builder.sign(key, hashes.SHA256())


def _node(name: str, own: EllipticCurvePrivateKey, key: EllipticCurvePrivateKey, issuer: Name) -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID

    builder = _builder(_named(name), issuer, own, key)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    builder = builder.add_extension(both, critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(key, hashes.SHA256())


def _named(text: str) -> Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: Name, issuer: Name | None, key: EllipticCurvePrivateKey, signs: EllipticCurvePrivateKey
) -> CertificateBuilder:
    from cryptography import x509

    now = datetime.datetime.fromtimestamp(env.wall_clock(), datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))  # clocks differ
        .not_valid_after(now + datetime.timedelta(days=DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signs.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates, key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _pem(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives import serialization

    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def _public(certificate: Certificate) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return certificate.public_bytes(serialization.Encoding.PEM)
