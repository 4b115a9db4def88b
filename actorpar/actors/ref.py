"""The reference to an actor: all that anybody outside has of it, typed from the methods of its class.

`ActorRef` is the face. What stands behind it differs: `Cell` is an actor in this process, `Timed` another reference
with a deadline of its own, `AwayRef` an actor on another node.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeVar, TypeVarTuple, overload

from .actor import Actor
from .reply import Reply

if TYPE_CHECKING:
    from ..channels.sender import Sender
    from .cell import Cell
    from .entry import Call
    from .reason import Reason
    from .request import Request
    from .threadref import ThreadRef

P = ParamSpec("P")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")
A_co = TypeVar("A_co", bound=Actor, covariant=True)

#: Seconds after which an ask gives up, unless `within` says otherwise (AC-14).
DEADLINE = 5.0


class ActorRef(Generic[A_co]):
    """A reference to one incarnation of an actor of class A; it can be sent anywhere, compared and used as a key.

    It keeps nothing alive and nothing dead: an actor lives until it stops. After a restart there is a new reference,
    and this one leads to dead letters (AC-45): names, groups and supervisors know the new one.
    """

    __slots__ = ()

    if not TYPE_CHECKING:  # which knows that there is no such attribute

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(
                f"a reference has no {name!r}: what an actor has is its own, and a message is named from the class, "
                f"`await ref.ask(Class.{name}, …)`"
            )

    def __copy__(self) -> Self:
        return self  # the actor is the same one

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> Any:
        """As an argument of a `multiprocessing.Process` that starts it goes there; NotPicklable otherwise."""
        from ..remote.argument import reduce_reference

        return reduce_reference(self)

    @property
    def name(self) -> str:
        """The name it was registered under, or its class and a number."""
        raise NotImplementedError

    def is_alive(self) -> bool:
        """False once the actor has ended."""
        raise NotImplementedError

    @overload
    async def ask(
        self,
        method: Callable[Concatenate[A_co, P], Coroutine[Any, Any, Reply[R]]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R: ...
    @overload
    async def ask(
        self, method: Callable[Concatenate[A_co, P], Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...
    @overload
    async def ask(
        self, method: Callable[Concatenate[A_co, P], Reply[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...
    @overload
    async def ask(self, method: Callable[Concatenate[A_co, P], R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    async def ask(self, method: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Send a message and wait for what its handler returns: `await ref.ask(Stats.add, 1)`.

        Gives up after 5 s with AskTimeout (`within` sets another deadline). Raises ActorDead when the actor has ended
        or ends meanwhile, HandlerFailed when the handler raised, a `Reject` as the handler raised it, MailboxFull,
        and at once, with nothing sent: UnhandledMessage, BadArguments, AskToSelf.
        Cancelled: the handler is not called if it has not begun; its answer is dropped if it has.
        """
        raise NotImplementedError

    def tell(self, method: Callable[Concatenate[A_co, P], object], /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Send a message and do not wait. False: it became a dead letter, the mailbox was full or the actor gone.

        Raises UnhandledMessage or BadArguments, with nothing sent. Messages of one sender are handled in the order in
        which they were sent (AC-2).
        """
        raise NotImplementedError

    async def send(self, method: Callable[Concatenate[A_co, P], object], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Send a message; wait while the mailbox is full. Raises ActorDead. Cancelled: it was not sent (CH-53)."""
        raise NotImplementedError

    def teller(self, method: Callable[[A_co, *Ts], object], /) -> Callable[[*Ts], bool]:
        """`tell` with the message chosen once: a function of its plain arguments, a fifth cheaper than `tell`."""
        raise NotImplementedError

    def within(self, seconds: float | None) -> ActorRef[A_co]:
        """The same actor, asked with another deadline: seconds, or None to wait as long as it takes (AC-14)."""
        raise NotImplementedError

    def threadsafe(self) -> ThreadRef[A_co]:
        """A handle for other threads; make it on the event loop of the actor."""
        raise NotImplementedError


class AwayRef(ActorRef[A_co]):
    """An actor on another node, as links, monitors, guards, forwarding and routers see it; what it does is
    remote/ref.py's.

    id     16 bytes that no other actor has
    asked  how many asks from here it has not answered yet
    """

    __slots__ = ()

    id: bytes
    asked: int

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        """Call back once, with something that `reason_of` understands, when it has ended; soon, if it has."""
        raise NotImplementedError

    def remove_done_callback(self, callback: Callable[[Any], object]) -> None:
        """Do not."""
        raise NotImplementedError

    def bind(self, cell: Cell) -> None:
        """An actor here has linked itself to it (AC-27)."""
        raise NotImplementedError

    def unbind(self, cell: Cell) -> None:
        """That link is undone (AC-30)."""
        raise NotImplementedError

    async def stop(self, reason: Reason, seconds: float | None) -> Reason:
        """Stop it and wait for its end; it is killed after so many seconds."""
        raise NotImplementedError

    def kill(self) -> None:
        """Kill it."""
        raise NotImplementedError

    async def ended(self) -> Reason:
        """Wait for its end; `noconnection` if nobody can know any more."""
        raise NotImplementedError

    def letter(self, method: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """A message that goes later: through `door`, or to `relay`. UnhandledMessage, BadArguments."""
        raise NotImplementedError

    def door(self) -> Sender[Any]:
        """The sending side of a channel to it, which takes letters (AC-6)."""
        raise NotImplementedError

    def relay(self, request: Request, seconds: float | None, letter: Call) -> None:
        """Have it answer a request within so many seconds (AC-20). BadArguments: the letter does not fit."""
        raise NotImplementedError

    def withdrawn(self, request: Request) -> None:
        """Whoever made the request that is relayed to it does not wait any more."""
        raise NotImplementedError
