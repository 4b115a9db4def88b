"""The files of shared memory by which nodes of one host lend each other buffers: their names, and who may remove them.

Invariants
- A file is its user's alone (0600), and carries user and process in its name. Its owner holds a lock on it.
- Its pages are there from the start: a full /dev/shm is an OSError then, and never a SIGBUS later.
- `sweep` removes a file only if its process is dead and nobody holds its lock: numbers of processes are used again, and
  containers that share /dev/shm do not share them.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import re
from pathlib import Path
from typing import Final, NamedTuple

from actorpar.channels import env

FOLDER: Final = Path("/dev/shm")
#: Bytes that the files of one process have at most, for so many another one maps.
LIMIT: Final = 4 << 30
#: actorpar, the user, the process, and 128 random bits.
NAME: Final = re.compile(r"actorpar-(\d{1,10})-(\d{1,10})-[0-9a-f]{32}", re.A)
_OPEN: Final = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW


class Descriptor(NamedTuple):
    """Where a buffer is, for another node of this host."""

    name: str
    offset: int
    size: int


def new_name() -> str:
    """A name for a file of this process."""
    return f"actorpar-{os.getuid()}-{os.getpid()}-{env.new_id()}"


def capacity(folder: Path = FOLDER) -> int:
    """Bytes that the folder can hold in all; 0 if there is none."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return 0
    return status.f_frsize * status.f_blocks


def create(path: Path, size: int) -> int:
    """A new file with all its pages, open and locked. OSError, and then there is none."""
    file = os.open(path, _OPEN | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.posix_fallocate(file, 0, size)
    except BaseException:
        os.unlink(path)
        os.close(file)
        raise
    return file


def open_existing(path: Path) -> int:
    """Open a file of another process. OSError, for a link, too."""
    return os.open(path, _OPEN)


def map_whole(file: int, size: int) -> mmap.mmap:
    """A file of shared memory, its pages at hand."""
    return mmap.mmap(file, size, flags=mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0))


def sweep(folder: Path = FOLDER) -> int:
    """Remove what dead processes of this user have left; returns how many files that were."""
    removed = 0
    for entry in os.scandir(folder) if folder.is_dir() else ():
        found = NAME.fullmatch(entry.name)
        if found and int(found[1]) == os.getuid() and not is_alive(int(found[2])) and _is_unlocked(Path(entry.path)):
            with contextlib.suppress(OSError):
                os.unlink(entry.path)
                removed += 1
    return removed


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return True


def _is_unlocked(path: Path) -> bool:
    """Nobody owns the file, in another container either."""
    try:
        file = open_existing(path)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(file)
    return True
