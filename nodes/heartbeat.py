"""The thread that speaks for a node whose loop is busy (NET-41).

A handler that computes for long keeps the loop from writing heartbeats; the node lives all the same. This thread looks
twice a second when the loop ran last. Is that long ago, it writes the heartbeats itself, each with the age of that
moment, and keeps the stack that blocks the loop. Only a process that does not run at all, or that holds the
interpreter's lock for seconds, is silent.

Invariants
- One thread for each node, that ends with it. What fails in it is logged, and it goes on.
- A stall is told once, until the loop has run again.
"""

from __future__ import annotations

import collections
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from actorpar.channels import env

from .protocol import frame as frames

logger = logging.getLogger("actorpar.nodes")

#: Seconds between two ticks of the loop.
TICK: Final = 0.5
#: Ticks, the latest, of which `lag` is the worst.
LAGS: Final = 4
#: Seconds between two looks.
LOOK: Final = 0.5
#: Seconds without a tick after which the loop is late.
LATE: Final = 1.0
#: Frames of the stack that are kept, the innermost.
STACK: Final = 8


class Beating(Protocol):
    """A stream, as this thread knows it."""

    def beat(self, frame: bytes) -> None:
        """Write the frame, from this thread."""


class Heartbeat:
    """Watches the loop of the thread that makes it, and writes to the streams of its node while that loop is late.

    streams  what to write to, asked in the thread of the heartbeat
    stalled  called there, once for each stall, with the age of the last tick and the stack of the loop's thread
    """

    def __init__(self, streams: Callable[[], Iterable[Beating]], stalled: Callable[[float, str], None]) -> None:
        self._streams = streams
        self._stalled = stalled
        self._ticked = env.clock()
        self._lags = collections.deque([0.0], LAGS)
        self._loop_thread = env.thread_id()
        self._told = False
        self._stop = env.Event()
        self._thread = threading.Thread(target=self._run, name="actorpar heartbeat", daemon=True)
        self._thread.start()

    def tick(self) -> None:
        """The loop runs; to be called every TICK seconds."""
        now = env.clock()
        self._lags.append(now - self._ticked - TICK)
        self._ticked = now
        self._told = False

    @property
    def lag(self) -> float:
        """Seconds by which the loop was late at the worst of its latest ticks, or is now."""
        return max(0.0, *self._lags, env.clock() - self._ticked - TICK)

    def look(self) -> None:
        """Speak for the loop if it is late."""
        age = env.clock() - self._ticked
        if age < LATE:
            return
        self._speak(age)
        if not self._told:
            self._told = True
            self._stalled(age, self._stack())

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(LOOK):
            try:
                self.look()
            except Exception:
                logger.exception("the heartbeat failed, and goes on")

    def _speak(self, age: float) -> None:
        beat = frames.frame(frames.HEARTBEAT, min(int(age * 1000), 2**32 - 1).to_bytes(4, "little"))
        for stream in list(self._streams()):
            stream.beat(beat)

    def _stack(self) -> str:
        """What the thread of the loop does now."""
        frame = sys._current_frames().get(self._loop_thread)
        return "" if frame is None else "".join(traceback.format_stack(frame)[-STACK:])
