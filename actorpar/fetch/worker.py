"""A worker: takes one job after the other and brings it to the scribe, to the verifier, or to its failure.

There are as many workers as connections. A worker holds the place the frontier gave it until its note says `freed`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import actorpar as ap
from actorpar.channels import env

from .encoding import Decoder, encoding_of
from .errors import Changed, FetchError, Interrupted, ShortBody, TooLarge
from .job import Checksum, Job, Outcome, Status
from .landing import digest_of, page_links, unbroken
from .links import is_page
from .messages import Doomed, Help, Landing, Note, Piece
from .names import JOURNAL, name_from_disposition
from .partfile import Journal, PartFile, discard, load_journal
from .plan import Plan
from .resume import Version, takes_ranges, version_of
from .retry import PROGRESS
from .transfer import PIECES, RangesIgnored, Transfer, check_span, pull, writer

if TYPE_CHECKING:
    from aiohttp import ClientResponse

    from .plan import Claim
    from .run import Placement, Run

#: Bodies up to this length come whole and are written in one go.
SMALL = 256 * 1024


@dataclass(slots=True)
class Lines:
    """The channels a worker sends on."""

    notes: ap.Sender[Note]
    outcomes: ap.Sender[Outcome]
    small: ap.Sender[Landing]
    large: ap.Sender[Landing]


async def worker(run: Run, jobs: ap.Receiver[Job | Help | Doomed], lines: Lines) -> None:
    """The process; the ends of `lines` are its own, too."""
    desk = Worker(run, lines)
    with lines.notes, lines.outcomes, lines.small, lines.large:
        async for work in jobs:
            if isinstance(work, Job):
                note = await desk.serve(work)
            elif isinstance(work, Help):
                note = await desk.help(work)
            else:
                note = await desk.give_up(work.job, work.error)
            await lines.notes.send(note)


class Worker:
    """One worker's way of doing its jobs."""

    def __init__(self, run: Run, lines: Lines) -> None:
        self._run = run
        self._lines = lines
        self._progress = 0  # bytes of the attempt at work
        self._final_url: str | None = None

    async def serve(self, job: Job) -> Note:
        """Try a job until it is handed on, given back or given up; the note says which, and frees the place."""
        host = job.host
        if not job.started:
            job = self._with_own_part(replace(job, started=env.clock()))
        try:
            while True:
                note = await self._attempt_or_failure(job)
                if isinstance(note, Note):
                    note.freed = host
                    return note
                job, pause = note
                await env.sleep(pause)
        except asyncio.CancelledError:
            self._run.late(self._outcome(job, "interrupted", error=Interrupted("interrupted; run again to resume")))
            raise

    async def help(self, work: Help) -> Note:
        """Bring ranges of another worker's file; whatever goes wrong, that worker sees to it."""
        run, transfer = self._run, work.transfer
        try:
            if not transfer.over:
                with transfer.pieces.clone() as pieces:
                    await pull(run.client, run.intake, transfer, pieces, run.options.piece)
        except RangesIgnored:
            transfer.split = 1
        except Changed as error:
            transfer.stop(error)
        except FetchError:
            transfer.split -= 1  # this server wants fewer streams
        finally:
            transfer.helpers -= 1
            if not transfer.over:
                transfer.left_sender.send_nowait(None)
        return Note(freed=work.host)

    async def give_up(self, job: Job, error: FetchError, **known: Any) -> Note:
        """Report a failure and settle the job."""
        await self._lines.outcomes.send(self._outcome(job, "failed", error=error, **known))
        return Note(settled=1, freed=job.host)

    async def _attempt_or_failure(self, job: Job) -> Note | tuple[Job, float]:
        """The note of an attempt that ended the matter here, or the job to try again after a pause."""
        self._progress, self._final_url = 0, None
        job = replace(job, attempts=job.attempts + 1)
        try:
            note = await self._attempt(job)
            note.alive = job.host
            return note
        except FetchError as error:
            return await self._after(job, error)

    async def _after(self, job: Job, error: FetchError) -> Note | tuple[Job, float]:
        received, brought = job.received + self._progress, self._progress >= PROGRESS
        failed = replace(job, received=received, failures=1 if brought else job.failures + 1)
        if isinstance(error, Changed):
            await unbroken(discard, self._run.path(job.name))
        policy, usable = self._run.options.retry, job.usable
        rounds = (failed.failures - 1) // usable + 1
        pause = policy.pause(rounds, error.retry_after, env.random) if error.retryable else None
        if pause is None:
            if usable > 1:
                return Note(again=failed.bar())
            return await self.give_up(failed, error)
        if error.host_wide or usable > 1:
            return Note(again=failed.next_mirror(), tired=job.host, pause=pause, reason=error)
        return failed, pause

    async def _attempt(self, job: Job) -> Note:
        there = await self._there_already(job)
        if there is not None:
            return there
        if self._run.options.dry_run:
            return await self._look(job)
        path = self._run.path(job.name)
        if os.path.lexists(path + JOURNAL):
            journal = load_journal(path)
            if journal is not None and (journal.version.validator or job.checksum):
                return await self._resume(job, journal)
            await unbroken(discard, path)
        return await self._afresh(job)

    async def _there_already(self, job: Job) -> Note | None:
        """Skip a file without a request, where the rules allow it."""
        path, existing = self._run.path(job.name), self._run.options.existing
        if not (job.checksum or existing == "skip") or not os.path.isfile(path):
            return None
        if job.checksum is not None and await unbroken(_has_digest, path, job.checksum) is False:
            return None
        page = path.endswith((".html", ".htm"))
        return await self._skip(replace(job, attempts=job.attempts - 1), path, job.url, page=page)

    async def _skip(self, job: Job, path: str, address: str, *, page: bool) -> Note:
        links = await unbroken(page_links, path, address) if page and self._run.options.follow else []
        await self._lines.outcomes.send(self._outcome(job, "skipped", path=path, total=os.path.getsize(path)))
        return Note(settled=1, links=links)

    async def _look(self, job: Job) -> Note:
        """Dry run: ask, and tell."""
        answer = await self._run.client.open(job.url, method="HEAD")
        self._final_url = str(answer.url)
        answer.release()
        version = version_of(answer.headers)
        placement = self._run.place(job, _proposal(answer), version)
        status: Status = "skipped" if placement.complete else "planned"
        outcome = self._outcome(job, status, path=placement.path, total=version.total)
        await self._lines.outcomes.send(outcome)
        return Note(settled=1)

    async def _afresh(self, job: Job) -> Note:
        answer = await self._run.client.open(job.url)
        try:
            return await self._receive(job, answer)
        finally:
            if not answer.content.at_eof():
                answer.close()

    async def _resume(self, job: Job, journal: Journal) -> Note:
        """Go on where the journal ends, with the version it speaks of."""
        version = journal.version
        assert version.total is not None
        options = self._run.options
        plan = Plan(version.total, journal.done, min_split=options.min_split, split=options.split)
        claim = plan.claim()
        if claim is None:  # killed between the last byte and the name: nothing is missing
            placement = self._run.place(job, None, version)
            transfer = _Large(version, placement, plan, journal)
            return await self._large(job, transfer, None)
        span = (claim.position, claim.stop)
        answer = await self._run.client.open(job.url, span=span, if_range=version.validator)
        try:
            if answer.status == 200:  # another version, or a server without ranges: this answer is the whole file
                await unbroken(discard, self._run.path(job.name))
                return await self._receive(job, answer)
            check_span(answer, version, *span)
            placement = self._run.place(job, _proposal(answer), version)
            return await self._large(job, _Large(version, placement, plan, journal), (claim, answer))
        finally:
            if not answer.content.at_eof():
                answer.close()

    async def _receive(self, job: Job, answer: ClientResponse) -> Note:
        """A whole file is coming."""
        options = self._run.options
        self._final_url = str(answer.url)
        version, encoding = version_of(answer.headers), encoding_of(answer.headers.get("Content-Encoding"))
        self._check_size(version.total or 0)
        placement = self._run.place(job, _proposal(answer), version)
        if placement.complete:
            if version.total is not None and version.total <= SMALL:
                await self._small_body(job, answer, version.total)  # cheaper than another connection
            return await self._skip(job, placement.path, self._final_url, page=_is_page(answer))
        if version.total is not None and version.total <= SMALL:
            data = await self._small_body(job, answer, version.total)
            return await self._hand_on(job, answer, version, placement, data)
        if version.total is None:
            decoder = Decoder(encoding, options.max_expansion) if encoding else None
            return await self._unmeasured(job, answer, version, placement, decoder)
        plan = Plan(version.total, min_split=options.min_split, split=options.split)
        claim = plan.claim()
        assert claim is not None
        return await self._large(job, _Large(version, placement, plan, None), (claim, answer))

    async def _small_body(self, job: Job, answer: ClientResponse, total: int) -> bytes:
        read = self._run.intake.reader(answer, job.host)
        chunks: list[bytes] = []
        while self._progress < total:
            data = await read()
            if not data:
                raise ShortBody(f"the body has {self._progress} bytes, not the {total} that were announced")
            self._progress += len(data)
            chunks.append(data)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _hand_on(
        self, job: Job, answer: ClientResponse, version: Version, placement: Placement, data: bytes
    ) -> Note:
        """A file that came whole in memory: to the scribe."""
        job = replace(job, received=job.received + self._progress)
        landing = Landing(job, str(answer.url), version, placement.path, len(data), data=data, twin=placement.twin)
        landing.page = _is_page(answer)
        await self._lines.small.send(landing)
        return Note()

    async def _large(self, job: Job, file: _Large, begun: tuple[Claim, ClientResponse] | None) -> Note:
        """A file of known length: the owner's part of its transfer, then to the verifier."""
        run, options = self._run, self._run.options
        part = PartFile(run.path(job.name), job.url, file.version, durable=options.fsync == "file")
        handed_on = False
        try:
            await unbroken(lambda: part.open(file.done, preallocate=options.preallocate))
            transfer = await self._transfer(job, file, part, begun) if begun is not None else None
            job = replace(job, received=job.received + self._progress)
            final_url = str(begun[1].url) if begun is not None else job.url
            landing = Landing(job, final_url, file.version, file.placement.path, file.plan.total, part=part)
            landing.twin, landing.resumed = file.placement.twin, file.resumed
            landing.segments = transfer.most if transfer is not None else 0
            landing.page = begun is not None and _is_page(begun[1])
            await self._lines.large.send(landing)
            handed_on = True
        finally:
            if not handed_on:
                await unbroken(part.abandon)
        return Note()

    async def _transfer(self, job: Job, file: _Large, part: PartFile, begun: tuple[Claim, ClientResponse]) -> Transfer:
        run, options = self._run, self._run.options
        ranges = begun[1].status == 206 or takes_ranges(begun[1].headers)
        pieces, to_write = ap.open_channel[Piece](PIECES, name="pieces", timed=options.stats)
        transfer = Transfer(job, file.version, file.plan, pieces, split=options.split if ranges else 1)
        probe = to_write.clone()
        run.transfers[job.name] = transfer
        failure: FetchError | None = None
        try:
            async with ap.ProcessGroup() as group:
                writing = group.spawn(writer, to_write, part, run.disk, name=f"writer {job.name}")
                try:
                    if transfer.wants_help:
                        await self._lines.notes.send(Note(wanting=transfer))
                    await self._drive(transfer, begun)
                except FetchError as error:
                    failure = error
                transfer.finish(failure)
                failure = await writing or failure
        finally:
            self._progress = transfer.received
            transfer.over = True
            del run.transfers[job.name]
            run.pieces.add(probe.statistics())
            probe.close()
            transfer.close()
        if failure is not None:
            raise failure
        return transfer

    async def _drive(self, transfer: Transfer, begun: tuple[Claim, ClientResponse] | None) -> None:
        """Pull until the plan is complete, trying again what fails; raises what ends the transfer."""
        failures = 0
        while True:
            before = transfer.received
            try:
                await pull(
                    self._run.client, self._run.intake, transfer, transfer.pieces, self._run.options.piece, begun
                )
                while transfer.helpers:
                    await transfer.left.receive()
            except FetchError as error:
                failures = 1 if transfer.received - before >= PROGRESS else failures + 1
                pause = self._run.options.retry.pause(failures, error.retry_after, env.random)
                here = error.retryable and transfer.resumable and not isinstance(error, Changed) and not error.host_wide
                if transfer.error or not here or pause is None or transfer.job.usable > 1:
                    raise
                await env.sleep(pause)
            begun = None
            if transfer.error is not None:
                raise transfer.error
            if transfer.plan.complete:
                return

    async def _unmeasured(
        self, job: Job, answer: ClientResponse, version: Version, placement: Placement, decoder: Decoder | None
    ) -> Note:
        """A body whose length nobody told, or a compressed one: one stream, not resumable."""
        chunks = self._decoded(job, answer, decoder)
        head: list[bytes] = []
        size = 0
        async for data in chunks:
            head.append(data)
            size += len(data)
            if size > SMALL:
                return await self._long_stream(job, answer, version, placement, head, chunks)
        return await self._hand_on(job, answer, version, placement, b"".join(head))

    async def _long_stream(
        self,
        job: Job,
        answer: ClientResponse,
        version: Version,
        placement: Placement,
        head: list[bytes],
        chunks: AsyncIterator[bytes],
    ) -> Note:
        run, options = self._run, self._run.options
        part = PartFile(run.path(job.name), job.url, version, durable=options.fsync == "file")
        handed_on = False
        try:
            await unbroken(lambda: part.open((), preallocate=False))
            pieces, to_write = ap.open_channel[Piece](PIECES, name="pieces", timed=options.stats)
            async with ap.ProcessGroup() as group:
                writing = group.spawn(writer, to_write, part, run.disk, name=f"writer {job.name}")
                with pieces:
                    size = await _pour(head, chunks, pieces, options.piece)
                failure = await writing
            if failure is not None:
                raise failure
            job = replace(job, received=job.received + self._progress)
            landing = Landing(job, str(answer.url), version, placement.path, size, part=part, twin=placement.twin)
            landing.page = _is_page(answer)
            await self._lines.large.send(landing)
            handed_on = True
        finally:
            if not handed_on:
                await unbroken(part.abandon)
        return Note()

    async def _decoded(self, job: Job, answer: ClientResponse, decoder: Decoder | None) -> AsyncIterator[bytes]:
        read = self._run.intake.reader(answer, job.host)
        size = 0
        while data := await read():
            self._progress += len(data)
            for piece in decoder.decode(data) if decoder is not None else (data,):
                size += len(piece)
                self._check_size(size)
                yield piece
        if decoder is not None:
            decoder.finish()

    def _check_size(self, size: int) -> None:
        most = self._run.options.max_size
        if most is not None and size > most:
            raise TooLarge(f"the file has {size} bytes or more; --max-size allows {most}")

    def _with_own_part(self, job: Job) -> Job:
        """Another name, if the promised one has a part that was begun from elsewhere."""
        while True:
            path = self._run.path(job.name)
            journal = load_journal(path) if os.path.lexists(path + JOURNAL) else None
            if journal is None or journal.url in job.urls:
                return job
            job = replace(job, name=self._run.claims.claim(job.name))

    def _outcome(self, job: Job, status: Status, **known: Any) -> Outcome:
        known.setdefault("path", self._run.path(job.name))
        seconds = env.clock() - job.started if job.started else 0.0
        return Outcome(job, status, final_url=self._final_url, received=job.received, seconds=seconds, **known)


