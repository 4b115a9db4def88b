"""The messages of the pipeline: what is asked for, and what became of it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from .errors import FetchError

_AUTHORITY_END = re.compile(r"[/?#]")

Status = Literal["done", "skipped", "failed", "interrupted", "planned"]


@dataclass(frozen=True, slots=True)
class Checksum:
    """A digest that a file must have: hashlib's name of the algorithm and lower-case hexadecimal digits."""

    algorithm: str
    digest: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest}"


@dataclass(slots=True)
class Job:
    """One file to fetch: its URLs (the first is the file, the others mirrors) and the name it is promised.

    A job is in the hands of one process at a time, which changes it in place.
    """

    urls: tuple[str, ...]
    #: Relative to the output directory, "/" between folders; `named` when the user chose it.
    name: str = ""
    named: bool = False
    #: The name it was given beside `name`, because the server proposed one or a file had `name` already.
    also_named: str = ""
    checksum: Checksum | None = None
    #: The index of the URL whose turn it is, and those that failed for good.
    turn: int = 0
    barred: tuple[int, ...] = ()
    #: False once the server was found to ignore ranges.
    ranges: bool = True
    #: Attempts in a row that brought nothing, times it was begun anew, all attempts, body bytes of earlier attempts.
    failures: int = 0
    changes: int = 0
    attempts: int = 0
    received: int = 0
    started: float = 0.0
    #: The key of limits and queues: scheme, name and port of the URL whose turn it is.
    host: str = field(init=False)

    def __post_init__(self) -> None:
        self.host = host_of(self.url)

    @property
    def url(self) -> str:
        """The URL whose turn it is."""
        return self.urls[self.turn]

    @property
    def usable(self) -> int:
        """How many of its URLs did not fail for good."""
        return len(self.urls) - len(self.barred)

    def next_mirror(self) -> Job:
        """Turn to the next usable URL, if there is another; returns the job itself."""
        for step in range(1, len(self.urls)):
            turn = (self.turn + step) % len(self.urls)
            if turn not in self.barred:
                self.turn = turn
                self.host = host_of(self.url)
                break
        return self

    def bar(self) -> Job:
        """Turn to the next URL and use this one no more; returns the job itself."""
        self.barred = (*self.barred, self.turn)
        return self.next_mirror()

    def pack(self) -> str:
        """The job as one line of text, for the spill file. Only jobs that were not begun are spilled."""
        checksum = None if self.checksum is None else [self.checksum.algorithm, self.checksum.digest]
        return json.dumps([self.urls, self.name, self.named, checksum], separators=(",", ":"))

    @classmethod
    def unpack(cls, line: str) -> Job:
        """The job that `pack` wrote."""
        urls, name, named, checksum = json.loads(line)
        return cls(tuple(urls), name, named, checksum=Checksum(*checksum) if checksum else None)


@dataclass(slots=True)
class Outcome:
    """What became of one file; the record of the report."""

    job: Job
    status: Status
    #: A str, or what becomes one when it is wanted.
    final_url: object = None
    path: str | None = None
    received: int = 0
    total: int | None = None
    resumed: int = 0
    segments: int = 1
    seconds: float = 0.0
    error: FetchError | None = None
    links: Sequence[str] = ()


def host_of(url: str) -> str:
    """Scheme, host name and port of a URL, without user and password."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{_AUTHORITY_END.split(rest, 1)[0].rpartition('@')[2]}".lower()
