"""The report: counts of everything, and with --json a record of every file, written as they come.

Only counts stay in memory. The file stands under its name when the run is over, and is whole.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from typing import IO, Any

import actorpar as ap
from actorpar.channels import env

from .errors import InvalidOption, exit_code_of
from .job import Outcome
from .landing import receive_batch, unbroken

_STATUSES = ("done", "skipped", "failed", "interrupted", "planned")


def record_of(outcome: Outcome) -> dict[str, Any]:
    """The JSON object of one file, as docs/fetch.md describes it."""
    job, error = outcome.job, outcome.error
    return {
        "url": job.urls[0],
        "mirrors": list(job.urls[1:]),
        "final_url": None if outcome.final_url is None else str(outcome.final_url),
        "path": outcome.path,
        "status": outcome.status,
        "bytes": outcome.received,
        "total": outcome.total,
        "attempts": job.attempts,
        "resumed": outcome.resumed,
        "segments": outcome.segments,
        "checksum": str(job.checksum) if job.checksum is not None else None,
        "seconds": round(outcome.seconds, 3),
        "error": error and {"kind": error.kind, "message": str(error), "status": error.status},
    }


class Report:
    """Counts, and the JSON file if one is wanted."""

    def __init__(self, path: str | None, show: Callable[[Outcome], None]) -> None:
        self._begun = env.clock()
        self._show = show
        self._counts = dict.fromkeys(_STATUSES, 0)
        self._errors: Counter[str] = Counter()
        self._bytes = self._resumed = self._attempts = 0
        self._path = path
        self._file = _open(path) if path else None
        self._first = True
        if self._file is not None:
            self._file.write('{"version": 1, "files": [\n')

    def add(self, outcome: Outcome) -> None:
        """Count one file, and write its record."""
        self.show(outcome)
        self.write([outcome])

    def show(self, outcome: Outcome) -> None:
        """Count one file and tell the user."""
        self._counts[outcome.status] += 1
        self._bytes += outcome.received
        self._resumed += outcome.resumed
        self._attempts += outcome.job.attempts
        if outcome.error is not None:
            self._errors[outcome.error.kind] += 1
        self._show(outcome)

    def write(self, outcomes: Iterable[Outcome]) -> None:
        """Write records; blocks for the disk."""
        if self._file is None:
            return
        for outcome in outcomes:
            self._file.write(("" if self._first else ",\n") + json.dumps(record_of(outcome)))
            self._first = False

    @property
    def keeps_records(self) -> bool:
        """Whether `write` does anything."""
        return self._file is not None

    @property
    def exit_code(self) -> int:
        """By the failures alone; an interrupted run with no other failure has the code of "interrupted"."""
        errors = {kind: count for kind, count in self._errors.items() if kind != "interrupted"}
        return exit_code_of(errors) if errors else exit_code_of(dict(self._errors))

    def summary(self, exit_code: int, channels: list[dict[str, Any]]) -> dict[str, Any]:
        """The totals."""
        counts = self._counts
        return {
            "files": sum(counts.values()),
            **counts,
            "bytes": self._bytes,
            "resumed": self._resumed,
            "attempts": self._attempts,
            "seconds": round(env.clock() - self._begun, 3),
            "exit_code": exit_code,
            "errors": dict(self._errors),
            "channels": channels,
        }

    def close(self, summary: dict[str, Any]) -> None:
        """End the JSON file and give it its name."""
        if self._file is None:
            return
        self._file.write(f'\n],\n"summary": {json.dumps(summary)}}}\n')
        self._file.flush()
        if self._path is not None and self._path != "-":
            self._file.close()
            os.replace(self._path + ".part", self._path)


def _open(path: str) -> IO[str]:
    if path == "-":
        return sys.stdout
    try:
        return open(path + ".part", "w", encoding="utf-8")
    except OSError as error:
        raise InvalidOption(f"--json {path!r}: cannot write there: {error.strerror}") from None


async def reporter(outcomes: ap.Receiver[Outcome], report: Report) -> None:
    """The process that the report is written by."""
    while batch := await receive_batch(outcomes, 256):
        for outcome in batch:
            report.show(outcome)
        if report.keeps_records:
            await unbroken(report.write, batch)
