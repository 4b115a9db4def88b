"""The source: URLs, lists and reports, read as they are needed, turned into jobs with a name each.

Names are promised here, in the order of the lists, so that a second run gives every URL the same name.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO

import actorpar as ap

from .errors import FetchError, InvalidOption
from .job import Job, Outcome
from .landing import unbroken
from .links import Follower
from .lists import parse_list, parse_report
from .run import Run

#: Jobs that are read in one hop to a thread.
BATCH = 128
_POLL_SECONDS = 0.25
_MAX_LINE = 1 << 20

#: A job, or the text that is none and why.
Entry = Job | tuple[str, FetchError]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Where jobs come from, in this order; "-" is standard input."""

    jobs: tuple[Entry, ...] = ()
    lists: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()


class LineReader:
    """Lines of a file descriptor, without waiting for more of them than there are.

    A thread that waits in a read cannot be stopped; so on a pipe or terminal it waits for a moment only, and gives
    what it has, perhaps nothing.
    """

    def __init__(self, path: str) -> None:
        try:
            self._fd = 0 if path == "-" else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise InvalidOption(f"cannot read the list {path!r}: {error.strerror}") from None
        self._rest = b""
        self.ended = False

    def lines(self) -> list[str]:
        """The next lines; blocks for at most a quarter of a second."""
        if not select.select([self._fd], [], [], _POLL_SECONDS)[0]:
            return []
        data = os.read(self._fd, 1 << 16)
        if not data:
            self.ended = True
            last, self._rest = self._rest, b""
            return [last.decode("utf-8", "replace")] if last else []
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MAX_LINE:
            raise InvalidOption("a line of the list is longer than 1 MiB; is this a list of URLs?")
        return [line.decode("utf-8", "replace") for line in whole]

    def close(self) -> None:
        """Close the file; standard input stays open."""
        if self._fd:
            os.close(self._fd)


async def source(
    run: Run, inputs: Inputs, follower: Follower, files: ap.Sender[Job | None], outcomes: ap.Sender[Outcome]
) -> None:
    """The process. Its last message on `files` is None; lines that cannot be used go straight to the report."""

    async def send(entries: Iterable[Entry]) -> None:
        wrong: list[Outcome] = []
        await files.send_many(list(_named(run, follower, entries, wrong)))
        await outcomes.send_many(wrong)

    await send(inputs.jobs)
    for path in inputs.lists:
        reader = LineReader(path)
        try:
            while not reader.ended:
                await send(parse_list(await unbroken(reader.lines)))
        finally:
            reader.close()
    for path in inputs.reports:
        with open_report(path) as file:
            entries = parse_report(file, run.options.directory)
            while batch := await unbroken(lambda entries=entries: list(islice(entries, BATCH))):
                await send(batch)
    await files.send(None)


def open_report(path: str) -> IO[str]:
    """The report, or InvalidOption."""
    try:
        return open(path, encoding="utf-8")
    except OSError as error:
        raise InvalidOption(f"cannot read the report {path!r}: {error.strerror}") from None


def _named(run: Run, follower: Follower, entries: Iterable[Entry], wrong: list[Outcome]) -> Iterator[Job]:
    for entry in entries:
        if not isinstance(entry, Job):
            line, error = entry
            wrong.append(Outcome(Job((line,)), "failed", error=error))
        elif not follower.active or follower.see(entry.urls[0]):
            entry.name = run.promise(entry)
            yield entry
