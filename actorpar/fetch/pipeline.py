"""The processes of a run and the channels between them (the picture is in docs/fetch.md)."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import actorpar as ap

from .client import Client
from .dispatch import dispatch
from .errors import DirectoryNotWritable, Interrupted
from .job import Job, Outcome
from .landing import Desk, LandingRules, outcome_of, scribe, unbroken, verifier
from .lines import Lines
from .links import Follower
from .listing import Listing
from .messages import Doomed, Help, Landing, Note
from .options import Options
from .progress import Display
from .reading import Intake, Meter
from .report import Report, reporter
from .run import Run, row_of
from .source import Inputs, source
from .worker import worker

#: Threads beyond the connections: each of those may be waiting for a name, and the disk must not wait for that.
SPARE_THREADS = 8


async def fetch(
    options: Options, inputs: Inputs, report: Report, display: Display
) -> tuple[bool, list[dict[str, Any]]]:
    """Fetch everything; True if it came to its end, False if it was cancelled. What became of files is in the report.

    Cancelled, it stops the processes, saves what came, and returns. The second result has the figures of every channel.
    """
    check_directory(options)
    pool = ThreadPoolExecutor(options.connections + SPARE_THREADS, thread_name_prefix="fetch")
    asyncio.get_running_loop().set_default_executor(pool)
    meter = Meter()
    async with Client(options) as client:
        listing = Listing(options.directory)
        await unbroken(listing.read)
        run = Run(options, client, Intake(options, meter), meter, report.add, listing)
        channels = Channels(options, report.add)
        finished = True
        try:
            await _run(run, channels, inputs, report, display)
        except asyncio.CancelledError:
            finished = False
        figures = [*channels.finish(), run.pieces.row()]
        if finished and options.fsync == "end":
            await unbroken(os.sync)
        return finished, figures


def check_directory(options: Options) -> None:
    """Make the output directory; raises DirectoryNotWritable."""
    try:
        os.makedirs(options.directory, exist_ok=True)
        if not options.dry_run:
            with tempfile.TemporaryFile(dir=options.directory):
                pass
    except OSError as error:
        raise DirectoryNotWritable(
            f"cannot write to the output directory {options.directory!r}: {error.strerror}; choose another with -o"
        ) from None


class Channels:
    """Every channel of a run but those between the streams of a large file and their writer.

    Ends are given to processes as clones. The ends here are closed once all processes have theirs; the receivers stay
    until the run is over, to tell the statistics, and what nobody received is undelivered when they close.
    """

    def __init__(self, options: Options, late: Callable[[Outcome], None]) -> None:
        places, timed = options.connections, options.stats

        def lost(landing: Landing) -> None:
            if landing.part is not None:
                landing.part.abandon()
            late(outcome_of(landing, "interrupted", error=Interrupted("interrupted; run again to resume")))

        self.files = ap.open_channel[Job | None](128, name="files", timed=timed)
        # Room for every place: the frontier never waits to send.
        self.jobs = ap.open_channel[list[Job] | Help | Doomed](places, name="jobs", timed=timed)
        self.notes = ap.open_channel[Note](4 * places, name="notes", timed=timed)
        self.small = ap.open_channel[Landing](64, name="small files", timed=timed, on_undelivered=lost)
        self.large = ap.open_channel[Landing](4, name="large files", timed=timed, on_undelivered=lost)
        self.outcomes = ap.open_channel[Outcome](256, name="outcomes", timed=timed, on_undelivered=late)
        self._all = (self.files, self.jobs, self.notes, self.small, self.large, self.outcomes)

    def close_senders(self) -> None:
        """Every process has its own."""
        for sender, _ in self._all:
            sender.close()

    def finish(self) -> list[dict[str, Any]]:
        """Close everything; one row of figures per channel."""
        rows = [row_of(receiver.statistics()) for _, receiver in self._all]
        self.close_senders()
        for _, receiver in self._all:
            receiver.close()
        return rows


async def _run(run: Run, channels: Channels, inputs: Inputs, report: Report, display: Display) -> None:
    follower = Follower(run.options.follow)
    rules = LandingRules(run.options.fsync == "file", run.options.existing == "replace", follower.active)
    desk = Desk(rules, report.add)
    jobs, jobs_out = channels.jobs
    files, files_out = channels.files
    notes, notes_out = channels.notes
    small, small_out = channels.small
    large, large_out = channels.large
    outcomes, outcomes_out = channels.outcomes
    async with ap.ProcessGroup("display") as around:
        watching = around.spawn(display.follow, run, name="display")
        async with ap.ProcessGroup("fetch") as group:
            group.spawn(source, run, inputs, follower, files.clone(), outcomes.clone(), name="source")
            group.spawn(dispatch, run, follower, files_out.clone(), notes_out.clone(), jobs.clone(), name="frontier")
            for number in range(run.options.connections):
                lines = Lines(notes.clone(), outcomes.clone(), small.clone(), large.clone())
                group.spawn(worker, run, jobs_out.clone(), lines, name=f"worker {number}")
            group.spawn(scribe, small_out.clone(), notes.clone(), outcomes.clone(), desk, name="scribe")
            group.spawn(verifier, large_out.clone(), notes.clone(), outcomes.clone(), desk, name="verifier")
            group.spawn(reporter, outcomes_out.clone(), report, name="report")
            channels.close_senders()
        watching.cancel()
