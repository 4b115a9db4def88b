"""What the processes of a run send each other, and what they share.

Shared state is touched by the processes of one loop only, never across an await, so it needs no lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .errors import FetchError
from .job import Job, Outcome
from .resume import Version

if TYPE_CHECKING:
    from .partfile import PartFile
    from .transfer import Transfer


@dataclass(frozen=True, slots=True)
class Help:
    """Frontier to a worker: take a range of this large file; `host` is whose place it uses."""

    transfer: Transfer
    host: str


@dataclass(frozen=True, slots=True)
class Doomed:
    """Jobs of a host that cannot be reached, with the reason: for the report."""

    jobs: list[Job]
    host: str
    error: FetchError


@dataclass(slots=True)
class Note:
    """To the frontier. Every field is a separate message; they travel together to save steps."""

    #: A place of this host is free.
    freed: str | None = None
    #: So many files are over for good.
    settled: int = 0
    #: URLs found in pages.
    links: Sequence[str] = ()
    #: These jobs go back to the front of their queues, the first one first.
    again: Sequence[Job] = ()
    #: This host rests for so many seconds: it failed as a host.
    tired: str | None = None
    pause: float = 0.0
    reason: FetchError | None = None
    #: This host answered.
    alive: str | None = None
    #: This large file could use more streams.
    wanting: Transfer | None = None


@dataclass(slots=True)
class Piece:
    """Worker to writer: chunks that follow each other from `offset` on."""

    offset: int
    chunks: list[bytes]
    size: int


@dataclass(slots=True)
class Landing:
    """Worker to scribe or verifier: a file that has come whole, in memory or as a part, and the name it is to get."""

    job: Job
    #: A str, or what becomes one when it is wanted.
    final_url: object
    version: Version
    final: str
    size: int
    data: bytes | None = None
    part: PartFile | None = None
    twin: str | None = None
    page: bool = False
    resumed: int = 0
    segments: int = 1
    #: Filled in by the thread that lands it.
    outcome: Outcome | None = field(default=None)
