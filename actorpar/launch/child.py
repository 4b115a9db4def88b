"""One node that a controller starts on its own host: a process, a pipe to it, and how its end is seen.

multiprocessing starts it by the spawn method, so nothing of the controller's memory is in it.

Invariants
- A child ends when its parent does, however that dies: the kernel kills it (Linux), and its end of the pipe is closed.
  The kernel counts the end of the thread that has started it, which therefore is the one of the loop.
- `exited` is done as soon as the process has ended, also while a descendant of it still has the pipe open.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import io
import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from ..channels.errors import ActorparError
from .ending import die_with_parent, ended, how, with_environment
from .serving import ChildConfig, serve_until_lost

if TYPE_CHECKING:
    from .output import Output


class Child:
    """A child process, started on the running loop. `socket` is our end of its pipe, and whoever takes it closes it."""

    def __init__(self, config: ChildConfig, output: Output, environment: Mapping[str, str]) -> None:
        context = multiprocessing.get_context("spawn")
        self.name = config.name
        self.socket, theirs = socket.socketpair()
        streams = [context.Pipe(duplex=False) for _ in (1, 2)]
        passed = [write for _, write in streams]
        # Not a daemon of multiprocessing: those may have no children of their own.
        self._process = context.Process(target=_begin, args=(theirs, *passed, config, os.getpid()), name=config.name)
        try:
            with with_environment(environment):
                self._process.start()
        except BaseException:
            self.socket.close()
            for read, _ in streams:
                read.close()
            raise
        finally:
            theirs.close()
            for end in passed:
                end.close()
        for to, (read, _) in enumerate(streams, 1):
            output.add(os.dup(read.fileno()), config.name, to)
            read.close()
        #: Its exit code, negative for a signal, once it has ended.
        self.exited: asyncio.Future[int] = ended(self._process)

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process.pid is not None
        return self._process.pid

    async def spoke(self) -> bool:
        """Wait until it has said something at its pipe, True, or has ended, False."""
        loop = asyncio.get_running_loop()
        said: asyncio.Future[None] = loop.create_future()

        def readable() -> None:
            loop.remove_reader(self.socket)
            said.set_result(None)

        loop.add_reader(self.socket, readable)
        try:
            await asyncio.wait((said, self.exited), return_when=asyncio.FIRST_COMPLETED)
        finally:
            loop.remove_reader(self.socket)
        return said.done()

    def kill(self) -> None:
        """Kill it, if it has not ended."""
        with contextlib.suppress(ValueError):  # it has
            self._process.kill()

    def how(self) -> str:
        """How it has ended, for people."""
        return how(self.exited.result())


# -- in the child


def _begin(link: socket.socket, out: Connection, err: Connection, config: ChildConfig, parent: int) -> None:
    """The first function that runs in a child."""
    die_with_parent(parent)
    # A Ctrl-C is for the controller, which then ends its children. A handler, for programs that are started from here
    # would inherit that a signal is ignored.
    signal.signal(signal.SIGINT, lambda *_: None)
    _redirect(out, err)
    try:
        serve_until_lost(link, config)
    except ActorparError as error:  # its text is made for people, and the stack is ours
        sys.exit(f"actorpar: {type(error).__name__}: {error}")


def _redirect(out: Connection, err: Connection) -> None:
    """Print to the pipes, line by line, and crashes of the interpreter, too; standard input is empty."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    for number, (end, name) in enumerate(((out, "stdout"), (err, "stderr")), 1):
        os.dup2(end.fileno(), number)
        end.close()
        binary = os.fdopen(number, "wb", closefd=False)
        stream = io.TextIOWrapper(binary, "utf-8", "backslashreplace", line_buffering=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    faulthandler.enable()
