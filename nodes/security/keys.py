"""Key files: who may read them, and the key that all nodes share.

`actorpar key new FILE` writes 32 random bytes: with Python 3.13 or later on all hosts that is enough (`tls.py`).

Invariants
- A key that others than its user can read is no key, and is refused. As with the keys of other servers, it may belong
  to root and be readable by the group, which is how secrets are mounted into containers.
- Nothing that is there is ever overwritten.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from ..errors import KeyRefused

#: Bytes of a new key, and of the shortest that is one.
SIZE: Final = 32
SHORTEST: Final = 16
#: Bytes of a file that may be a key or a certificate.
LARGEST: Final = 1 << 18


def new(path: Path) -> None:
    """Write a new key, readable by its user alone. KeyRefused if the file is there."""
    write_private(path, secrets.token_hex(SIZE).encode() + b"\n")


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its user can read. KeyRefused: it is there already, or it cannot be written."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
    except FileExistsError:
        raise KeyRefused(f"{path} exists, and a key is never overwritten") from None
    except OSError as error:
        raise KeyRefused(f"{path} cannot be written: {error.strerror}") from error


def read_private(path: Path) -> bytes:
    """What is in a file that nobody else can read. KeyRefused."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
                raise KeyRefused(f"{path} is no key file: `actorpar key new FILE` makes one")
            _check_private(path, status)
            return file.read()
    except OSError as error:
        raise KeyRefused(f"{path} cannot be read: {error.strerror}") from error


def _check_private(path: Path, status: os.stat_result) -> None:
    mode, me = stat.S_IMODE(status.st_mode), os.getuid()
    if status.st_uid == me and not mode & 0o077:
        return
    if status.st_uid == 0 and me != 0 and not mode & 0o037:
        return
    if status.st_uid not in (me, 0):
        raise KeyRefused(f"{path} belongs to another user, who knows it: make a new key")
    raise KeyRefused(f"{path} can be read by others, so it is no secret: make a new key, and keep it at mode 600")


def read_key(path: Path) -> bytes:
    """The key in a file. KeyRefused."""
    text = read_private(path).decode("ascii", errors="replace").strip()
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) < SHORTEST:
        raise KeyRefused(f"{path} holds no key: `actorpar key new FILE` makes one")
    return key
