"""Broadcast: every subscriber gets every item (CH-19)."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from .errors import InvalidCapacity
from .flavors.broadcast import Hub
from .flavors.lossy import Policy
from .opening import Overflow, make_flavor
from .receiver import Receiver
from .sender import Sender

T = TypeVar("T")


class Broadcast(Generic[T]):
    """Where the receivers of a broadcast come from. Close it when nobody is to subscribe any more."""

    __slots__ = ("_hub",)

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def subscribe(self) -> Receiver[T]:
        """A receiver with a buffer of its own that gets every item sent from now on."""
        return Receiver(self._hub.subscribe())

    def close(self) -> None:
        """No more subscribers; once the last one has left too, the senders get ChannelBroken."""
        self._hub.close_hub()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def _open(
    capacity: float,
    /,
    *,
    overflow: Overflow = "wait",
    on_undelivered: Callable[[Any], object] | None = None,
    name: str | None = None,
    timed: bool = False,
) -> tuple[Sender[Any], Broadcast[Any]]:
    model = make_flavor(capacity, overflow)  # checks the arguments as open_channel does
    if not model.capacity:
        raise InvalidCapacity("a broadcast needs a capacity of at least 1: each subscriber has a buffer of its own")
    policy: Policy | None = getattr(model, "policy", None)
    hub = Hub(capacity, policy, on_undelivered=on_undelivered, name=name, timed=timed)
    return Sender(hub), Broadcast(hub)


class open_broadcast(tuple[Sender[T], Broadcast[T]]):
    """Open a broadcast of T: `tx, hub = open_broadcast[T](capacity)`, then `rx = hub.subscribe()` for each receiver.

    Every subscriber has a buffer of `capacity` items. With overflow="wait" a send waits until all have room; with the
    other policies (see `open_channel`) each subscriber loses what it is too slow to take. An item sent while there is
    no subscriber goes nowhere; `on_undelivered` gets it.
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
        ) -> open_broadcast[T]: ...

    else:

        def __new__(cls, capacity, /, **options):
            return _open(capacity, **options)

        def __class_getitem__(cls, item):
            return _open
