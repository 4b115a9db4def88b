"""Key files and folders of certificates: made, never overwritten, and refused where they are no secret or no use."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from actorpar import cli
from actorpar.nodes.errors import KeyRefused
from actorpar.nodes.security import authority, keys, tls
from tests.nodes.security.credentials import Safe, needs_psk


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "nodes.key"
    keys.new(path)
    return path


# -- a key


def test_a_new_key_has_32_random_bytes_and_is_for_its_user_alone(key: Path, tmp_path: Path) -> None:
    keys.new(tmp_path / "other.key")
    assert len(keys.read_key(key)) == 32
    assert mode_of(key) == 0o600
    assert keys.read_key(key) != keys.read_key(tmp_path / "other.key")


def test_a_key_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        keys.new(tmp_path / "nodes.key")
        authority.make(tmp_path / "ca", ["alpha"])
    finally:
        os.umask(before)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {mode_of(path) for path in files} == {0o600}
    assert {mode_of(path) for path in tmp_path.rglob("*") if path.is_dir()} == {0o700}


def test_a_key_is_never_overwritten(key: Path) -> None:
    before = key.read_bytes()
    with pytest.raises(KeyRefused, match="never overwritten"):
        keys.new(key)
    assert key.read_bytes() == before


def test_a_key_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeyRefused, match="cannot be written: No such file or directory"):
        keys.new(tmp_path / "absent/nodes.key")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o644, 0o601])
def test_a_key_that_others_may_read_is_refused(key: Path, mode: int) -> None:
    key.chmod(mode)
    with pytest.raises(KeyRefused, match="can be read by others"):
        keys.read_key(key)


@pytest.mark.parametrize(
    ("owner", "mode", "says"),
    [
        (0, 0o400, None),
        (0, 0o440, None),  # as secrets are mounted into containers
        (0, 0o640, None),
        (0, 0o444, "can be read by others"),
        (0, 0o660, "can be read by others"),
        (1000, 0o440, "can be read by others"),
        (1000, 0o600, None),
        (1001, 0o600, "belongs to another user"),
    ],
)
def test_a_key_may_belong_to_its_user_or_to_root(
    key: Path, monkeypatch: pytest.MonkeyPatch, owner: int, mode: int, says: str | None
) -> None:
    real = os.fstat
    status: Any = SimpleNamespace(st_uid=owner, st_mode=0o100000 | mode, st_size=65)
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    with monkeypatch.context() as patched:
        patched.setattr(
            os, "fstat", lambda number: status if real(number).st_ino == key.stat().st_ino else real(number)
        )
        if says is None:
            assert len(keys.read_key(key)) == 32
        else:
            with pytest.raises(KeyRefused, match=says):
                keys.read_key(key)


@pytest.mark.parametrize("text", ["", "short", "ab" * 15, "zz" * 32, "\n", "ab" * 32 + "x"])
def test_a_file_without_a_key_is_refused(key: Path, text: str) -> None:
    key.write_text(text)
    with pytest.raises(KeyRefused, match="holds no key"):
        keys.read_key(key)


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(KeyRefused, match="no key file"):
        keys.read_key(tmp_path / "pipe")
    with pytest.raises(KeyRefused, match="cannot be read"):
        keys.read_key(tmp_path / "absent")
    large = tmp_path / "large"
    large.touch(0o600)
    os.truncate(large, keys.LARGEST + 1)
    with pytest.raises(KeyRefused, match="no key file"):
        keys.read_key(large)


def test_without_psk_a_key_is_refused_and_certificates_are_named(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "HAS_PSK", False)
    with pytest.raises(KeyRefused, match="actorpar key certs"):
        tls.load(key)


@needs_psk
def test_a_key_is_for_any_name(key: Path) -> None:
    assert tls.load(key).name == ""


# -- certificates


def test_a_certificate_is_for_the_name_of_its_node(safe: Safe) -> None:
    assert tls.load(safe.folder / "ours/beta").name == "beta"


def test_an_authority_goes_on_and_signs_for_more_nodes(tmp_path: Path) -> None:
    (first,) = authority.make(tmp_path / "ca", ["alpha"])
    (second,) = authority.make(tmp_path / "ca", ["beta"])
    assert (first / "ca.pem").read_bytes() == (second / "ca.pem").read_bytes()
    assert tls.load(second).name == "beta"
    assert not (first / "ca.key").exists()


@pytest.mark.parametrize("name", ["", ".", "..", "../up", "a/b", "-x", "a" * 65, "sp ace", "h\u00f6her", "new\nline"])
def test_a_name_that_is_none_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(KeyRefused, match="cannot be the name"):
        authority.make(tmp_path / "ca", ["alpha", name])
    assert list(tmp_path.iterdir()) == []


def test_a_longest_name_is_one(tmp_path: Path) -> None:
    (folder,) = authority.make(tmp_path, ["n" * 64])
    assert tls.load(folder).name == "n" * 64


def test_credentials_that_exist_are_not_overwritten_and_no_others_are_made(tmp_path: Path) -> None:
    authority.make(tmp_path, ["alpha"])
    before = (tmp_path / "alpha/node.key").read_bytes()
    with pytest.raises(KeyRefused, match="never overwritten"):
        authority.make(tmp_path, ["beta", "alpha"])
    assert (tmp_path / "alpha/node.key").read_bytes() == before
    assert not (tmp_path / "beta").exists()


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyRefused, match="cannot be written: File exists"):
        authority.make(tmp_path, ["alpha", "alpha"])


@pytest.mark.parametrize(("name", "says"), [("ca.key", "can be gone on with"), ("ca.pem", "can be gone on with")])
def test_an_authority_that_is_broken_is_told(tmp_path: Path, name: str, says: str) -> None:
    authority.make(tmp_path, ["alpha"])
    (tmp_path / name).write_text("nonsense")
    with pytest.raises(KeyRefused, match=says):
        authority.make(tmp_path, ["beta"])


def test_an_authority_whose_key_is_another_one_is_told(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        authority.make(tmp_path / folder, ["alpha"])
    (tmp_path / "one/ca.key").write_bytes((tmp_path / "other/ca.key").read_bytes())
    with pytest.raises(KeyRefused, match=r"ca\.key is not the key"):
        authority.make(tmp_path / "one", ["beta"])


def test_without_the_package_the_line_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(KeyRefused, match=r"pip install 'actorpar\[keys\]'"):
        authority.make(tmp_path, ["alpha"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (made,) = authority.make(tmp_path, ["alpha"])
    return made


def test_a_key_of_a_certificate_that_others_may_read_is_refused(folder: Path) -> None:
    (folder / "node.key").chmod(0o640)
    with pytest.raises(KeyRefused, match="can be read by others"):
        tls.load(folder)


@pytest.mark.parametrize("name", ["node.key", "node.pem", "ca.pem"])
def test_a_folder_without_one_of_its_files_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(KeyRefused, match=name):
        tls.load(folder)


@pytest.mark.parametrize("name", ["node.key", "node.pem", "ca.pem"])
def test_a_folder_with_nonsense_in_it_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_text("nonsense")
    with pytest.raises(KeyRefused, match="no certificate and key that fit"):
        tls.load(folder)


def test_a_certificate_of_another_authority_than_its_own_is_refused(folder: Path, safe: Safe) -> None:
    (folder / "ca.pem").write_bytes((safe.folder / "ours/alpha/ca.pem").read_bytes())
    with pytest.raises(KeyRefused, match="its certificate is not good"):
        tls.load(folder)


def test_a_certificate_that_has_expired_is_refused_by_its_own_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actorpar.channels.env.wall_clock", lambda: 1_000_000_000.0)  # 2001
    (folder,) = authority.make(tmp_path, ["alpha"])
    with pytest.raises(KeyRefused, match="expired"):
        tls.load(folder)


def test_a_certificate_without_a_name_is_refused(folder: Path) -> None:
    (folder / "node.pem").write_bytes((folder.parent / "ca.pem").read_bytes())
    (folder / "node.key").write_bytes((folder.parent / "ca.key").read_bytes())
    with pytest.raises(KeyRefused):
        tls.load(folder)


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_password(folder: Path) -> None:
    from cryptography.hazmat.primitives import serialization as to

    path = folder / "node.key"
    key = to.load_pem_private_key(path.read_bytes(), None)
    path.write_bytes(
        key.private_bytes(to.Encoding.PEM, to.PrivateFormat.PKCS8, to.BestAvailableEncryption(b"password"))
    )
    with pytest.raises(KeyRefused, match="is encrypted"):
        tls.load(folder)


# -- contexts


def test_contexts_are_tls_13_mutual_and_trust_nobody_else(safe: Safe) -> None:
    credentials = safe.certificates("ours/alpha")
    for context in (credentials.server_context(), credentials.client_context()):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_3
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert len(context.get_ca_certs()) == 1
    assert credentials.server_context().num_tickets == 0


# -- the commands


def test_the_commands_make_what_load_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["key", "new", str(tmp_path / "nodes.key")]) == 0
    assert cli.main(["key", "certs", str(tmp_path / "ca"), "alpha", "beta"]) == 0
    assert len(keys.read_key(tmp_path / "nodes.key")) == 32
    assert tls.load(tmp_path / "ca/beta").name == "beta"
    told = capsys.readouterr().out
    assert "--key" in told
    assert keys.read_key(tmp_path / "nodes.key").hex() not in told


def test_the_commands_tell_what_they_refuse_and_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "nodes.key").touch()
    assert cli.main(["key", "new", str(tmp_path / "nodes.key")]) == 1
    assert cli.main(["key", "certs", str(tmp_path / "ca"), "../up"]) == 1
    assert capsys.readouterr().err.count("actorpar: ") == 2


def test_a_link_without_keys_does_not_load_what_makes_certificates() -> None:
    unwanted = "{'cryptography', 'actorpar.nodes.security.authority'}"
    program = f"import sys, actorpar.nodes.node; print({unwanted} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("set()\n", "")
