"""Device work that is awaited on one event loop: who waits, and how the loop learns that the device got there.

`Completions.arm(source, then)` is all there is: `then` is called on the loop once the device is done with everything
that its stream was given before. On the way that is taken by default (`Ring`) the driver calls a C function, which
writes to a descriptor: no thread, no Python in a driver's thread, no polling. Where the C part could not be built,
a thread waits for each (`Threads`).

Invariants
- `then` is called exactly once, with None or with an error, whatever becomes of those who wait.
- A slot that a driver has is not given out again before the driver has called, and its memory stays where it is: a
  loop that ends while a driver still has one leaves ring and descriptor behind on purpose.
- While anything is awaited, the health of each context is looked at every HEALTH seconds: after a fault a driver calls
  nobody any more. A context that is lost fails all that is awaited of it.
"""

from __future__ import annotations

import asyncio
import collections
import ctypes
import functools
import importlib.machinery
import os
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from ..channels import env
from .ending import leave_process
from .errors import DeviceLost
from .loopend import at_end_of_loop

#: What may be awaited at a time on one loop; what comes beyond is armed when there is room again. A power of two.
CAPACITY: Final = 4096
#: Seconds between two looks at the health of a device, while something is awaited of it.
HEALTH: Final = 0.02
#: Seconds between the loss of a device and the end of a process that is for it alone: a last step for those who wait.
LAST_STEPS: Final = 0.05

Then: TypeAlias = Callable[[BaseException | None], object]


class Source(Protocol):
    """A stream or a queue, as far as its completion goes. All but what `waiter` returns is called on the loop."""

    @property
    def context(self) -> Hashable:
        """What is lost together with it."""

    def notify(self, library: ctypes.CDLL, slot: int) -> None:
        """Have the driver call the C function on this slot when all enqueued so far is done. Raises GpuError."""

    def waiter(self) -> Callable[[], None]:
        """Mark this point, and return what blocks a thread until the device has reached it. Raises GpuError."""
        raise NotImplementedError

    def check(self) -> None:
        """Return if its context can still be used; else raise DeviceLost. Never blocks."""


class Completions:
    """All that is awaited of devices on one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        library = _library()
        self._way: Ring | Threads = Threads(self._done) if library is None else Ring(library, loop, self._done)
        self._pending: dict[int, tuple[Source, Then]] = {}
        self._free = list(range(CAPACITY))
        self._deferred: collections.deque[tuple[Source, Then]] = collections.deque()
        self._look: asyncio.TimerHandle | None = None

    @property
    def pending(self) -> int:
        """How many are awaited."""
        return len(self._pending) + len(self._deferred)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The open files that stay until the loop ends."""
        return self._way.descriptors

    def arm(self, source: Source, then: Then) -> None:
        """Call `then` once the device is done with all that the stream was given so far, or has failed.

        What cannot be awaited raises here, and `then` is not called. With CAPACITY awaited it is armed when one of them
        is done, and is told of that later point.
        """
        if self._deferred or not self._free:
            source.check()
            self._deferred.append((source, then))
            return
        self._begin(source, then)

    def _begin(self, source: Source, then: Then) -> None:
        number = self._free.pop()
        self._pending[number] = source, then
        try:
            self._way.begin(source, number)
        except BaseException:
            del self._pending[number]
            self._free.append(number)
            raise
        if self._look is None:
            self._look = self._loop.call_later(HEALTH, self._check)

    def lose(self, context: Hashable, error: DeviceLost) -> None:
        """Fail all that is awaited of a context, and leave the process if it is for that device alone.

        The driver may call late or never: until it does, the slots are not used again.
        """
        lost = [number for number, (source, _) in self._pending.items() if source.context == context]
        thens = [self._pending.pop(number)[1] for number in lost]
        thens += [then for source, then in self._deferred if source.context == context]
        self._deferred = collections.deque(each for each in self._deferred if each[0].context != context)
        for then in thens:
            then(error)
        self._loop.call_later(LAST_STEPS, leave_process, error)

    def _done(self, number: int, error: BaseException | None) -> None:
        entry = self._pending.pop(number, None)
        self._free.append(number)
        if entry is not None:
            entry[1](error)
        if self._deferred:
            source, then = self._deferred.popleft()
            try:
                self._begin(source, then)
            except Exception as refused:
                then(refused)

    def _check(self) -> None:
        self._look = None
        contexts = {source.context: source for source, _ in self._pending.values()}
        for context, source in contexts.items():
            try:
                source.check()
            except DeviceLost as error:
                self.lose(context, error)
        if self._pending:
            self._look = self._loop.call_later(HEALTH, self._check)

    def close(self) -> None:
        """The loop ends: nobody is told any more."""
        if self._look is not None:
            self._look.cancel()
        self._way.close(idle=len(self._free) == CAPACITY)


