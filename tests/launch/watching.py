"""Whether other processes have ended, without looking again and again."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def watching(*pids: int) -> Iterator[Callable[[float], bool]]:
    """A function that waits for so many seconds at most, and tells whether all these processes have ended."""
    watched = [os.pidfd_open(pid) for pid in pids]

    def ended(seconds: float) -> bool:
        return all(select.select([each], [], [], seconds)[0] for each in watched)

    try:
        yield ended
    finally:
        for each in watched:
            os.close(each)
