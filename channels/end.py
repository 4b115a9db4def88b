"""What the two ends of a channel share: handles that can be cloned, closed, moved and aborted.

A handle points to the channel behind it (`core`). Closing it, or giving it away, points it to a channel that refuses
everything; so the hot path of an operation needs no test for that. The ends know the flavour of their channel only
through `flavors.base.Flavor`.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from types import TracebackType
from typing import Any, Final, Self

from .errors import ChannelClosed, ChannelError, EndMoved
from .flavors.base import CLOSED, Flavor
from .runqueue import run_queue
from .statistics import Statistics

#: What carries ends to other processes. It is no room below this one, so it is imported by name when it is needed.
DEPARTURE: Final = "actorpar.nodes.departure"


class Refusing(Flavor):
    """The channel behind a handle that is closed or was given away."""

    __slots__ = ()

    def __init__(self, failure: type[ChannelError]) -> None:
        super().__init__(0, name="this end")
        self.failure = failure
        self.limit = CLOSED

    def refusal(self, item: Any = None) -> ChannelError:
        assert self.failure is not None
        return self.failure(item=item)

    def expects_close(self) -> bool:
        return False

    def enter(self) -> bool:
        return run_queue().is_spent()

    def check_loop(self) -> None:
        pass

    def try_send(self, item: Any) -> bool:
        raise self.refusal(item)

    def try_receive(self) -> Any:
        raise self.refusal()

    def try_reserve(self) -> Any:
        raise self.refusal()

    async def flush(self) -> None:
        raise self.refusal()


SHUT = Refusing(ChannelClosed)
MOVED = Refusing(EndMoved)


class End:
    """What both ends of a channel have in common."""

    __slots__ = ("core", "waits")

    def __init__(self, core: Flavor) -> None:
        self.core = core
        self.waits = 0  # operations that wait on this very handle, so that closing an idle one costs O(1)

    @property
    def name(self) -> str:
        """The name of the channel."""
        return self.core.name

    @property
    def closed(self) -> bool:
        """True once this very handle was closed or given away."""
        return isinstance(self.core, Refusing)

    def clone(self) -> Self:
        """Another handle of the same end; the stream is not split (CH-32). Raises ChannelClosed on a closed handle."""
        core = self.core
        if isinstance(core, Refusing):
            raise core.refusal()
        self._count(core)
        return type(self)(core)

    def close(self) -> None:
        """Close this handle; the channel ends with the last one (CH-21, CH-22).

        Synchronous, idempotent, and legal in `finally` and in a cancelled task (CH-24). Operations that wait on this
        handle raise ChannelClosed and give their item back; those on other handles go on (CH-23).
        """
        self._end(None)

    def lose(self, failure: BaseException) -> None:
        """Close this handle because its owner failed: the end of a sender lost like this is abnormal (CH-21)."""
        self._end(failure)

    def abort(self, exc: BaseException, *, after_drain: bool = False) -> None:
        """End the channel for everybody, with a cause (CH-26).

        The buffer is undelivered, every operation that waits or comes later, on any handle, raises ChannelAborted with
        `exc` as its cause. With `after_drain` what is buffered can still be received first (CH-27).
        """
        core = self.core
        if isinstance(core, Refusing):
            raise core.refusal()
        core.check_loop()
        core.abort(exc, after_drain)

    def statistics(self) -> Statistics:
        """A snapshot of the channel's state (CH-60)."""
        return self.core.statistics()

    def move(self) -> Self:
        """Give the end away: a new handle that owns it; this one raises EndMoved from now on."""
        core = self.core
        if isinstance(core, Refusing):
            raise core.refusal()
        self._fail_waiters(core, MOVED)
        return type(self)(core)

    def __reduce__(self) -> Any:
        """As an argument of a `multiprocessing.Process` that starts the end moves there; NotPicklable otherwise."""
        return importlib.import_module(DEPARTURE).reduce_end(self)

    def _count(self, core: Flavor) -> None:
        raise NotImplementedError

    def _end(self, failure: BaseException | None) -> None:
        raise NotImplementedError

    def _fail_waiters(self, core: Flavor, becomes: Flavor) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        core = getattr(self, "core", None)
        if core is None or sys.is_finalizing() or not core.expects_close():
            return
        heir = type(self)(core)
        loop = core.queue.loop
        if loop is None:
            heir.close()
        elif loop.is_closed():
            heir.core = SHUT
        else:
            loop.call_soon_threadsafe(heir.close)  # the collector may run in any thread, in the middle of anything
        message = f"an open {type(self).__name__} of {core.name} was dropped; close it, or use it in a `with` block"
        warnings.warn(message, ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        core = self.core
        state = f"{core.name}, {len(core.buffer)}/{core.capacity}"
        if isinstance(core, Refusing):
            state = "moved" if core is MOVED else "closed"
        return f"<{type(self).__name__} {state}>"
