"""The last step: verify, name, done. The only code that gives a file its final name.

Small files come in batches, one hop to a thread for all of them; large ones one at a time. A file gets its name by
one rename of a whole and verified part, or not at all.
"""

from __future__ import annotations

import asyncio
import errno
import filecmp
import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import actorpar as ap
from actorpar.channels import env

from .errors import ChecksumMismatch, FetchError
from .job import Checksum, Job, Outcome, Status
from .links import MAX_PAGE, links_of
from .messages import Landing, Note
from .names import PART, numbered
from .partfile import PartFile, discard, failure_of_oserror, write_all

#: Most small files that are landed in one hop to a thread.
BATCH = 64
#: Seconds to let files gather after a small batch. Measured: a batch costs 60 µs beyond its files, half of a request.
GATHER = 0.01

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class LandingRules:
    """How files are finished."""

    fsync: bool
    replace: bool
    follow: bool


@dataclass(frozen=True, slots=True)
class Desk:
    """What the processes here are given: the rules, and where outcomes go once the channels are closing."""

    rules: LandingRules
    late: Callable[[Outcome], None]


def land(landing: Landing, rules: LandingRules) -> None:
    """Finish one file and fill in `landing.outcome`; never raises for a failure of the file. Blocks."""
    try:
        _land(landing, rules)
    except FetchError as error:
        landing.outcome = outcome_of(landing, "failed", error=error)
    except OSError as error:
        landing.outcome = outcome_of(landing, "failed", error=failure_of_oserror(error, landing.final))
    finally:
        if landing.part is not None:
            landing.part.close()


def land_all(batch: Sequence[Landing], rules: LandingRules) -> None:
    """`land` for each."""
    for landing in batch:
        land(landing, rules)


def _land(landing: Landing, rules: LandingRules) -> None:
    if landing.data is not None:
        _verify(landing, digest_of(landing.job.checksum, data=landing.data) if landing.job.checksum else "")
        if landing.twin is None and not rules.replace and _land_unnamed(landing, landing.data, rules):
            return
        landing.part = PartFile(landing.final, landing.job.url, landing.version, durable=rules.fsync)
        landing.part.open((), preallocate=False)
        landing.part.write(0, [landing.data])
    assert landing.part is not None
    path = landing.part.final + PART
    if landing.data is None and landing.job.checksum is not None:
        try:
            _verify(landing, digest_of(landing.job.checksum, path=path))
        except ChecksumMismatch:
            discard(landing.part.final)
            raise
    if landing.twin is not None and filecmp.cmp(path, landing.twin, shallow=False):
        discard(landing.part.final)
        landing.final = landing.twin
        landing.outcome = outcome_of(landing, "skipped")
    else:
        _rename(landing, landing.part, rules)
    _search(landing, rules)


def _verify(landing: Landing, found: str) -> None:
    wanted = landing.job.checksum
    if wanted is not None and found != wanted.digest:
        raise ChecksumMismatch(f"{wanted.algorithm} is {found}, not {wanted.digest}; the bytes were thrown away")


def _land_unnamed(landing: Landing, data: bytes, rules: LandingRules) -> bool:
    """Write a small file that has no name until it is whole (Linux); False where the file system cannot do that."""
    folder = os.path.dirname(landing.final)
    try:
        fd = _open_unnamed(folder)
    except OSError:
        return False
    try:
        if data:
            write_all(fd, 0, (data,))
        modified = landing.version.modified
        if modified is not None:
            os.utime(fd, (modified, modified))
        if rules.fsync:
            os.fsync(fd)
        name = _link(fd, landing.final)
    finally:
        os.close(fd)
    if name is None:
        return False
    landing.final = name
    if rules.fsync:
        _sync_folder(folder)
    landing.outcome = outcome_of(landing, "done")
    _search(landing, rules)
    return True


def _link(fd: int, final: str) -> str | None:
    """Give an unnamed file the name `final`, or the next number of it; None where that cannot be done."""
    for name in numbered(final):
        try:
            # The descriptor is not looked at as a directory; it makes Python call linkat, which follows the link.
            os.link(f"/proc/self/fd/{fd}", name, src_dir_fd=fd)
            return name
        except FileExistsError:
            continue  # somebody else made it since the run began
        except (FileNotFoundError, PermissionError):
            return None
    raise AssertionError("numbered() never ends")


