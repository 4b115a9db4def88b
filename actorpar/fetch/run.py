"""What the processes of one run share: the options, the client, the names given away, the figures.

Touched by the processes of one loop only, never across an await, so nothing here needs a lock.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from stat import S_ISREG
from typing import TYPE_CHECKING, Any

import actorpar as ap
from actorpar.channels import env

from .job import Job, Outcome
from .limits import TokenBucket
from .listing import Listing
from .names import JOURNAL, Claims, name_from_url, numbered, tree_from_url
from .options import Options
from .partfile import Journal, load_journal
from .resume import Version, same_file

if TYPE_CHECKING:
    from .client import Client
    from .reading import Intake, Meter
    from .transfer import Transfer


class PieceFigures:
    """The statistics of the piece channels of all large files together."""

    def __init__(self) -> None:
        self._capacity = self._peak = 0.0
        self._blocked = [0.0, 0.0]

    def add(self, figures: ap.Statistics) -> None:
        """One channel is over."""
        self._capacity = max(self._capacity, figures.capacity)
        self._peak = max(self._peak, figures.peak)
        self._blocked = [sum(pair) for pair in zip(self._blocked, figures.blocked_seconds, strict=True)]

    def row(self) -> dict[str, Any]:
        """As `row_of`."""
        senders, receivers = (round(seconds, 3) for seconds in self._blocked)
        figures = {"capacity": self._capacity, "peak": self._peak}
        return {"name": "pieces", **figures, "sender_blocked": senders, "receiver_blocked": receivers}


def row_of(figures: ap.Statistics) -> dict[str, Any]:
    """What --stats and the report say about a channel; blocked times in seconds, summed over all who waited."""
    senders, receivers = (round(seconds, 3) for seconds in figures.blocked_seconds)
    return {
        "name": figures.name,
        "capacity": figures.capacity,
        "peak": figures.peak,
        "sender_blocked": senders,
        "receiver_blocked": receivers,
    }


@dataclass(slots=True)
class Run:
    """One run of `actorpar fetch`."""

    options: Options
    client: Client
    intake: Intake
    meter: Meter
    #: Where an outcome goes when the channels are closing already.
    late: Callable[[Outcome], None]
    listing: Listing
    claims: Claims = field(default_factory=Claims)
    #: The large files at work, for progress.
    transfers: dict[str, Transfer] = field(default_factory=dict)
    pieces: PieceFigures = field(default_factory=PieceFigures)
    disk: TokenBucket | None = None

    def __post_init__(self) -> None:
        if self.options.disk_rate is not None:
            self.disk = TokenBucket(self.options.disk_rate, env.clock, burst=self.options.piece)

    def promise(self, job: Job) -> str:
        """A relative name for a new job, given to nobody else in this run."""
        proposal = job.name or (tree_from_url if self.options.tree else name_from_url)(job.urls[0])
        return self.claims.claim(proposal)

    def path(self, name: str) -> str:
        """Where a relative name lies."""
        return f"{self.options.directory}/{name}"

    def state(self, job: Job) -> tuple[bool, Journal | None]:
        """Whether a regular file has the job's name, and the journal of an earlier run.

        A journal that cannot be used names no URL.
        """
        name, journal = job.name, None
        if job.attempts == 1 and not self.listing.has(name + JOURNAL):
            return self.listing.has(name) and os.path.isfile(self.path(name)), None
        path = self.path(name)
        if os.path.lexists(path + JOURNAL):
            journal = load_journal(path) or Journal("", Version(), ())
        return os.path.isfile(path), journal

    def use_own_part(self, job: Job) -> None:
        """Give the job another name, if its own has a part that was begun from elsewhere."""
        while self.listing.has(job.name + JOURNAL):
            journal = load_journal(self.path(job.name))
            if journal is None or journal.url in job.urls:
                return
            job.name = self.claims.claim(job.name)

    def size(self, path: str) -> int:
        """Bytes of a file that is there."""
        return os.path.getsize(path)

    def give_back(self, job: Job) -> None:
        """The place of a job is not used."""
        if job.also_named not in ("", job.name):
            self.claims.release(job.also_named)
        job.also_named = ""

    def place(self, job: Job, proposal: str | None, version: Version) -> Placement:
        """Where the file goes, or that it is there: `proposal` is the server's name for it.

        Never gives a place that another job of the run has, or (but with --existing replace) that holds another file.
        """
        base = job.name
        if proposal is None and not self.listing.has(base):
            return Placement(self.path(base), False, None)
        if proposal is not None and not job.named:
            folder = job.name.rpartition("/")[0]
            base = f"{folder}/{proposal}" if folder else proposal
        twin: str | None = None
        for name in numbered(base):
            if name not in (job.name, job.also_named) and not self.claims.take(name):
                continue
            job.also_named = name
            path = self.path(name)
            if not self.listing.has(name):
                return Placement(path, False, twin)
            there = _regular_file(path)
            if there is None and not os.path.lexists(path):
                return Placement(path, False, twin)
            if there is not None:
                if self.options.existing == "skip" or same_file(there.st_size, there.st_mtime, version):
                    return Placement(path, True, None)
                if self.options.existing == "replace":
                    return Placement(path, False, None)
                twin = twin or path
            self.give_back(job)
        raise AssertionError("numbered() never ends")


@dataclass(slots=True)
class Placement:
    """The final path of a file; whether it is there already; an existing file that may turn out to be equal."""

    path: str
    complete: bool
    twin: str | None


def _regular_file(path: str) -> os.stat_result | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found if S_ISREG(found.st_mode) else None
