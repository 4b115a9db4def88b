"""How channels are opened: `open_channel[T](capacity)`, and the timers."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from .errors import InvalidCapacity
from .flavors.base import Flavor
from .flavors.bounded import Bounded
from .flavors.lossy import Lossy
from .flavors.rendezvous import Rendezvous
from .flavors.timer import After, Never, Tick
from .receiver import Receiver
from .sender import Sender

T = TypeVar("T")

#: What a full channel does with one more item (CH-19).
Overflow = Literal["wait", "reject", "drop_new", "drop_old", "latest"]


def checked_capacity(capacity: object) -> float:
    """The capacity, if it is one: 0, a positive int or math.inf (CH-1)."""
    if capacity == math.inf and isinstance(capacity, float):
        return capacity
    if not isinstance(capacity, int) or isinstance(capacity, bool):
        raise InvalidCapacity(f"capacity must be 0, a positive int or math.inf, not {capacity!r}")
    if capacity < 0:
        raise InvalidCapacity(f"capacity must not be negative: {capacity}; for an unbounded channel write math.inf")
    return capacity


def make_flavor(capacity: object, overflow: Overflow, **options: Any) -> Flavor:
    """The flavour for a capacity and an overflow policy."""
    places = checked_capacity(capacity)
    if overflow == "wait":
        return Bounded(places, **options) if places else Rendezvous(**options)
    if overflow not in ("reject", "drop_new", "drop_old", "latest"):
        raise ValueError(f'overflow is "wait", "reject", "drop_new", "drop_old" or "latest", not {overflow!r}')
    if not 1 <= places < math.inf:
        raise InvalidCapacity(f'a channel with overflow="{overflow}" needs a capacity of at least 1 and below math.inf')
    if overflow == "latest":
        if places != 1:
            raise InvalidCapacity('overflow="latest" keeps one item: open it with capacity 1, or use "drop_old"')
        overflow = "drop_old"
    return Lossy(places, overflow, **options)


def _open(
    capacity: float,
    /,
    *,
    overflow: Overflow = "wait",
    on_undelivered: Callable[[Any], object] | None = None,
    name: str | None = None,
    timed: bool = False,
    redeliver: bool = False,
    declared: Any = Any,
) -> tuple[Sender[Any], Receiver[Any]]:
    options: dict[str, Any] = {"on_undelivered": on_undelivered, "name": name, "timed": timed, "redeliver": redeliver}
    core = make_flavor(capacity, overflow, declared=declared, **options)
    return Sender(core), Receiver(core)


class open_channel(tuple[Sender[T], Receiver[T]]):
    """Open a channel of T: `tx, rx = open_channel[T](capacity)`.

    capacity        0 = rendezvous, n >= 1, or math.inf, spelled out; there is no default
    overflow        what a full channel does with one more item: "wait" (back-pressure), "reject" (ChannelFull),
                    "drop_new", "drop_old", or "latest" (capacity 1)
    on_undelivered  called once with every accepted item that can never be received; it must not raise
    name            for statistics, error messages and wait graphs
    redeliver       between nodes: items that were on their way to a receiver whose node is lost go to the other
                    receivers, for which they may come twice and out of order (NET-11); otherwise, to on_undelivered
    timed           measure how long senders and receivers are blocked, for `statistics().blocked_seconds`

    To a type checker it is the pair it returns; at run time it is a function.
    """

    if TYPE_CHECKING:

        def __new__(
            cls,
            capacity: float,
            /,
            *,
            overflow: Overflow = "wait",
            on_undelivered: Callable[[T], object] | None = None,
            name: str | None = None,
            timed: bool = False,
            redeliver: bool = False,
        ) -> open_channel[T]: ...

    else:

        def __new__(cls, capacity, /, **options):
            return _open(capacity, **options)

        def __class_getitem__(cls, item):
            return functools.partial(_open, declared=item)  # T is what a link encodes, checks and decodes


def after(seconds: float | None) -> Receiver[None]:
    """A deadline `seconds` from now: ready for good once it has passed; None is never (CH-41, CH-51).

    It is a guard for a select, where any other guard that is ready goes first, and a receiver of None.
    """
    if seconds is None:
        return never()
    if not isinstance(seconds, int | float) or seconds != seconds:
        raise ValueError(f"after takes a number of seconds or None, not {seconds!r}")
    return Receiver(After(seconds))


def tick(period: float) -> Receiver[None]:
    """One None each `period` seconds, without drift; ticks that nobody took in time become one (CH-51)."""
    if not isinstance(period, int | float) or not period > 0:
        raise ValueError(f"a tick needs a period above 0 seconds, not {period!r}")
    return Receiver(Tick(period))


def never() -> Receiver[None]:
    """Nothing ever comes: a guard that is never chosen (CH-51)."""
    return Receiver(Never("never"))
