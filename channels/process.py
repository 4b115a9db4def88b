"""A process: a coroutine that the run queue drives, with the whole surface of an asyncio task.

While it takes a step it is `asyncio.current_task()`, so `asyncio.timeout`, `TaskGroup`, `gather`, `wait_for`,
aiohttp and anyio work inside it. Cancellation follows asyncio.Task: an edge, delivered at the await where the process
stands or at its next one, counted by `cancelling()`.

Invariants
- A process is in the ready queue, or parked on a channel, or waiting for one future; or it is done.
- `step` is what the run queue calls next: `send` of the coroutine, or the thrower of a requested cancellation.
- The ends it owns are released before its result is set, so that whoever learns that it is done finds them closed.
- A process with a `host` runs one coroutine after another: the host is told how each ended, and the process is done
  only when the host retires it. So all handlers of an actor have one task object.
"""

from __future__ import annotations

import contextvars
import itertools
import types
from asyncio import CancelledError, Future
from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from .errors import ChannelAborted
from .waiters import CANCELLED, PARKED, Waiter

if TYPE_CHECKING:
    from .end import End
    from .runqueue import RunQueue

_R = TypeVar("_R")

#: What a coroutine yields to the run queue when its process is queued at a channel: run it again once it is woken.
PARK = object()

_names = itertools.count(1)
_set_result = Future.set_result
_set_exception = Future.set_exception
_set_cancelled = Future.cancel


@types.coroutine
def park() -> Generator[Any, None, None]:
    """Suspend the current process until its waiter was chosen or it is cancelled."""
    yield PARK


@types.coroutine
def pause() -> Generator[Any, None, None]:
    """Let everybody else who is ready run first. Raises CancelledError if the caller is cancelled meanwhile."""
    yield None


class AwaiterCount:
    """What a process adds to a future: it knows whether somebody awaits it, and so takes charge of its failure."""

    __slots__ = ()

    _awaiters: int

    @property
    def awaited(self) -> bool:
        """True while somebody waits for it, or waited when it was done."""
        return self._awaiters > 0

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: contextvars.Context | None = None) -> None:
        """Call `fn` with this from the loop once it is done; whoever asks takes charge of its failure."""
        self._awaiters += 1  # type: ignore[misc]  # a slot of the subclass
        super().add_done_callback(fn, context=context)  # type: ignore[misc]

    def remove_done_callback(self, fn: Callable[[Any], object], /) -> int:
        """Forget the callbacks `fn`, and return how many there were."""
        removed: int = super().remove_done_callback(fn)  # type: ignore[misc]
        self._awaiters -= removed  # type: ignore[misc]
        return removed

    def watch(self, fn: Callable[[Any], object]) -> None:
        """`add_done_callback` for an owner, who does not count as somebody who awaits it."""
        super().add_done_callback(fn)  # type: ignore[misc]


class Host(Protocol):
    """Who runs one coroutine after another on one process."""

    def returned(self, process: Any, value: Any) -> None:
        """The coroutine in hand returned `value`."""

    def raised(self, process: Any, failure: BaseException) -> None:
        """The coroutine in hand raised `failure`."""