def _open_unnamed(folder: str) -> int:
    flags = os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC if sys.platform == "linux" else -1
    if flags == -1:
        raise OSError(errno.EOPNOTSUPP, "no unnamed files here")
    try:
        return os.open(folder, flags, 0o666)
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True)
        return os.open(folder, flags, 0o666)


def _rename(landing: Landing, part: PartFile, rules: LandingRules) -> None:
    path = part.final + PART
    if rules.fsync:
        part.sync()
    modified = landing.version.modified
    if modified is not None:
        os.utime(path, (modified, modified))
    folder = os.path.dirname(landing.final)
    os.makedirs(folder, exist_ok=True)
    if not rules.replace:
        landing.final = next(name for name in numbered(landing.final) if not os.path.lexists(name))
    os.replace(path, landing.final)
    discard(part.final)
    if rules.fsync:
        _sync_folder(folder)
    landing.outcome = outcome_of(landing, "done")


def _search(landing: Landing, rules: LandingRules) -> None:
    if rules.follow and landing.page and landing.outcome is not None:
        landing.outcome.links = page_links(landing.final, str(landing.final_url))


def _sync_folder(folder: str) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def digest_of(checksum: Checksum, *, path: str = "", data: bytes | None = None) -> str:
    """The digest of a file or of bytes, by the algorithm of `checksum`. Blocks."""
    if data is not None:
        return hashlib.new(checksum.algorithm, data, usedforsecurity=False).hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(checksum.algorithm, usedforsecurity=False)).hexdigest()


def page_links(path: str, address: str) -> list[str]:
    """The links of a page on disk. Blocks."""
    with open(path, "rb") as file:
        return list(links_of(file.read(MAX_PAGE), address))


def outcome_of(landing: Landing, status: Status, *, error: FetchError | None = None) -> Outcome:
    """The record of a file that came whole."""
    job = landing.job
    return Outcome(
        job,
        status,
        final_url=landing.final_url,
        path=landing.final,
        received=job.received,
        total=landing.size,
        resumed=landing.resumed,
        segments=landing.segments,
        seconds=env.clock() - job.started,
        error=error,
    )


async def unbroken(function: Callable[..., _T], *args: object) -> _T:
    """Run a function in a thread; when cancelled, wait for its end before the cancellation goes on.

    The thread cannot be stopped, and what it uses (a descriptor) must not be taken from under it.
    """
    work = asyncio.ensure_future(env.run_in_thread(function, *args))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait({work})
        raise


async def scribe(files: ap.Receiver[Landing], notes: ap.Sender[Note], outcomes: ap.Sender[Outcome], desk: Desk) -> None:
    """The process that writes and names small files."""
    while batch := await receive_batch(files, BATCH):
        await _land_in_thread(batch, desk)
        await _conclude(batch, notes, outcomes)
        if len(batch) < BATCH // 2:
            await env.sleep(GATHER)


async def verifier(
    files: ap.Receiver[Landing], notes: ap.Sender[Note], outcomes: ap.Sender[Outcome], desk: Desk
) -> None:
    """The process that verifies and names large files."""
    async for landing in files:
        await _land_in_thread([landing], desk)
        await _conclude([landing], notes, outcomes)


async def _land_in_thread(batch: Sequence[Landing], desk: Desk) -> None:
    try:
        await unbroken(land_all, batch, desk.rules)
    except asyncio.CancelledError:  # the files are there all the same: say so past the channels, which are closing
        for landing in batch:
            if landing.outcome is not None:
                desk.late(landing.outcome)
        raise


async def _conclude(batch: Sequence[Landing], notes: ap.Sender[Note], outcomes: ap.Sender[Outcome]) -> None:
    links: list[str] = []
    over: list[Outcome] = []
    for landing in batch:
        outcome = landing.outcome
        assert outcome is not None
        again = after_mismatch(landing) if isinstance(outcome.error, ChecksumMismatch) else None
        if again is not None:
            await notes.send(Note(again=(again,)))
            continue
        links += outcome.links
        over.append(outcome)
    await outcomes.send_many(over)
    await notes.send(Note(settled=len(over), links=links))


def after_mismatch(landing: Landing) -> Job | None:
    """The job to try next: another mirror, or once more from nothing when the beginning was of an earlier run."""
    if landing.job.usable > 1:
        return landing.job.bar()
    return landing.job if landing.resumed else None


async def receive_batch(items: ap.Receiver[_T], most: int) -> list[_T]:
    """`receive_many`, with an empty list at the end of the channel."""
    try:
        return await items.receive_many(most)
    except ap.EndOfChannel:
        return []
