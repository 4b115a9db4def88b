"""NAME.part and its journal on disk. Everything here blocks and is called in threads, one call at a time per file.

Invariants
- The journal speaks only of bytes that were written before it. With `durable` they were flushed before it, too.
- A journal is removed before the bytes it speaks of are given up.
- Whoever writes to a .part holds its lock, and the locked file is the one that has the name.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass

from actorpar.channels import env

from .errors import DirectoryNotWritable, DiskFull, FetchError, FileBusy, WriteFailure
from .names import DRAFT, JOURNAL, PART
from .plan import Ranges
from .resume import Version

#: Seconds between two journals of one file.
JOURNAL_SECONDS = 1.0
_MAX_VECTORS = 512
_flush = getattr(os, "fdatasync", os.fsync)  # macOS has none


@dataclass(frozen=True, slots=True)
class Journal:
    """What an earlier run left: where from, which version, which bytes."""

    url: str
    version: Version
    done: tuple[tuple[int, int], ...]

    @property
    def received(self) -> int:
        """Bytes that need not come again."""
        return sum(stop - start for start, stop in self.done)


def load_journal(final: str) -> Journal | None:
    """The journal beside `final`'s part; None if there is none, or it does not fit the part."""
    try:
        with open(final + JOURNAL, "rb") as file:
            record = json.loads(file.read(1 << 22))
        size = os.stat(final + PART).st_size
        version = Version(*(record[key] for key in ("total", "etag", "last_modified")))
        done = tuple((int(start), int(stop)) for start, stop in record["done"])
        flat = [edge for span in done for edge in span]
        sound = isinstance(version.total, int) and flat == sorted(flat) and (not flat or flat[0] >= 0)
        if record["version"] != 1 or not sound or (flat and flat[-1] > min(size, version.total or 0)):
            return None
        return Journal(str(record["url"]), version, done)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def discard(final: str) -> None:
    """Remove the part of `final`, its journal, and what a kill may have left of a journal."""
    for suffix in (JOURNAL, DRAFT, PART):
        try:
            os.unlink(final + suffix)
        except FileNotFoundError:
            pass


def clear_part(final: str) -> None:
    """Remove a part that is of no use, unless another process is writing it: FileBusy."""
    fd = open_locked(final + PART)
    try:
        discard(final)
    finally:
        os.close(fd)


class PartFile:
    """The part of one file while it is written."""

    def __init__(self, final: str, url: str, version: Version, *, durable: bool) -> None:
        self.final = final
        self.url = url
        self.version = version
        self.written = Ranges()
        self._durable = durable
        self._fd = -1
        self._journal_at = env.clock()
        self._journal_size = 0

    def open(self, done: Sequence[tuple[int, int]], *, preallocate: bool) -> None:
        """Make and lock the file; keep the bytes of `done`, or begin afresh when it is empty. Raises FetchError."""
        try:
            self._fd = open_locked(self.final + PART)
            if done:
                self.written = Ranges(done)
                self._journal_size = self.written.size
            else:
                _unlink_if_there(self.final + JOURNAL)
                os.ftruncate(self._fd, 0)
            if self.version.total is not None:
                self._reserve(self.version.total, preallocate)
        except OSError as error:
            self.close()
            raise failure_of_oserror(error, self.final) from error
        except FetchError:
            self.close()
            raise

    def write(self, offset: int, chunks: Sequence[bytes | memoryview]) -> None:
        """Write the chunks one after the other from `offset` on; journal what is written about every second."""
        try:
            position = offset + write_all(self._fd, offset, chunks)
        except OSError as error:
            raise failure_of_oserror(error, self.final) from error
        self.written.add(offset, position)
        if env.clock() - self._journal_at >= JOURNAL_SECONDS:
            self.save_journal()

    def save_journal(self) -> None:
        """Replace the journal atomically; a file without a known length has none."""
        if self.version.total is None or self._fd < 0:
            return
        if self.written.size == self._journal_size:
            return
        try:
            if self._durable:
                _flush(self._fd)
            version = self.version
            record = {"version": 1, "url": self.url, "total": version.total, "etag": version.etag}
            record |= {"last_modified": version.last_modified, "done": list(self.written)}
            with open(self.final + DRAFT, "w", encoding="utf-8") as file:
                json.dump(record, file)
                if self._durable:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(self.final + DRAFT, self.final + JOURNAL)
        except OSError as error:
            raise failure_of_oserror(error, self.final) from error
        self._journal_at = env.clock()
        self._journal_size = self.written.size

    def sync(self) -> None:
        """Flush the bytes to the disk."""
        os.fsync(self._fd)

    def abandon(self) -> None:
        """Close; what came stays, with its journal, for a later run. Never raises."""
        try:
            self.save_journal()
        except FetchError:
            pass
        self.close()

    def close(self) -> None:
        """Close, which also gives the lock back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _reserve(self, total: int, preallocate: bool) -> None:
        missing = total - os.fstat(self._fd).st_blocks * 512
        space = os.fstatvfs(self._fd)
        free = space.f_bavail * space.f_frsize
        if missing > free:
            raise DiskFull(f"{self.final}: needs {missing} bytes more, {free} are free; make room and run again")
        if preallocate and missing > 0 and hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(self._fd, 0, total)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENODEV):
                    raise


def open_locked(path: str) -> int:
    """A descriptor of the file at `path`, made if missing, locked; raises FileBusy when somebody else writes it."""
    while True:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Between open and lock its owner may have renamed it: then it is a finished file, not ours to touch.
            if os.fstat(fd).st_nlink and os.path.samestat(os.fstat(fd), os.stat(path)):
                return fd
        except BlockingIOError:
            os.close(fd)
            raise FileBusy(f"another process is writing {path}; wait for it, or choose another directory") from None
        except FileNotFoundError:
            pass
        os.close(fd)


def write_all(fd: int, offset: int, chunks: Sequence[bytes | memoryview]) -> int:
    """Write all chunks at `offset`; how many bytes that were."""
    size = sum(map(len, chunks))
    if len(chunks) > _MAX_VECTORS:
        chunks = [b"".join(chunks)]
    written = os.pwritev(fd, chunks, offset) if size else 0
    if written < size:  # a signal, or a disk that is nearly full: go on, and let the next write tell
        rest = memoryview(b"".join(chunks))[written:]
        while rest:
            count = os.pwrite(fd, rest, offset + size - len(rest))
            rest = rest[count:]
    return size


def failure_of_oserror(error: OSError, path: str) -> FetchError:
    """The typed failure of a call on a file."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DiskFull(f"{path}: {error.strerror}; make room and run again, what came is kept")
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return DirectoryNotWritable(f"{path}: a file stands where a folder must be: {error.filename or path}")
    return WriteFailure(f"{path}: {error.strerror or error}")


def _unlink_if_there(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
