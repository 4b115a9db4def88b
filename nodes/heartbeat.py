"""The thread that speaks for a node whose loop is busy (NET-41).

A handler that computes for long keeps the loop from writing heartbeats; the node lives all the same. This thread looks
twice a second when the loop ran last. Is that long ago, it writes the heartbeats itself, each with the age of that
moment, and keeps the stack that blocks the loop, which is logged once. Only a process that does not run at all, or
that holds the interpreter's lock for seconds, is silent.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from actorpar.channels import env

from .protocol import frame as frames

if TYPE_CHECKING:
    from .stream import Stream

logger = logging.getLogger("actorpar.nodes")

#: Seconds between two looks.
LOOK: Final = 0.5
#: Seconds without a tick after which the loop is late.
LATE: Final = 1.0


class Heartbeat:
    """Watches one loop, and writes to the streams of its node while it is late. `tick` is called by the loop."""

    def __init__(self, streams: Callable[[], Iterable[Stream]], stalled: Callable[[float, str], None]) -> None:
        self._streams = streams
        self._stalled = stalled
        self._ticked = env.clock()
        self._loop_thread = env.thread_id()
        self._told = False
        self._stop = env.Event()
        self._thread = threading.Thread(target=self._run, name="actorpar heartbeat", daemon=True)
        self._thread.start()

    def tick(self) -> None:
        """The loop runs."""
        self._ticked = env.clock()
        self._told = False

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(LOOK):
            age = env.clock() - self._ticked
            if age >= LATE:
                self._speak(age)

    def _speak(self, age: float) -> None:
        beat = frames.frame(frames.HEARTBEAT, int(age * 1000).to_bytes(4, "little"))
        for stream in list(self._streams()):
            stream.beat(beat)
        if not self._told:
            self._told = True
            self._stalled(age, self._stack())

    def _stack(self) -> str:
        """What the thread of the loop does now."""
        frame = sys._current_frames().get(self._loop_thread)
        return "" if frame is None else "".join(traceback.format_stack(frame)[-8:])
