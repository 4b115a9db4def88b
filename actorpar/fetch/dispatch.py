"""The process around the frontier: the only one that knows hosts and places.

It waits in one select, for notes and for more of the list; it never waits to send: it hands out at most as many jobs
as there are places, and the workers' channel has room for as many. So whatever workers send it, links of pages
included, it always comes back to receive, and nothing can deadlock. It ends when the source has ended and no
job is outstanding, which closes the workers' channel, and so the run.
"""

from __future__ import annotations

import actorpar as ap
from actorpar.channels import env
from actorpar.channels.guard import ReceiveFrom

from .errors import ConnectFailure, ConnectTimeout, FetchError, NameResolution
from .frontier import Frontier
from .job import Job
from .links import Follower
from .messages import Doomed, Help, Note
from .run import Run
from .transfer import Transfer

#: Jobs in memory that wait for a place; more are spilled to disk.
MEMORY = 4096
_UNREACHABLE = (NameResolution, ConnectFailure, ConnectTimeout)


class Dispatcher:
    """State of the process, and what each message does to it."""

    def __init__(self, run: Run, follower: Follower, jobs: ap.Sender[list[Job] | Help | Doomed]) -> None:
        options = run.options
        self.frontier = Frontier(places=options.connections, per_host=options.per_host, memory=MEMORY, clock=env.clock)
        self.source_open = True
        self._run = run
        self._follower = follower
        self._jobs = jobs
        self._dead: dict[str, FetchError] = {}
        self._wanting: list[Transfer] = []

    @property
    def over(self) -> bool:
        """Quiescence: nothing is to come and nothing is outstanding."""
        return not self.source_open and not self.frontier.outstanding

    @property
    def hungry(self) -> bool:
        """Whether to read more of the list."""
        return self.source_open and self.frontier.hungry

    def take_what_is_there(self, notes: ap.Receiver[Note], files: ap.Receiver[Job | None]) -> None:
        """All that can be had without waiting: one select then serves many messages."""
        try:
            while True:
                self.noted(notes.receive_nowait())
        except ap.ChannelEmpty:
            pass
        try:
            while self.hungry:
                self.listed(files.receive_nowait())
        except ap.ChannelEmpty:
            pass

    def listed(self, job: Job | None) -> None:
        """The next job of the list, or its end."""
        if job is None:
            self.source_open = False
        else:
            self.frontier.push(job)

    def noted(self, note: Note) -> None:
        """A worker, the scribe or the verifier tells."""
        frontier = self.frontier
        if note.freed is not None:
            frontier.leave(note.freed)
        if note.alive is not None:
            frontier.recovered(note.alive)
        if note.tired is not None and note.reason is not None:
            self._tired(note.tired, note.pause, note.reason)
        for job in reversed(note.again):
            frontier.push(job, again=True)
        if note.wanting is not None:
            self._wanting.append(note.wanting)
        for url in note.links:
            self._link(url)
        frontier.settle(note.settled)

    def hand_out(self) -> None:
        """Fill the free places: with jobs, then with helpers of large files."""
        while batch := self.frontier.next():
            host = batch[0].host
            error = self._dead.get(host) if self._dead else None
            self._jobs.send_nowait(batch if error is None else Doomed(batch, host, error))
        if self._wanting:
            self._wanting = [transfer for transfer in self._wanting if not transfer.over]
            for transfer in self._wanting:
                host = transfer.job.host
                while transfer.wants_help and self.frontier.borrow(host, 1):
                    transfer.helpers += 1
                    self._jobs.send_nowait(Help(transfer, host))

    def _tired(self, host: str, pause: float, reason: FetchError) -> None:
        failures = self.frontier.rest(host, pause)
        if failures >= self._run.options.retry.tries and isinstance(reason, _UNREACHABLE):
            self._dead[host] = reason

    def _link(self, url: str) -> None:
        if self._follower.matches(url) and self._follower.see(url):
            job = Job((url,))
            job.name = self._run.promise(job)
            self.frontier.push(job)


async def dispatch(
    run: Run,
    follower: Follower,
    files: ap.Receiver[Job | None],
    notes: ap.Receiver[Note],
    jobs: ap.Sender[list[Job] | Help | Doomed],
) -> None:
    """The process."""
    desk = Dispatcher(run, follower, jobs)
    note_guard, file_guard = ap.receive_from(notes), ReceiveFrom(files, True)
    selector: ap.Selector[Note | Job | None] = ap.Selector(note_guard, file_guard)
    try:
        while not desk.over:
            desk.hand_out()
            file_guard.when = desk.hungry
            wait = desk.frontier.wait()
            if wait is None:
                index, message = await selector.select()
            else:
                index, message = await ap.select(note_guard, file_guard, ap.after(wait))
            if index == 0:
                assert isinstance(message, Note)
                desk.noted(message)
            elif index == 1:
                assert not isinstance(message, Note)
                desk.listed(message)
            desk.take_what_is_there(notes, files)
    finally:
        desk.frontier.close()
