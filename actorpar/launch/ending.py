"""Processes that end with this one, and how the end of one is seen, for whoever starts them by `multiprocessing`."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

_PR_SET_PDEATHSIG: Final = 1


def ended(process: Any) -> asyncio.Future[int]:
    """The exit code of a process that has started, negative for a signal; done as soon as it has ended.

    That is also while a descendant of it still has its pipes open. The process object is closed then.
    """
    loop = asyncio.get_running_loop()
    exited: asyncio.Future[int] = loop.create_future()
    try:
        watched = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # no Linux, or an old one; a descendant may keep this one open
        watched = os.dup(process.sentinel)

    def has_ended() -> None:
        loop.remove_reader(watched)
        os.close(watched)
        process.join()
        code = process.exitcode
        process.close()
        if not exited.done():
            exited.set_result(-signal.SIGKILL if code is None else code)

    loop.add_reader(watched, has_ended)
    return exited


def how(code: int) -> str:
    """How a process has ended, for people."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


@contextlib.contextmanager
def with_environment(environment: Mapping[str, str]) -> Iterator[None]:
    """Have a process that is started inside see these variables."""
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies; where it cannot, the end of the pipe will do."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before
        os._exit(1)