@dataclass(slots=True)
class _Large:
    """What is known of a large file before its transfer."""

    version: Version
    placement: Placement
    plan: Plan
    journal: Journal | None

    @property
    def done(self) -> tuple[tuple[int, int], ...]:
        return self.journal.done if self.journal is not None else ()

    @property
    def resumed(self) -> int:
        return self.journal.received if self.journal is not None else 0


async def _pour(head: list[bytes], chunks: AsyncIterator[bytes], pieces: ap.Sender[Piece], size: int) -> int:
    """Send what came and what comes to the writer; how many bytes that were."""
    piece = Piece(0, head, sum(map(len, head)))
    try:
        async for data in chunks:
            piece.chunks.append(data)
            piece.size += len(data)
            if piece.size >= size:
                full, piece = piece, Piece(piece.offset + piece.size, [], 0)
                await pieces.send(full)
        await pieces.send(piece)
    except ap.ChannelError:
        pass  # the writer failed; it tells why
    return piece.offset + piece.size


def _proposal(answer: ClientResponse) -> str | None:
    header = answer.headers.get("Content-Disposition")
    return name_from_disposition(header) if header else None


def _is_page(answer: ClientResponse) -> bool:
    return is_page(answer.headers.get("Content-Type"))


def _has_digest(path: str, checksum: Checksum) -> bool:
    return digest_of(checksum, path=path) == checksum.digest
