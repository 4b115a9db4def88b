"""One process of a pool: how it starts, what it runs, and how its end is seen."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
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
from ..nodes.departure import patiently
from ..running import run
from .crew import Worker
from .wire import NO_VALUES, Done, Job
from .worker import keep_working

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
        spawn = multiprocessing.get_context("spawn")
        begun = spawn.RawValue("Q", 0)  # memory that both see: what a process wrote there outlives it
        self.worker = Worker(name, jobs_tx, lambda: begun.value)
        process = spawn.Process(
            target=_begin, args=(jobs_rx, results_tx, begun, _program(), os.getpid()), name=f"actorpar {name}"
        )
        try:
            with with_environment(environment), patiently():
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


def has_no_file() -> bool:
    """True where the program is typed in, or comes by a pipe: no other process can import it."""
    main = sys.modules["__main__"]
    return getattr(main, "__spec__", None) is None and not os.path.isfile(getattr(main, "__file__", ""))


def is_importing() -> bool:
    """True in a worker that imports its program: a pool would start workers that do so, without end."""
    return bool(getattr(multiprocessing.current_process(), "_inheriting", False))


# -- in the process


def _begin(jobs: Receiver[Job], results: Sender[Done], begun: Any, program: str, parent: int) -> None:
    """The first function that runs in a worker."""
    die_with_parent(parent)
    signal.signal(signal.SIGINT, lambda *_: None)  # a Ctrl-C is for the pool, which then ends its workers
    logging.getLogger("actorpar.nodes").setLevel(logging.ERROR)  # a call that keeps the loop is what it is for
    try:
        if program:
            Application(Path(program)).load()
        run(functools.partial(_serve, jobs, results, begun))
    except ActorparError as error:  # its text is made for people, and the stack is ours
        sys.exit(f"actorpar: {type(error).__name__}: {error}")


async def _serve(jobs: Receiver[Job], results: Sender[Done], begun: Any) -> None:
    jobs.prefetch(AHEAD)
    await results.send((0, NO_VALUES, [], [], 0.0))
    with jobs, results:
        await keep_working(jobs, results, None, False, functools.partial(setattr, begun, "value"))