class Ring:
    """Drivers call C, which writes to a descriptor of the loop."""

    #: Rings whose slots drivers still have, or may have, after the end of their loops.
    _left: Final[list[Ring]] = []

    def __init__(
        self, library: ctypes.CDLL, loop: asyncio.AbstractEventLoop, done: Callable[[int, BaseException | None], None]
    ) -> None:
        self._library = library
        self._loop = loop
        self._done = done
        self._take_fd, self._put_fd = _descriptors()
        self._ring: int = library.actorpar_open(CAPACITY, self._put_fd, self._take_fd)
        if not self._ring:
            raise MemoryError("no memory for the completions of devices")
        self._first: int = library.actorpar_slots(self._ring)
        self._size: int = library.actorpar_slot_size()
        self._codes = (ctypes.c_int64 * CAPACITY)()
        # Called with the GIL held: it takes nanoseconds and waits for nothing.
        take = ctypes.PyDLL(library._name).actorpar_take
        take.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32]
        self._take = functools.partial(take, self._ring, ctypes.addressof(self._codes), CAPACITY)
        loop.add_reader(self._take_fd, self._readable)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What it reads and what drivers write to."""
        return tuple({self._take_fd, self._put_fd})

    def begin(self, source: Source, number: int) -> None:
        """Give a slot to a driver."""
        source.notify(self._library, self._first + number * self._size)

    def _readable(self) -> None:
        codes = self._codes[: self._take()]
        for code in codes:
            error = DeviceLost("the driver has failed the work that was awaited") if code & 1 else None
            self._done((code >> 1) - 1, error)

    def close(self, *, idle: bool) -> None:
        """Close the descriptor, if no driver has a slot; else leave everything where it is."""
        self._loop.remove_reader(self._take_fd)
        if not idle:
            self._left.append(self)
            return
        for descriptor in self.descriptors:
            os.close(descriptor)
        self._library.actorpar_close(self._ring)


class Threads:
    """A thread of the loop's executor blocks for each that is awaited: slower, and at most some dozens at a time."""

    descriptors: tuple[int, ...] = ()

    def __init__(self, done: Callable[[int, BaseException | None], None]) -> None:
        self._done = done
        self._waits: set[asyncio.Task[None]] = set()

    def begin(self, source: Source, number: int) -> None:
        """Have a thread wait."""
        task = asyncio.get_running_loop().create_task(env.run_in_thread(source.waiter()))
        self._waits.add(task)
        task.add_done_callback(functools.partial(self._ended, number))

    def _ended(self, number: int, task: asyncio.Task[None]) -> None:
        self._waits.discard(task)
        cancelled = task.cancelled()  # by the end of the loop: nobody is there to be told
        self._done(number, DeviceLost("the loop has ended") if cancelled else task.exception())

    def close(self, *, idle: bool) -> None:
        """The executor waits for its threads."""


def _descriptors() -> tuple[int, int]:
    """What is read, and what is written to."""
    if hasattr(os, "eventfd"):
        event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        return event, event
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    return read, write


# -- the C part


def library_path() -> Path | None:
    """The file of the C part; None where it was not built."""
    folder = Path(__file__).parent
    names = (folder / f"_completion{suffix}" for suffix in importlib.machinery.EXTENSION_SUFFIXES)
    return next((name for name in names if name.exists()), None)


@functools.cache
def _library() -> ctypes.CDLL | None:
    path = library_path()
    if path is None or os.environ.get("ACTORPAR_COMPLETION") == "threads":
        return None
    library = ctypes.CDLL(str(path))
    library.actorpar_open.restype = library.actorpar_slots.restype = ctypes.c_void_p
    library.actorpar_open.argtypes = [ctypes.c_uint32, ctypes.c_int, ctypes.c_int]
    library.actorpar_slots.argtypes = library.actorpar_close.argtypes = [ctypes.c_void_p]
    library.actorpar_close.restype = None
    for notify in (library.actorpar_notify_queue, library.actorpar_notify_event):
        notify.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    return library


def path() -> str:
    """How the loop learns of devices, for people: by the C part, or by threads and why."""
    if _library() is not None:
        return "C callback"
    why = "as ACTORPAR_COMPLETION says" if library_path() else "the C part was not built, which needs a C compiler"
    return f"threads, one for each wait: {why}"


# -- one for each loop


_COMPLETIONS: Final[dict[asyncio.AbstractEventLoop, Completions]] = {}


def completions(loop: asyncio.AbstractEventLoop | None = None) -> Completions:
    """Those of the running loop, made at the first use; `loop` is that loop, for whoever has it at hand."""
    loop = loop or asyncio.get_running_loop()
    found = _COMPLETIONS.get(loop)
    if found is None:
        found = _COMPLETIONS[loop] = Completions(loop)

        def close() -> None:
            _COMPLETIONS.pop(loop).close()

        at_end_of_loop(close)
    return found


def open_descriptors() -> set[int]:
    """The files that loops keep open for devices until they end; not a leak."""
    return {descriptor for each in _COMPLETIONS.values() for descriptor in each.descriptors}


os.register_at_fork(after_in_child=_COMPLETIONS.clear)  # drivers write to those of the parent
