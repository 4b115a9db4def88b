"""One attempt at one file: what is there already, what the server offers, and which way the bytes take.

    there and right      -> skipped
    begun earlier        -> large.py, from where it ended
    up to SMALL bytes    -> read whole, to the scribe
    known length         -> large.py: ranges, a writer, to the verifier
    unknown, compressed  -> unmeasured.py: one stream
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import actorpar as ap
from actorpar.channels import env

from .encoding import Decoder, encoding_of
from .errors import Changed, FetchError, HttpFailure, ShortBody, TooLarge
from .job import Checksum, Job, Outcome, Status
from .landing import digest_of, page_links, unbroken
from .large import LargeFile, fetch_large
from .links import is_page
from .messages import Landing, Note
from .names import name_from_disposition
from .partfile import Journal, discard
from .plan import Plan
from .resume import Version, version_of
from .retry import PROGRESS
from .transfer import Begun, RangesIgnored, check_span
from .unmeasured import fetch_unmeasured

if TYPE_CHECKING:
    from aiohttp import ClientResponse

    from .run import Placement, Run

#: Bodies up to this length come whole and are written in one go.
SMALL = 256 * 1024


@dataclass(slots=True)
class Lines:
    """The channels that a worker sends on."""

    notes: ap.Sender[Note]
    outcomes: ap.Sender[Outcome]
    small: ap.Sender[Landing]
    large: ap.Sender[Landing]


class Attempt:
    """One attempt. After a failure, `progress` tells how many body bytes it brought."""

    def __init__(self, run: Run, lines: Lines, job: Job) -> None:
        self.run = run
        self.lines = lines
        self.job = job
        self.progress = 0
        self.final_url: str | None = None
        #: Whether the next attempt goes on from what this one brought.
        self.keeps = False
        self._judged = 0

    async def go(self) -> Note:
        """Make the attempt; the note tells what is settled. Raises FetchError."""
        run, job = self.run, self.job
        exists, journal = run.state(job)
        if exists:
            there = await self._there_already()
            if there is not None:
                return there
        if run.options.dry_run:
            return await self._look()
        if journal is not None and job.ranges and (journal.version.validator or job.checksum):
            return await self._resume(journal)
        if journal is not None:
            await unbroken(discard, run.path(job.name))
        return await self._afresh()

    def pause_after(self, error: FetchError) -> float | None:
        """Count a failure; seconds to wait before the next attempt, None if there is to be none.

        It is one more in a row unless the attempt brought something to keep. Mirrors share each round of tries.
        """
        job, changed = self.job, isinstance(error, Changed)
        brought = self.keeps and self.progress - self._judged >= PROGRESS and not changed
        self._judged = self.progress
        job.failures = 1 if brought else job.failures + 1
        job.changes += changed
        job.ranges = job.ranges and not isinstance(error, RangesIgnored)
        if not error.retryable:
            return None
        rounds = (max(job.failures, job.changes) - 1) // job.usable + 1
        return self.run.options.retry.pause(rounds, error.retry_after, env.random)

    async def _there_already(self) -> Note | None:
        """Skip what is there and right, with no request or with one that brings no body."""
        run, job = self.run, self.job
        path = run.path(job.name)
        if run.options.existing == "skip" or (job.checksum and await unbroken(_has_digest, path, job.checksum)):
            job.attempts -= 1
            return await self._skip(path, job.url, page=path.endswith((".html", ".htm")))
        if job.checksum is not None or run.options.dry_run:
            return None
        try:
            answer = await run.client.open(job.url, method="HEAD")
        except HttpFailure:
            return None  # many servers know only GET
        answer.release()
        placement = run.place(job, proposal_of(answer), version_of(answer.headers))
        if not placement.complete:
            run.give_back(job, placement)
            return None
        return await self._skip(placement.path, str(answer.url), page=shows_page(answer))

    async def _skip(self, path: str, address: str, *, page: bool) -> Note:
        links = await unbroken(page_links, path, address) if page and self.run.options.follow else []
        size = self.run.size(path)
        await self.lines.outcomes.send(outcome(self.run, self.job, "skipped", path=path, total=size))
        return Note(settled=1, links=links)

    async def _look(self) -> Note:
        """Dry run: ask, and tell."""
        answer = await self.run.client.open(self.job.url, method="HEAD")
        self.final_url = str(answer.url)
        answer.release()
        version = version_of(answer.headers)
        placement = self.run.place(self.job, proposal_of(answer), version)
        status: Status = "skipped" if placement.complete else "planned"
        known: dict[str, Any] = {"path": placement.path, "total": version.total, "final_url": self.final_url}
        await self.lines.outcomes.send(outcome(self.run, self.job, status, **known))
        return Note(settled=1)

    async def _afresh(self) -> Note:
        answer = await self.run.client.open(self.job.url)
        try:
            return await self._receive(answer)
        finally:
            if not answer.content.at_eof():
                answer.close()

    async def _resume(self, journal: Journal) -> Note:
        """Go on where the journal ends, with the version it speaks of."""
        run, job, version = self.run, self.job, journal.version
        assert version.total is not None
        plan = Plan(version.total, journal.done, min_split=run.options.min_split, split=run.options.split)
        claim = plan.claim()
        if claim is None:  # killed between the last byte and the name: nothing is missing
            placement = run.place(job, None, version)
            return await fetch_large(self, LargeFile(version, placement, plan, journal), None)
        span = (claim.position, claim.stop)
        answer = await run.client.open(job.url, span=span, if_range=version.validator)
        try:
            if answer.status == 200:  # another version, or a server without ranges: this answer is the whole file
                await unbroken(discard, run.path(job.name))
                return await self._receive(answer)
            check_span(answer, version, *span)
            self.final_url = str(answer.url)
            placement = run.place(job, proposal_of(answer), version)
            return await fetch_large(self, LargeFile(version, placement, plan, journal), Begun(claim, answer, span[1]))
        finally:
            if not answer.content.at_eof():
                answer.close()

    async def _receive(self, answer: ClientResponse) -> Note:
        """A whole file is coming."""
        run, options = self.run, self.run.options
        self.final_url = str(answer.url)
        version, encoding = version_of(answer.headers), encoding_of(answer.headers.get("Content-Encoding"))
        total = version.total
        self.check_size(total or 0)
        placement = run.place(self.job, proposal_of(answer), version)
        if placement.complete:
            return await self._skip(placement.path, self.final_url, page=shows_page(answer))
        if total is None:
            decoder = Decoder(encoding, options.max_expansion) if encoding else None
            return await fetch_unmeasured(self, answer, version, placement, decoder)
        if total <= SMALL:
            return await self.hand_on(answer, version, placement, await self._small_body(answer, total))
        plan = Plan(total, min_split=options.min_split, split=options.split)
        claim = plan.claim()
        assert claim is not None
        return await fetch_large(self, LargeFile(version, placement, plan, None), Begun(claim, answer, total))

    async def _small_body(self, answer: ClientResponse, total: int) -> bytes:
        read = self.run.intake.reader(answer, self.job.host)
        chunks: list[bytes] = []
        while self.progress < total:
            data = await read()
            if not data:
                raise ShortBody(f"the body has {self.progress} bytes, not the {total} that were announced")
            self.progress += len(data)
            chunks.append(data)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def hand_on(self, answer: ClientResponse, version: Version, placement: Placement, data: bytes) -> Note:
        """A file that came whole in memory goes to the scribe."""
        self.job.received += self.progress
        url = self.final_url or self.job.url
        landing = Landing(self.job, url, version, placement.path, len(data), data=data, twin=placement.twin)
        landing.page = shows_page(answer)
        await self.lines.small.send(landing)
        return Note()

    def check_size(self, size: int) -> None:
        """Raise TooLarge for a file of at least `size` bytes that is not wanted."""
        most = self.run.options.max_size
        if most is not None and size > most:
            raise TooLarge(f"the file has {size} bytes or more; --max-size allows {most}")


def outcome(run: Run, job: Job, status: Status, *, error: FetchError | None = None, **known: Any) -> Outcome:
    """The record of a file that did not come whole in this run."""
    known.setdefault("path", run.path(job.name))
    seconds = env.clock() - job.started if job.started else 0.0
    return Outcome(job, status, received=job.received, seconds=seconds, error=error, **known)


def proposal_of(answer: ClientResponse) -> str | None:
    """The file name that the server proposes."""
    header = answer.headers.get("Content-Disposition")
    return name_from_disposition(header) if header else None


def shows_page(answer: ClientResponse) -> bool:
    """Whether the answer is HTML."""
    return is_page(answer.headers.get("Content-Type"))


def _has_digest(path: str, checksum: Checksum) -> bool:
    return digest_of(checksum, path=path) == checksum.digest
