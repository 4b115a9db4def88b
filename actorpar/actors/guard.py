"""`send_to` for everything that can be sent to: a channel, or the mailbox of an actor (AC-6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast, overload

from ..channels.guard import Guard, SendTo
from ..channels.sender import Sender

if TYPE_CHECKING:
    from .actor import Actor
    from .ref import ActorRef

T = TypeVar("T")
A = TypeVar("A", bound="Actor")
P = ParamSpec("P")


@overload
def send_to(tx: Sender[T], item: T, /, *, when: bool = True) -> Guard[None]: ...
@overload
def send_to(
    ref: ActorRef[A], method: Callable[Concatenate[A, P], object], /, *args: P.args, **kwargs: P.kwargs
) -> Guard[None]: ...
def send_to(target: Any, item: Any, /, *args: Any, **kwargs: Any) -> Guard[None]:
    """A guard that sends an item to a channel, or a message to an actor once its mailbox has room.

    `send_to(tx, item, when=…)` or `send_to(ref, Stats.add, 1)`. What is sent stays the caller's unless this guard is
    chosen (CH-45); `when=False` masks the guard without renumbering the others (CH-43). To an actor that has ended the
    guard is ready and raises ActorDead. Raises UnhandledMessage or BadArguments at once; of an actor on another node,
    what an argument holds is looked at when the guard is chosen.
    """
    if isinstance(target, Sender):
        return SendTo(target, item, _when(**kwargs))
    from .timed import addressee_of

    addressee = addressee_of(target)
    return cast("Guard[None]", SendTo(addressee.door(), addressee.letter(item, args, kwargs), True))


def _when(*, when: bool = True) -> bool:
    return when
