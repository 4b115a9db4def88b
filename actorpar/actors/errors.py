"""The errors of actors, under `ActorparError` like all others.

The rule numbers (AC-…) are those of docs/semantics.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..channels.errors import ActorparError, ChannelBroken

if TYPE_CHECKING:
    from .reason import Reason


class ActorError(ActorparError):
    """Base class of the errors that concern actors."""


class ActorDead(ActorError, ChannelBroken):
    """The actor has ended, before the message or while it was waiting for it (AC-7, AC-8, AC-16).

    `reason` tells how it ended. A restarted actor has a new reference: look it up by its name. It is a ChannelBroken,
    too, for to a sender that waits for room the mailbox is a channel whose receiver is gone.
    """

    def __init__(self, message: str, reason: Reason | None = None, *, item: Any = None) -> None:
        super().__init__(message, item=item)
        self.reason = reason


class HandlerFailed(ActorError):
    """The handler of the message raised, and its actor has failed with it (AC-18); `__cause__` is what it raised."""


class AskTimeout(ActorError, TimeoutError):
    """No answer came before the deadline (AC-14); `ref.within(seconds)` sets another one."""


class AskToSelf(ActorError):
    """An actor asked itself: it would wait for ever, for it handles one message at a time (AC-17). Call the method."""


class AskCycle(ActorError):
    """In debug mode: actors ask each other in a ring, and each would wait for the next (AC-17)."""


class BrokenPromise(ActorError):
    """The handler deferred its answer and dropped the `Reply` without answering (AC-19)."""


class UnhandledMessage(ActorError, TypeError):
    """The actor has no such message: a message is a public method of its class, named as `Class.method` (AC-9)."""


class BadArguments(ActorError, TypeError):
    """The arguments do not fit the signature of the message; nothing was sent."""


class MailboxFull(ActorError):
    """The mailbox has no room (AC-6): `await ref.send(…)` waits for room, `tell` answers False."""


class StartFailed(ActorError):
    """`__init__`, `on_start` or `on_restart` raised: there is no such actor (AC-23); `__cause__` is what was raised."""


class NameTaken(ActorError):
    """An actor that is alive has this name in this system (AC-50)."""


class StashFull(ActorError):
    """`ctx.stash()` found no room: unstash earlier, or give the class a larger `stash=` (AC-11)."""


class InvalidActor(ActorError, TypeError):
    """Something that is no actor was taken for one, or an actor class is declared in a way that cannot work."""


class Reject(ActorError):
    """Raise it, or a subclass, in a handler to refuse one request: the asker gets it, the actor lives on (AC-18).

    A validation error is a reply; any other exception is a failure of the actor (AC-49).
    """


class DeathPact(ActorError):
    """A watched actor died, and its watcher had asked to die with it (AC-33)."""
