"""The messages of the pipeline: what is asked for, and what became of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import urlsplit

from .errors import FetchError

Status = Literal["done", "skipped", "failed", "interrupted", "planned"]


@dataclass(frozen=True, slots=True)
class Checksum:
    """A digest that a file must have: hashlib's name of the algorithm and lower-case hexadecimal digits."""

    algorithm: str
    digest: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest}"


@dataclass(frozen=True, slots=True)
class Job:
    """One file to fetch: its URLs (the first is the file, the others mirrors) and the name it is promised.

    `turn` is the index of the URL whose turn it is, `barred` those that failed for good; `ranges` says
    that the server was not found to ignore ranges. `failures` counts the attempts
    in a row that brought nothing, `changes` the times it began anew, `attempts` all attempts.
    """

    urls: tuple[str, ...]
    name: str = ""
    named: bool = False
    checksum: Checksum | None = None
    turn: int = 0
    barred: tuple[int, ...] = ()
    ranges: bool = True
    failures: int = 0
    changes: int = 0
    attempts: int = 0
    received: int = 0
    started: float = 0.0

    @property
    def url(self) -> str:
        """The URL whose turn it is."""
        return self.urls[self.turn]

    @property
    def host(self) -> str:
        """The key of limits and queues: scheme, name and port of the URL whose turn it is."""
        return host_of(self.url)

    @property
    def usable(self) -> int:
        """How many of its URLs did not fail for good."""
        return len(self.urls) - len(self.barred)

    def next_mirror(self) -> Job:
        """The same job, with the turn of its next usable URL; itself if there is no other."""
        for step in range(1, len(self.urls)):
            turn = (self.turn + step) % len(self.urls)
            if turn not in self.barred:
                return replace(self, turn=turn)
        return self

    def bar(self) -> Job:
        """The same job, without the URL whose turn it is; only while another is usable."""
        return replace(self, barred=(*self.barred, self.turn)).next_mirror()

    def pack(self) -> str:
        """The job as one line of text, for the spill file. Only jobs that were not begun are spilled."""
        checksum = None if self.checksum is None else [self.checksum.algorithm, self.checksum.digest]
        return json.dumps([self.urls, self.name, self.named, checksum], separators=(",", ":"))

    @classmethod
    def unpack(cls, line: str) -> Job:
        """The job that `pack` wrote."""
        urls, name, named, checksum = json.loads(line)
        return cls(tuple(urls), name, named, Checksum(*checksum) if checksum else None)


@dataclass(slots=True)
class Outcome:
    """What became of one file; the record of the report."""

    job: Job
    status: Status
    final_url: str | None = None
    path: str | None = None
    received: int = 0
    total: int | None = None
    resumed: int = 0
    segments: int = 1
    seconds: float = 0.0
    error: FetchError | None = None
    links: list[str] = field(default_factory=list)


def host_of(url: str) -> str:
    """Scheme, host name and port of a URL that was checked before."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()