class Process(AwaiterCount, Future[_R]):
    """A running CSP process; await it for its result. Made by `ProcessGroup.spawn` and `ActorSystem.spawn`.

    Awaiting it raises what the process raised, or CancelledError if it was cancelled. It is a future and offers all
    that `asyncio.Task` offers; cancelling an await of it cancels it, as with a task (shield it if that is not meant).
    """

    __slots__ = (
        "_awaiters", "_cancel_message", "_cancel_requests", "_cancel_sent", "_context", "_coroutine", "_fut_waiter",
        "_must_cancel", "_name", "ends", "host", "propagate", "queue", "run", "step", "waiter",
    )  # fmt: skip

    # asyncio, anyio and the debugger of the standard library read _fut_waiter and _must_cancel under these names.

    def __init__(
        self,
        queue: RunQueue,
        coroutine: Coroutine[Any, Any, _R] | None,
        name: str | None = None,
        context: contextvars.Context | None = None,
        host: Host | None = None,
    ) -> None:
        super().__init__(loop=queue.loop)
        self.queue = queue
        self._coroutine: Coroutine[Any, Any, _R] = coroutine  # type: ignore[assignment]  # None: between two of a host
        self._context = contextvars.copy_context() if context is None else context
        self.run = self._context.run
        self.step: Callable[[None], Any] = _finished if coroutine is None else coroutine.send
        self.waiter = Waiter(self)
        self.ends: tuple[End, ...] = ()
        self.host = host
        self.propagate = False
        self._awaiters = 0
        self._name = name or f"process-{next(_names)}"
        self._fut_waiter: Future[Any] | None = None
        self._must_cancel = False  # due at the next await
        self._cancel_sent = False  # on its way to a process that waited on a channel: `uncancel` cannot take it back
        self._cancel_requests = 0
        self._cancel_message: Any = None

    # -- the surface of asyncio.Task

    def get_coro(self) -> Coroutine[Any, Any, _R]:
        """The coroutine that the process runs."""
        return self._coroutine

    def get_context(self) -> contextvars.Context:
        """The context in which the process runs."""
        return self._context

    def get_name(self) -> str:
        """The name given at spawn, or process-N."""
        return self._name

    def set_name(self, value: object) -> None:
        """Give the process another name, for logs and wait graphs."""
        self._name = str(value)

    def cancelling(self) -> int:
        """How many times `cancel()` was called, less the calls of `uncancel()`."""
        return self._cancel_requests

    def uncancel(self) -> int:
        """Take one request back, as `asyncio.timeout` does, and return how many are left."""
        if self._cancel_requests:
            self._cancel_requests -= 1
            if not self._cancel_requests and self._must_cancel:
                self._must_cancel = False
                self.step = self._coroutine.send
        return self._cancel_requests

    def cancel(self, msg: Any = None) -> bool:
        """Raise CancelledError in the process at the await where it stands, or at its next one. False if it is done."""
        if self.done():
            return False
        self._cancel_requests += 1
        if self._fut_waiter is not None and self._fut_waiter.cancel(msg=msg):
            return True
        if self._cancel_sent:
            return True
        self._cancel_message = msg
        self.step = self._throw_cancelled
        if self.waiter.state == PARKED:
            self.send_cancel()
            self.queue.push(self)
        else:
            self._must_cancel = True
        return True

    def detach(self) -> None:
        """Take it off its queue and off what it waits for, for good. Whoever does that closes its coroutine."""
        if self._fut_waiter is not None:
            self._fut_waiter.remove_done_callback(self._future_done)
        if self in self.queue.ready:
            self.queue.ready.remove(self)

    def get_stack(self, *, limit: int | None = None) -> list[types.FrameType]:
        """The frames of the coroutine, outermost first; empty when the process is done."""
        frames: list[types.FrameType] = []
        inner: Any = None if self.done() else self._coroutine
        while inner is not None and getattr(inner, "cr_frame", None) is not None:
            frames.append(inner.cr_frame)
            inner = inner.cr_await
        return frames if limit is None else frames[-limit:]

    def print_stack(self, *, limit: int | None = None, file: Any = None) -> None:
        """Print the frames of the coroutine, as `asyncio.Task.print_stack` does."""
        for frame in self.get_stack(limit=limit):
            code = frame.f_code
            print(f'  File "{code.co_filename}", line {frame.f_lineno}, in {code.co_name}', file=file)

    def set_result(self, result: Any, /) -> None:
        """Refused: only the coroutine gives the result."""
        raise RuntimeError("a process does not support set_result: its coroutine returns the result")

    def set_exception(self, exception: Any, /) -> None:
        """Refused: only the coroutine gives the exception."""
        raise RuntimeError("a process does not support set_exception: its coroutine raises it")

    def __repr__(self) -> str:
        state = "cancelled" if self.cancelled() else "finished" if self.done() else "pending"
        return f"<Process {self._name!r} {state} coro={self._coroutine!r}>"

    # -- for the run queue and the group that owns the process

    def block_on(self, future: Any) -> None:
        """The coroutine yielded a future: run again when it is done."""
        if not getattr(future, "_asyncio_future_blocking", False):
            self._fail_next(
                RuntimeError(f"a process awaits channels and asyncio futures, not a {type(future).__name__}")
            )
            return
        future._asyncio_future_blocking = False
        if future is self:
            self._fail_next(RuntimeError(f"{self!r} awaits itself"))
            return
        if future.get_loop() is not self.queue.loop:
            self._fail_next(RuntimeError(f"{self!r} awaits a {type(future).__name__} of another event loop"))
            return
        self._fut_waiter = future
        future.add_done_callback(self._future_done, context=self.queue._context)
        if self._must_cancel and future.cancel(msg=self._cancel_message):
            self._must_cancel = False
            self.step = self._coroutine.send

    def suspended(self, signal: Any) -> None:
        """The coroutine, whose first step the host made, yielded `signal`: wait for what it asks for."""
        if not self._cancel_requests:
            self.step = self._coroutine.send
        if signal is PARK:
            if self._must_cancel and self.waiter.state == PARKED:
                self.send_cancel()
                self.queue.push(self)
        elif signal is None:
            self.queue.push(self)
        else:
            self.block_on(signal)

    def rest(self) -> None:
        """The coroutine in hand has ended, and with it every request to cancel it."""
        self._coroutine = None  # type: ignore[assignment]
        if self._cancel_requests:
            self._must_cancel = self._cancel_sent = False
            self._cancel_requests = 0
        self.step = _finished

    def retire(self) -> None:
        """The host has no more coroutines: the process is done."""
        self.host = None
        if not self.done():
            self.succeed(None)

    def send_cancel(self) -> None:
        """The process stands in the queue of a channel: nobody may choose it any more, for it will be cancelled."""
        self.waiter.state = CANCELLED
        self._must_cancel = False
        self._cancel_sent = True

    def succeed(self, result: Any) -> None:
        """The coroutine returned."""
        if self.host is not None:
            self.host.returned(self, result)
            return
        if self._must_cancel:
            self.fall(self._cancelled_error())
            return
        try:
            self._release(None)
        finally:
            _set_result(self, result)

    def fall(self, failure: BaseException) -> None:
        """The coroutine raised."""
        if self.host is not None:
            self.host.raised(self, failure)
            return
        try:
            self._release(failure)
        finally:
            if isinstance(failure, CancelledError):
                _set_cancelled(self, msg=failure.args[0] if failure.args else None)
            else:
                _set_exception(self, failure)

    def _release(self, failure: BaseException | None) -> None:
        self.step = _finished
        del self.waiter.process  # or each process would be garbage for the cycle collector only
        ends, self.ends = self.ends, ()
        if ends:
            release_ends(ends, self.propagate, failure)

    def _future_done(self, future: Any) -> None:
        self._fut_waiter = None
        if self._must_cancel and future.cancelled():  # asked for twice: the future itself delivers the first one
            self._must_cancel = False
            self.step = self._coroutine.send
        self.queue.resume(self)

    def _throw_cancelled(self, _: None) -> Any:
        self._must_cancel = self._cancel_sent = False
        self.step = self._coroutine.send
        return self._coroutine.throw(self._cancelled_error())

    def _cancelled_error(self) -> CancelledError:
        return CancelledError() if self._cancel_message is None else CancelledError(self._cancel_message)

    def _fail_next(self, error: BaseException) -> None:
        def throw(_: None) -> Any:
            self.step = self._coroutine.send
            return self._coroutine.throw(error)

        if not self._must_cancel:  # a cancellation that is due goes before the error, as in asyncio
            self.step = throw
        self.queue.push(self)


def _finished(_: None) -> Any:
    raise AssertionError("a process that is done was made ready to run")


def release_ends(ends: tuple[End, ...], propagate: bool, failure: BaseException | None) -> None:
    """The owner of these ends is done: close them, or let them end abnormally if it failed (CH-21, CH-28, CH-63)."""
    for end in ends:
        if end.closed:
            continue
        if failure is None:
            end.close()
        elif propagate and isinstance(failure, ChannelAborted):
            end.abort(failure.__cause__ or failure)
            end.close()
        else:
            end.lose(failure)
