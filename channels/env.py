"""The seam: everything that is not deterministic goes through here.

Time, randomness, ids, threads and the choice of the next process are looked up in this module at every use, so
that a test or a simulator replaces one name and the whole library follows. No other module imports `time`,
`random`, `uuid`, `threading` or `socket`, or calls `asyncio.sleep` (transports aside); tests/test_house.py
enforces it.
"""

from __future__ import annotations

import asyncio
import collections
import contextvars
import random as _random
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

_T = TypeVar("_T")

#: Completed channel operations in a row after which a process yields once (CH-17).
BUDGET = 128
#: The same after a step that took long: then code of the user runs between the operations, and the loop must be served.
SLOW_BUDGET = 16
#: Steps of the run queue after which it returns to the event loop (CH-17).
TURN_STEPS = 512
#: Seconds after which a turn of the run queue returns to the event loop, so that timers and sockets are served.
TURN_SECONDS = 0.0005

#: Seconds for which everything must have waited before a loop in debug mode reports a deadlock (CH-61).
DEADLOCK_SECONDS = 1.0

#: Monotonic seconds, for durations and deadlines that no event loop keeps.
clock: Callable[[], float] = time.perf_counter
#: Seconds since the epoch, for people and for HTTP dates; never for timers.
wall_clock: Callable[[], float] = time.time
#: Seconds of processor time that this process has used.
cpu_clock: Callable[[], float] = time.process_time
#: The one source of randomness; seed it to replay a run.
random = _random.Random()
#: Identity of the calling thread; the ends bind it when they are imported, for it is on their hot path.
thread_id: Callable[[], int] = threading.get_ident
#: The coroutine function behind every pause of the library.
sleep = asyncio.sleep
#: A test puts a function here that encodes and decodes an item: every item of the channels opened from then on passes
#: through it, as if it crossed a link, so that hidden sharing of mutable items shows (CH-14). None: by reference.
codec: Callable[[Any], Any] | None = None
#: The queue that holds the processes that are ready to run, first in first out. A simulator puts a class here whose
#: `popleft` asks its own policy; production pays nothing for it.
ReadyQueue: Callable[[], collections.deque[Any]] = collections.deque
#: True makes every process an ordinary asyncio task: the fallback, and a second opinion for tests.
plain_tasks = False

Lock = threading.Lock
Event = threading.Event


def new_id() -> str:
    """An unguessable id of 128 bits, as 32 hexadecimal digits."""
    return uuid.uuid4().hex


async def run_in_thread(function: Callable[..., _T], /, *args: Any) -> _T:
    """Run a blocking function in the loop's default executor (bounded by the interpreter) and await its result.

    It sees the context variables of the caller. Cancelling the await does not stop the function: it runs to its end,
    and its result is dropped.
    """
    run = contextvars.copy_context().run
    return await asyncio.get_running_loop().run_in_executor(None, run, function, *args)
