"""The frontier: everything that is still to be done, kept per host. Pure; the process around it is in dispatch.py.

Invariants
- A job is in one place: a host's queue, the spill, or out at work. `outstanding` counts all of them.
- A host is in `_ready` iff its queue is not empty, it has a free place and it does not rest.
- `next()` serves ready hosts in turn, so one host with a long queue delays no other.
- Jobs in memory are bounded: beyond `memory` they go to the spill, in order, and come back in order.
"""

from __future__ import annotations

import collections
import heapq
import tempfile
from collections.abc import Callable
from typing import IO

from .job import Job

#: Most jobs that are handed out at once.
BATCH = 8
#: Jobs per place that are read ahead of need.
STORE = 32


class Spill:
    """A first-in first-out queue of jobs in an unnamed temporary file; empty, it holds no file."""

    def __init__(self) -> None:
        self._file: IO[str] | None = None
        self._read_at = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def push(self, job: Job) -> None:
        """Append a job."""
        if self._file is None:
            self._file = tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n")  # noqa: SIM115 (closed when drained)
            self._read_at = 0
        self._file.seek(0, 2)
        self._file.write(job.pack() + "\n")
        self._count += 1

    def pop(self, most: int) -> list[Job]:
        """Up to `most` jobs from the front."""
        if self._file is None:
            return []
        self._file.seek(self._read_at)
        jobs = [Job.unpack(line) for line in (self._file.readline() for _ in range(min(most, self._count)))]
        self._read_at = self._file.tell()
        self._count -= len(jobs)
        if not self._count:
            self.close()
        return jobs

    def close(self) -> None:
        """Drop the file and what it holds."""
        if self._file is not None:
            self._file.close()
        self._file, self._count = None, 0


class _Host:
    __slots__ = ("active", "failures", "key", "queue", "rest_until")

    def __init__(self, key: str) -> None:
        self.key = key
        self.queue: collections.deque[Job] = collections.deque()
        self.active = 0
        self.failures = 0
        self.rest_until = 0.0


class Frontier:
    """Queues per host with a limit of places each and a limit of places in all."""

    def __init__(self, *, places: int, per_host: int, memory: int, clock: Callable[[], float]) -> None:
        self._places = places
        self._per_host = per_host
        self._memory = memory
        self._clock = clock
        self._hosts: dict[str, _Host] = {}
        self._ready: collections.deque[_Host] = collections.deque()
        self._resting: list[tuple[float, int, _Host]] = []
        self._spill = Spill()
        self._in_memory = 0
        self._tickets = 0
        self.active = 0
        self.outstanding = 0

    def push(self, job: Job, *, again: bool = False) -> None:
        """Add a job; `again` puts one that failed back to the front, where it counts as never left."""
        if not again:
            self.outstanding += 1
            if self._in_memory >= self._memory or len(self._spill):
                self._spill.push(job)
                return
        self._enqueue(job, front=again)

    def next(self) -> list[Job]:
        """Jobs of one host that may start now, one after the other in one place, which they hold until `leave`.

        Several only of a long queue, so that the last of it is shared by all places; none if nothing may start.
        """
        if self._resting:
            self._wake()
        if self._in_memory <= self._memory // 2 and len(self._spill):
            for job in self._spill.pop(self._memory - self._in_memory):
                self._enqueue(job, front=False)
        if self.active >= self._places or not self._ready:
            return []
        host = self._ready.popleft()
        queue = host.queue
        jobs = [queue.popleft() for _ in range(max(1, min(BATCH, len(queue) // (4 * self._per_host))))]
        self._in_memory -= len(jobs)
        host.active += 1
        self.active += 1
        self._offer(host)
        return jobs

    def leave(self, key: str) -> None:
        """A place of this host is free again."""
        host = self._hosts[key]
        host.active -= 1
        self.active -= 1
        if host.active == self._per_host - 1:
            self._offer(host)
        self._forget(host)

    def settle(self, count: int) -> None:
        """So many jobs are over for good."""
        self.outstanding -= count

    def borrow(self, key: str, most: int) -> int:
        """Take up to `most` free places of a host for helpers of a job at work; how many were taken."""
        host = self._host(key)
        # Files that wait come first: a helper gets only what no waiting file of any host could use.
        spare = self._places - self.active - len(self._ready)
        free = max(0, min(most, spare, self._per_host - host.active))
        host.active += free
        self.active += free
        if host.active >= self._per_host and host in self._ready:
            self._ready.remove(host)
        self._forget(host)
        return free

    def rest(self, key: str, seconds: float) -> int:
        """A failure that speaks of the host: nothing of it starts for so long. How often that happened in a row.

        Failures that come while it rests already are those of requests sent before, and count as one.
        """
        host = self._host(key)
        now = self._clock()
        if host.rest_until <= now:
            host.failures += 1
        until = now + seconds
        if until > host.rest_until:
            host.rest_until = until
            self._tickets += 1
            heapq.heappush(self._resting, (until, self._tickets, host))
            if host in self._ready:
                self._ready.remove(host)
        return host.failures

    def recovered(self, key: str) -> None:
        """The host answered."""
        host = self._hosts.get(key)
        if host is not None:
            host.failures = 0

    def wait(self) -> float | None:
        """Seconds until `next` has to be asked again, for a resting host wakes; None when none rests."""
        return max(0.0, self._resting[0][0] - self._clock()) if self._resting else None

    @property
    def hungry(self) -> bool:
        """Whether to read more of the list: little is in store, or a place is free that no waiting job can use."""
        return self._in_memory < STORE * self._places or (self.active < self._places and not self._ready)

    @property
    def spilled(self) -> int:
        """Jobs in the spill."""
        return len(self._spill)

    def close(self) -> None:
        """Drop the spill file."""
        self._spill.close()

    def _host(self, key: str) -> _Host:
        host = self._hosts.get(key)
        if host is None:
            host = self._hosts[key] = _Host(key)
        return host

    def _enqueue(self, job: Job, *, front: bool) -> None:
        host = self._host(job.host)
        if front:
            host.queue.appendleft(job)
        else:
            host.queue.append(job)
        self._in_memory += 1
        if len(host.queue) == 1:
            self._offer(host)

    def _offer(self, host: _Host) -> None:
        """Restore the invariant of `_ready` for a host that is not in it."""
        if host.queue and host.active < self._per_host and (not host.rest_until or host.rest_until <= self._clock()):
            self._ready.append(host)

    def _wake(self) -> None:
        while self._resting and self._resting[0][0] <= self._clock():
            _, _, host = heapq.heappop(self._resting)
            if host not in self._ready:
                self._offer(host)
                self._forget(host)

    def _forget(self, host: _Host) -> None:
        """Keep nothing of a host that has nothing to do and nothing to remember."""
        if host.queue or host.active or (host.rest_until and host.rest_until > self._clock()):
            return
        if self._hosts.get(host.key) is host:
            del self._hosts[host.key]
