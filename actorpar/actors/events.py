"""What happens in a system, for whoever wants to know: a stream of typed events.

Publishing costs one test while nobody has subscribed. A subscriber that is slow loses the oldest events, never the
system's time; how many it lost is in its channel's statistics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from ..channels.errors import ChannelError
from ..channels.opening import open_channel
from ..channels.receiver import Receiver
from ..channels.sender import Sender
from .reason import Reason
from .ref import ActorRef


@dataclass(frozen=True, slots=True)
class Event:
    """Base class of all events; `name` is the actor's name when it happened."""

    ref: ActorRef[Any]
    name: str


@dataclass(frozen=True, slots=True)
class Started(Event):
    """An actor is ready for messages. `restarts`: 0, or which restart of its child spec it is."""

    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Ended(Event):
    """An actor has ended."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class DeadLetter(Event):
    """A message that nobody will handle (AC-58). `why`: "dead" or "overflow"; `sender` is None where it is unknown."""

    message: str
    why: str
    sender: ActorRef[Any] | None


@dataclass(frozen=True, slots=True)
class Unhandled(Event):
    """Somebody named a message that the actor does not have; who did it was raised UnhandledMessage (AC-9)."""

    message: str
    sender: ActorRef[Any] | None


@dataclass(frozen=True, slots=True)
class Traced(Event):
    """A traced actor was sent a message (AC-62): `args` as text, shortened."""

    message: str
    args: str
    sender: ActorRef[Any] | None
    asked: bool


E = TypeVar("E", bound=Event)


class EventStream:
    """The events of one system."""

    def __init__(self) -> None:
        self._subscribers: list[tuple[tuple[type[Event], ...], Sender[Any]]] = []
        #: True while somebody has subscribed to something; plain, for it is asked at each spawn.
        self.wanted = False

    def subscribe(self, kind: type[E], /, *kinds: type[E], capacity: int = 1024) -> Receiver[E]:
        """Receive the events of these classes, and of their subclasses, from now on. Close the receiver to end it."""
        tx, rx = open_channel[E](capacity, overflow="drop_old", name=f"events {kind.__name__}")
        rx.core.check_loop()
        self._subscribers.append(((kind, *kinds), tx))
        self.wanted = True
        return rx

    def publish(self, event: Event) -> None:
        """Hand an event to those who subscribed to it."""
        for kinds, tx in list(self._subscribers):
            if isinstance(event, kinds):
                try:
                    tx.send_nowait(event)
                except ChannelError:  # the receiver was closed
                    tx.close()
                    self._subscribers = [known for known in self._subscribers if known[1] is not tx]
                    self.wanted = bool(self._subscribers)

    def close(self) -> None:
        """End the streams of all subscribers; what they have not received yet they still can."""
        for _, tx in self._subscribers:
            tx.close()
        self._subscribers.clear()
        self.wanted = False
