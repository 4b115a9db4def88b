"""Where the control sockets of running systems lie, and who may use them.

Each system has a Unix socket `PID-NAME.sock`, with mode 0600, in a folder with mode 0700 that belongs to the user:
`$XDG_RUNTIME_DIR/actorpar`, or `/tmp/actorpar-UID` where there is no such variable. Sockets that a killed program left
behind are removed by whoever comes next.
"""

from __future__ import annotations

import os
import re
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ..channels.errors import ActorparError

#: Bytes that the path of a Unix socket may have, on every system.
PATH_BYTES: Final = 103
#: Where the folder is if the user has no runtime directory.
SHARED: Final = "/tmp"
_NAME = re.compile(r"(\d+)-(.*)\.sock")


class ControlError(ActorparError):
    """A control socket cannot be opened, or nobody answers at it; the text tells which and what to do."""


def folders() -> list[Path]:
    """The folders in which sockets may lie, the one for new sockets first."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    usual = Path(SHARED) / f"actorpar-{os.getuid()}"
    return [Path(runtime) / "actorpar", usual] if runtime else [usual]


def safe_folder() -> Path:
    """The folder for new sockets, made if need be; ControlError if others could have put something there."""
    folder = folders()[0]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ControlError(f"there can be no control socket in {folder}: {error.strerror}") from error
    if not is_safe(folder):
        raise ControlError(
            f"{folder} is no folder of yours alone, so no control socket is opened in it: remove it, or `chmod 700` it"
        )
    return folder


def is_safe(folder: Path) -> bool:
    """True for a folder, no link, that belongs to this user and is closed to all others."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def new_path(name: str) -> Path:
    """A path for the socket of a system of this process, in the folder for sockets."""
    folder = safe_folder()
    sweep(folder)
    word = re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-")[:40] or "system"
    paths = (folder / f"{os.getpid()}-{word}{suffix}.sock" for suffix in ("", *(f"-{n}" for n in range(2, 1000))))
    return next(path for path in paths if not path.exists())


def bind(path: Path) -> socket.socket:
    """A socket that nobody can connect to before its mode is right. ControlError if the path is taken or too long."""
    if len(os.fsencode(path)) > PATH_BYTES:
        raise ControlError(f"{path} is too long for a socket: at most {PATH_BYTES} bytes")
    if is_stale(path):
        path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX)
    try:
        bound.bind(os.fspath(path))
        path.chmod(0o600)  # it does not listen yet
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise ControlError(f"there can be no control socket at {path}: {error.strerror}") from error
    return bound


def is_stale(path: Path) -> bool:
    """True for a socket at which nobody listens any more."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return False
        with socket.socket(socket.AF_UNIX) as probe:
            probe.setblocking(False)
            probe.connect(os.fspath(path))
    except ConnectionRefusedError:
        return True
    except OSError:  # it went away, or is too busy to answer
        return False
    return False


def sweep(folder: Path) -> None:
    """Remove the sockets of programs that are gone."""
    for path, pid, _ in _sockets(folder):
        if not _runs(pid) and is_stale(path):
            path.unlink(missing_ok=True)


def running() -> list[tuple[Path, int, str]]:
    """The sockets of this user's running systems: path, process id, name; in the order of the ids."""
    found = [entry for folder in folders() if is_safe(folder) for entry in _sockets(folder) if not is_stale(entry[0])]
    return sorted(found, key=lambda entry: (entry[1], entry[2]))


def parent(pid: int) -> int | None:
    """The process that has started another one; None where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None


def peer_uid(connection: socket.socket) -> int | None:
    """The user at the other end; None where the system does not tell, and only the modes of folder and file protect."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    form = struct.Struct("3i")
    _, uid, _ = form.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, form.size))
    return int(uid)


def _sockets(folder: Path) -> Iterator[tuple[Path, int, str]]:
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return
    for path in paths:
        named = _NAME.fullmatch(path.name)
        if named is not None:
            yield path, int(named[1]), named[2]


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return True
