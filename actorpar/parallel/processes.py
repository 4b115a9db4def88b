"""One process of a pool: how it starts, what it runs, and how its end is seen."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ..channels.errors import ActorparError, ChannelError
from ..channels.opening import open_channel
from ..channels.receiver import Receiver
from ..channels.sender import Sender
from ..launch.application import MODULE, Application
from ..launch.ending import die_with_parent, ended, how, with_environment
from ..running import run
from .crew import Worker
from .wire import NO_VALUES, Done, Job
from .worker import work

#: Results that may be on their way; a worker waits when the pool does not take them.
RESULTS: Final = 64
#: Jobs that come ahead: the pool decides how many a worker has in hand.
AHEAD: Final = 64
#: Seconds that a process has to end, once its jobs have ended; then it is killed.
GRACE: Final = 5.0
#: Seconds for which the end of a process is waited for, after that of its channels.
LAST_WORDS: Final = 1.0


class WorkerProcess:
    """A worker in a process of its own. `results` ends when the process has: behind all that it had sent."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        jobs_tx, jobs_rx = open_channel[Job](float("inf"), name=f"jobs of {name}")
        results_tx, self.results = open_channel[Done](RESULTS, name=f"results of {name}")
        self.worker = Worker(name, jobs_tx)
        process = multiprocessing.get_context("spawn").Process(
            target=_begin, args=(jobs_rx, results_tx, _program(), os.getpid()), name=f"actorpar {name}"
        )
        try:
            with with_environment(environment):
                process.start()
        except BaseException:
            for end in (jobs_tx, jobs_rx, results_tx, self.results):
                end.close()
            raise
        self._process = process
        self.pid = process.pid or 0
        self.exited: asyncio.Future[int] = ended(process)

    async def ready(self) -> bool:
        """Wait until it has said that it is there. False: it has ended before."""
        try:
            await self.results.receive()
        except ChannelError:
            return False
        return True

    async def how(self) -> str:
        """How it has ended, for people; its channels end first."""
        await asyncio.wait((self.exited,), timeout=LAST_WORDS)
        return how(self.exited.result()) if self.exited.done() else "has closed its pipe"

    def leave(self, *, kill: bool) -> None:
        """No more jobs: it ends when it has done those it has, or at once."""
        self.worker.jobs.close()
        if kill:
            self._kill()

    def _kill(self) -> None:
        with contextlib.suppress(ValueError, ProcessLookupError):  # it has ended
            os.kill(self.pid, signal.SIGKILL) if not self.exited.done() else None

    async def end(self) -> None:
        """Have it end, and wait until it has."""
        self.worker.jobs.close()
        self.results.close()
        await asyncio.wait((self.exited,), timeout=GRACE)
        self._kill()
        await asyncio.wait((self.exited,))


def _program() -> str:
    """The file that a launcher has imported as `app`; empty if none has."""
    found: Any = sys.modules.get(MODULE)
    main = sys.modules.get("__main__")
    return "" if found is None or main is found else str(getattr(found, "__file__", "") or "")


# -- in the process


def _begin(jobs: Receiver[Job], results: Sender[Done], program: str, parent: int) -> None:
    """The first function that runs in a worker."""
    die_with_parent(parent)
    signal.signal(signal.SIGINT, lambda *_: None)  # a Ctrl-C is for the pool, which then ends its workers
    try:
        if program:
            Application(Path(program)).load()
        run(functools.partial(_serve, jobs, results))
    except ActorparError as error:  # its text is made for people, and the stack is ours
        sys.exit(f"actorpar: {type(error).__name__}: {error}")


async def _serve(jobs: Receiver[Job], results: Sender[Done]) -> None:
    jobs.prefetch(AHEAD)
    await results.send((0, NO_VALUES, [], [], 0.0))
    await work(jobs, results, 1, False)
