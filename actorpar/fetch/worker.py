"""A worker: takes one job after the other and tries it until it is handed on, given back or given up.

There are as many workers as connections. A worker holds the place the frontier gave it until its note says `freed`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import actorpar as ap
from actorpar.channels import env

from .attempt import Attempt, Lines, outcome
from .errors import Changed, FetchError, Interrupted
from .job import Job
from .landing import unbroken
from .messages import Doomed, Help, Note
from .partfile import discard
from .transfer import RangesIgnored, pull

if TYPE_CHECKING:
    from .run import Run


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
    """What a worker does with each kind of work; the note it returns frees the place."""

    def __init__(self, run: Run, lines: Lines) -> None:
        self._run = run
        self._lines = lines

    async def serve(self, job: Job) -> Note:
        """Try a job until it is handed on, given back or given up."""
        host = job.host
        if not job.started:
            job.started = env.clock()
            self._run.use_own_part(job)
        try:
            while True:
                result = await self._try(job)
                if isinstance(result, Note):
                    result.freed = host
                    return result
                await env.sleep(result)
        except asyncio.CancelledError:
            error = Interrupted("interrupted; run again to resume")
            self._run.late(outcome(self._run, job, "interrupted", error=error))
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
            transfer.helper_left()
        return Note(freed=work.host)

    async def give_up(self, job: Job, error: FetchError, final_url: str | None = None) -> Note:
        """Report a failure and settle the job."""
        await self._lines.outcomes.send(outcome(self._run, job, "failed", error=error, final_url=final_url))
        return Note(settled=1, freed=job.host)

    async def _try(self, job: Job) -> Note | float:
        """The note that ends the matter here, or seconds after which to try again."""
        job.attempts += 1
        attempt = Attempt(self._run, self._lines, job)
        try:
            note = await attempt.go()
            note.alive = job.host
            return note
        except FetchError as error:
            return await self._after(attempt, error)

    async def _after(self, attempt: Attempt, error: FetchError) -> Note | float:
        """What to do about a failure: another try, another mirror, or the end."""
        job, host = attempt.job, attempt.job.host
        job.received += attempt.progress
        if isinstance(error, Changed):
            await unbroken(discard, self._run.path(job.name))
        pause = attempt.pause_after(error)
        if pause is None:
            if job.usable > 1:
                return Note(again=job.bar())
            return await self.give_up(job, error, attempt.final_url)
        if error.host_wide or job.usable > 1:
            return Note(again=job.next_mirror(), tired=host, pause=pause, reason=error)
        return pause
