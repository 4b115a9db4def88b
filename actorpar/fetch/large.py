"""A file of known length: the owner's part of its transfer, to the verifier.

The owner opens the part, spawns the writer, pulls ranges as its helpers do, tries again what fails, and hands the whole
part on. Whatever ends it early, the part stays with a journal of what came.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import actorpar as ap
from actorpar.channels import env

from .errors import FetchError
from .landing import unbroken
from .links import is_page
from .messages import Landing, Note, Piece
from .partfile import Journal, PartFile
from .plan import Plan
from .resume import Version, takes_ranges
from .transfer import PIECES, Begun, Transfer, pull, writer

if TYPE_CHECKING:
    from .attempt import Attempt
    from .run import Placement


@dataclass(frozen=True, slots=True)
class LargeFile:
    """What is known of a large file before its transfer."""

    version: Version
    placement: Placement
    plan: Plan
    journal: Journal | None


async def fetch_large(attempt: Attempt, file: LargeFile, begun: Begun | None) -> None:
    """Bring the file and hand it to the verifier; `begun` is None when nothing is missing. Raises FetchError."""
    run, options, journal = attempt.run, attempt.run.options, file.journal
    part = PartFile(run.path(attempt.job.name), attempt.job.url, file.version, durable=options.fsync == "file")
    await attempt.lines.give_back()
    handed_on = False
    try:
        done = journal.done if journal is not None else ()
        await unbroken(partial(part.open, done, preallocate=options.preallocate))
        segments = await _transfer(attempt, file, part, begun) if begun is not None else 0
        attempt.job.received += attempt.progress
        landing = Landing(
            attempt.job,
            attempt.final_url or attempt.job.url,
            file.version,
            file.placement.path,
            file.plan.total,
            part=part,
            twin=file.placement.twin,
            page=begun is not None and is_page(begun.answer.headers.get("Content-Type")),
            resumed=journal.received if journal is not None else 0,
            segments=segments,
        )
        await attempt.lines.large.send(landing)
        handed_on = True
    finally:
        if not handed_on:
            await unbroken(part.abandon)


async def _transfer(attempt: Attempt, file: LargeFile, part: PartFile, begun: Begun) -> int:
    """All ranges to the part; the most streams there were at once."""
    run, job, options = attempt.run, attempt.job, attempt.run.options
    ranges = job.ranges and (begun.answer.status == 206 or takes_ranges(begun.answer.headers))
    pieces, to_write = ap.open_channel[Piece](PIECES, name="pieces", timed=options.stats)
    probe = to_write.clone()
    transfer = Transfer(job, file.version, file.plan, pieces, split=options.split if ranges else 1)
    attempt.keeps = transfer.resumable
    run.transfers[job.name] = transfer
    failure: FetchError | None = None
    try:
        async with ap.ProcessGroup() as group:
            writing = group.spawn(writer, to_write, part, run.disk, name=f"writer {job.name}")
            try:
                if transfer.wants_help:
                    await attempt.lines.notes.send(Note(wanting=transfer))
                await _drive(attempt, transfer, begun)
            except FetchError as error:
                failure = error
            transfer.finish(failure)
            failure = await writing or failure
    finally:
        attempt.progress = transfer.received
        transfer.close()
        del run.transfers[job.name]
        run.pieces.add(probe.statistics())
        probe.close()
    if failure is not None:
        raise failure
    return transfer.most


async def _drive(attempt: Attempt, transfer: Transfer, begun: Begun | None) -> None:
    """Pull until the plan is complete, trying again what fails; raises what ends the transfer."""
    run = attempt.run
    while True:
        try:
            await pull(run.client, run.intake, transfer, transfer.pieces, run.options.piece, begun)
            while transfer.helpers:
                await transfer.news.receive()
        except FetchError as error:
            attempt.progress = transfer.received
            if transfer.error is not None or not transfer.survives(error):
                raise
            pause = attempt.pause_after(error)
            if pause is None:
                raise
            attempt.job.attempts += 1
            await env.sleep(pause)
        begun = None
        if transfer.error is not None:
            raise transfer.error
        if transfer.plan.complete:
            return
