"""A worker: takes jobs of one host, one after the other, and tries each until it is handed on, given back or given up.

There are as many workers as connections. A worker holds the place the frontier gave it until its note says `freed`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import actorpar as ap
from actorpar.channels import env

from .attempt import Attempt, outcome
from .errors import Changed, FetchError, Interrupted
from .job import Job
from .landing import unbroken
from .lines import Lines
from .messages import Doomed, Help, Note
from .partfile import discard
from .transfer import RangesIgnored, pull

if TYPE_CHECKING:
    from .run import Run


async def worker(run: Run, jobs: ap.Receiver[list[Job] | Help | Doomed], lines: Lines) -> None:
    """The process; the ends of `lines` are its own, too."""
    desk = Worker(run, lines)
    with lines.notes, lines.outcomes, lines.small, lines.large:
        async for work in jobs:
            if isinstance(work, list):
                await desk.serve(work)
            elif isinstance(work, Help):
                await desk.help(work)
            else:
                await desk.give_up(work)


class Worker:
    """What a worker does with each kind of work; its last note about it frees the place."""

    def __init__(self, run: Run, lines: Lines) -> None:
        self._run = run
        self._lines = lines

    async def serve(self, jobs: list[Job]) -> None:
        """Try each job, unless the rest was given back meanwhile."""
        lines = self._lines
        answered: str | None = None
        host = jobs[0].host
        lines.rest.extend(jobs)
        while lines.rest:
            job = lines.rest.popleft()
            if not job.started:
                job.started = env.clock()
                self._run.use_own_part(job)
            try:
                if await self._see_through(job):
                    answered = host
            except asyncio.CancelledError:
                error = Interrupted("interrupted; run again to resume")
                self._run.late(outcome(self._run, job, "interrupted", error=error))
                raise
        await lines.notes.send(Note(freed=host, alive=answered))

    async def help(self, work: Help) -> None:
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
        await self._lines.notes.send(Note(freed=work.host))

    async def give_up(self, work: Doomed) -> None:
        """Report jobs that cannot be done."""
        again = [job.bar() for job in work.jobs if job.usable > 1]
        over = [outcome(self._run, job, "failed", error=work.error) for job in work.jobs if job.usable == 1]
        host = work.host
        await self._lines.outcomes.send_many(over)
        await self._lines.notes.send(Note(freed=host, settled=len(over), again=again))

    async def _see_through(self, job: Job) -> bool:
        """Try until the job is out of our hands; whether its host served it."""
        while True:
            job.attempts += 1
            attempt = Attempt(self._run, self._lines, job)
            try:
                await attempt.go()
                return True
            except FetchError as error:
                pause = await self._after(attempt, error)
            if pause is None:
                return False
            await self._lines.give_back()
            await env.sleep(pause)

    async def _after(self, attempt: Attempt, error: FetchError) -> float | None:
        """What to do about a failure: seconds until another try here, or None when the job was passed on."""
        job, host, lines = attempt.job, attempt.job.host, self._lines
        job.received += attempt.progress
        if isinstance(error, Changed):
            await unbroken(discard, self._run.path(job.name))
        pause = attempt.pause_after(error)
        if pause is None and job.usable > 1:
            await lines.notes.send(Note(again=(job.bar(),)))
        elif pause is None:
            known = outcome(self._run, job, "failed", error=error, final_url=attempt.final_url)
            await lines.outcomes.send(known)
            await lines.notes.send(Note(settled=1))
        elif error.host_wide or job.usable > 1:
            lines.rest.appendleft(job.next_mirror())
            await lines.give_back(tired=host, pause=pause, reason=error)
        else:
            return pause
        return None
