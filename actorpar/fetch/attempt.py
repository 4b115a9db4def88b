"""One attempt at one file: what is there already, what the server offers, and which way the bytes take.

there and right      -> skipped
begun earlier        -> large.py, from where it ended
up to SMALL bytes    -> read whole, to the scribe
known length         -> large.py: ranges, a writer, to the verifier
unknown, compressed  -> unmeasured.py: one stream
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actorpar.channels import env

from .encoding import Decoder, encoding_of
from .errors import Changed, FetchError, HttpFailure, ShortBody, TooLarge
from .job import Checksum, Job, Outcome, Status
from .landing import digest_of, page_links, unbroken
from .large import LargeFile, fetch_large
from .lines import Lines
from .links import is_page
from .messages import Landing, Note
from .names import PART, name_from_disposition
from .partfile import Journal, clear_part, discard
from .plan import Plan
from .resume import Version, version_of
from .retry import PROGRESS
from .transfer import Begun, RangesIgnored, check_span
from .unmeasured import fetch_unmeasured

if TYPE_CHECKING:
    from aiohttp import ClientResponse
    from yarl import URL

    from .run import Placement, Run

#: Bodies up to this length come whole and are written in one go.
SMALL = 256 * 1024


class Attempt:
    """One attempt. After a failure, `progress` tells how many body bytes it brought."""

    def __init__(self, run: Run, lines: Lines, job: Job) -> None:
        self.run = run
        self.lines = lines
        self.job = job
        self.progress = 0
        self.final_url: URL | None = None
        #: Whether the next attempt goes on from what this one brought.
        self.keeps = False
        self._judged = 0

    async def go(self) -> None:
        """Make the attempt: in the end the file was handed on, or it was skipped and settled. Raises FetchError."""
        run, job = self.run, self.job
        exists, journal = run.state(job)
        if exists and await self._there_already():
            return
        if run.options.dry_run:
            await self._look()
        elif journal is not None and job.ranges and (journal.version.validator or job.checksum):
            await self._resume(journal)
        else:
            if journal is not None:
                await unbroken(discard, run.path(job.name))
            await self._afresh()

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

    async def _there_already(self) -> bool:
        """Skip what is there and right, with no request or with one that brings no body; False if it is not."""
        run, job = self.run, self.job
        path = run.path(job.name)
        if run.options.existing == "skip" or (job.checksum and await unbroken(_has_digest, path, job.checksum)):
            job.attempts -= 1
            await self._skip(path, page=path.endswith((".html", ".htm")))
            return True
        if job.checksum is not None or run.options.dry_run:
            return False
        try:
            answer = await run.client.open(job.url, method="HEAD")
        except HttpFailure:
            return False  # many servers know only GET
        answer.release()
        placement = run.place(job, proposal_of(answer), version_of(answer.headers))
        if not placement.complete:
            run.give_back(job)
            return False
        self.final_url = answer.url
        await self._skip(placement.path, page=shows_page(answer))
        return True

    async def _skip(self, path: str, *, page: bool) -> None:
        run, job, url = self.run, self.job, self.final_url
        links = await unbroken(page_links, path, str(url or job.url)) if page and run.options.follow else []
        done = outcome(run, job, "skipped", path=path, total=run.size(path), final_url=url)
        await self.lines.outcomes.send(done)
        await self.lines.notes.send(Note(settled=1, links=links))

    async def _look(self) -> None:
        """Dry run: ask, and tell."""
        run, job = self.run, self.job
        try:
            answer = await run.client.open(job.url, method="HEAD")
            answer.release()
        except HttpFailure:  # many servers know only GET
            answer = await run.client.open(job.url)
            answer.close()
        self.final_url = answer.url
        version = version_of(answer.headers)
        placement = run.place(job, proposal_of(answer), version)
        status: Status = "skipped" if placement.complete else "planned"
        known: dict[str, Any] = {"path": placement.path, "total": version.total, "final_url": self.final_url}
        await self.lines.outcomes.send(outcome(run, job, status, **known))
        await self.lines.notes.send(Note(settled=1))

    async def _afresh(self) -> None:
        answer = await self.run.client.open(self.job.url)
        try:
            await self._receive(answer)
        finally:
            if not answer.content.at_eof():
                answer.close()

    async def _resume(self, journal: Journal) -> None:
        """Go on where the journal ends, with the version it speaks of."""
        run, job, version = self.run, self.job, journal.version
        assert version.total is not None
        plan = Plan(version.total, journal.done, min_split=run.options.min_split, split=run.options.split)
        claim = plan.claim()
        if claim is None:  # killed between the last byte and the name: nothing is missing
            placement = run.place(job, None, version)
            await fetch_large(self, LargeFile(version, placement, plan, journal), None)
            return
        span = (claim.position, claim.stop)
        answer = await run.client.open(job.url, span=span, if_range=version.validator)
        try:
            if answer.status == 200:  # another version, or a server without ranges: this answer is the whole file
                await unbroken(discard, run.path(job.name))
                await self._receive(answer)
                return
            check_span(answer, version, *span)
            self.final_url = answer.url
            placement = run.place(job, proposal_of(answer), version)
            await fetch_large(self, LargeFile(version, placement, plan, journal), Begun(claim, answer, span[1]))
        finally:
            if not answer.content.at_eof():
                answer.close()

    async def _receive(self, answer: ClientResponse) -> None:
        """A whole file is coming."""
        run, options = self.run, self.run.options
        self.final_url = answer.url
        version = version_of(answer.headers)
        total = version.total
        self.check_size(total or 0)
        placement = run.place(self.job, proposal_of(answer), version)
        if placement.complete:
            await self._skip(placement.path, page=shows_page(answer))
        elif total is None:
            encoding = encoding_of(answer.headers.get("Content-Encoding"))
            decoder = Decoder(encoding, options.max_expansion) if encoding else None
            await fetch_unmeasured(self, answer, version, placement, decoder)
        elif total <= SMALL:
            await self.hand_on(answer, version, placement, await self._small_body(answer, total))
        else:
            plan = Plan(total, min_split=options.min_split, split=options.split)
            claim = plan.claim()
            assert claim is not None
            await fetch_large(self, LargeFile(version, placement, plan, None), Begun(claim, answer, total))

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

    async def hand_on(self, answer: ClientResponse, version: Version, placement: Placement, data: bytes) -> None:
        """A file that came whole in memory goes to the scribe."""
        run, job = self.run, self.job
        job.received += self.progress
        landing = Landing(job, answer.url, version, placement.path, len(data), data, None, placement.twin)
        if run.options.follow:
            landing.page = shows_page(answer)
        if run.listing.has(job.name + PART):
            await unbroken(clear_part, run.path(job.name))
        await self.lines.small.send(landing)

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
