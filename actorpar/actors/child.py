"""The child spec: what a supervisor needs to know to start a child, and to start it again.

Invariant: a spec is never changed. One without channel ends may be given to several supervisors; one that owns ends is
one child of one supervisor.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeAlias, TypeVar, TypeVarTuple, overload

from ..channels.end import End
from ..channels.ownership import Parcel
from .actor import Actor
from .lending import Lender, close, ends_in, lend
from .reason import Reason
from .ref import ActorRef
from .refusals import InvalidChild
from .registry import checked_name

if TYPE_CHECKING:
    from ..channels.process import Process
    from ..nodes.remote.ops import Member

A = TypeVar("A", bound=Actor)
R = TypeVar("R")
Ref = TypeVar("Ref", covariant=True)
Ts = TypeVarTuple("Ts")

RestartType: TypeAlias = Literal["permanent", "transient", "temporary"]
ChildKind: TypeAlias = Literal["actor", "process", "supervisor"]
Shutdown: TypeAlias = "float | Literal['kill'] | None"

#: Seconds that a child has to stop before it is killed; a supervisor has as long as it takes (AC-36).
WORKER_SHUTDOWN: Final = 5.0

_RESTARTS: Final = ("permanent", "transient", "temporary")
_BY_KIND: Final[Any] = object()


class ChildSpec(Lender, Generic[Ref]):
    """How one child is started, restarted and stopped. Made by `child`; what the child is known by has the type `Ref`.

    A spec that owns channel ends closes them when its child has ended for good. One that no supervisor ever took is
    closed with `close()`.
    """

    __slots__ = (
        "_ends", "args", "id", "is_actor", "is_supervisor", "keep_mailbox", "name", "on", "restart", "shutdown",
        "significant", "target",
    )  # fmt: skip

    def __init__(
        self, target: Callable[..., Any], args: tuple[Any, ...], id: str | None, name: str | None, restart: RestartType,
        shutdown: Shutdown, significant: bool, keep_mailbox: bool, on: Member | str | None,
    ) -> None:  # fmt: skip
        self.target = target
        self.args = args
        self.id = id
        self.name = name
        self.restart: RestartType = restart
        self.shutdown: Shutdown = shutdown
        self.significant = significant
        self.keep_mailbox = keep_mailbox
        self.on = on
        self.is_actor = is_actor_class(target)
        self.is_supervisor = self.is_actor and target._stop_children is not None  # type: ignore[attr-defined]
        self._ends = tuple(ends_in((target, args)))

    @property
    def ends(self) -> tuple[End, ...]:
        """The channel ends that it owns."""
        return self._ends

    @property
    def label(self) -> str:
        """What the child is called where its spec gives no id: its name, or that of its class or function."""
        target = getattr(self.target, "func", self.target)  # of a functools.partial
        return self.id or self.name or str(getattr(target, "__name__", type(target).__name__))

    @property
    def kind(self) -> ChildKind:
        """What sort of child it describes."""
        return "supervisor" if self.is_supervisor else "actor" if self.is_actor else "process"

    def is_restarted_after(self, reason: Reason) -> bool:
        """True if a child that ended like this, by itself, is started again (AC-37)."""
        return self.restart == "permanent" or (self.restart == "transient" and reason.abnormal)

    def lent(self) -> ChildSpec[Ref]:
        """The same spec with clones of its ends (CH-63)."""
        target, args = lend((self.target, self.args))
        return ChildSpec(
            target, args, self.id, self.name, self.restart, self.shutdown, self.significant, self.keep_mailbox, self.on
        )

    def close(self) -> None:
        """Close the ends that it owns; idempotent. Its supervisor does that for a spec that it has taken."""
        close(self._ends)

    def __repr__(self) -> str:
        return f"<ChildSpec {self.label!r} {self.restart}>"


def is_actor_class(target: object) -> bool:
    """True for an actor class; anything else that is callable is taken for the function of a process."""
    return isinstance(target, type) and issubclass(target, Actor)


@overload
def child(
    target: Callable[[*Ts], Coroutine[Any, Any, R]], /, *args: *Ts, id: str | None = ..., name: str | None = ...,
    restart: RestartType = ..., shutdown: Shutdown = ..., significant: bool = ..., on: Member | str | None = ...,
) -> ChildSpec[Process[R]]: ...  # fmt: skip
@overload
def child(
    target: Callable[[*Ts], A], /, *args: *Ts, id: str | None = ..., name: str | None = ...,
    restart: RestartType = ..., shutdown: Shutdown = ..., significant: bool = ..., keep_mailbox: bool = ...,
    on: Member | str | None = ...,
) -> ChildSpec[ActorRef[A]]: ...  # fmt: skip
def child(
    target: Callable[[*Ts], Any], /, *args: *Ts, id: str | None = None, name: str | None = None,
    restart: RestartType = "permanent", shutdown: Shutdown = _BY_KIND, significant: bool = False,
    keep_mailbox: bool = False, on: Member | str | None = None,
) -> ChildSpec[Any]:  # fmt: skip
    """Describe a child: an actor class, or an `async def` function that runs as a process, and its arguments.

    id            unique in its supervisor; by default its name, or that of the class or function
    name          registered for each incarnation, so that `system.find` leads to the present one (AC-45)
    restart       permanent: always; transient: after an abnormal end only; temporary: never (AC-37)
    shutdown      seconds it has to stop before it is killed; None: as long as it takes; "kill": at once (AC-36).
                  By default 5 s, and None for a supervisor
    significant   its end for good ends the supervisor, as that one's `auto_shutdown` says (AC-43)
    keep_mailbox  an actor's messages that were not handled yet wait for the next incarnation, asks included (AC-45)
    on            the node that runs it, or the name or a label of one, as for `system.spawn`; None: this one. Looked
                  up at each start, so a child whose node is lost starts on another one that fits; a Member is one
                  incarnation of a node and fits no other (AC-57)

    Channel ends among the arguments move to the spec at once, and each incarnation gets clones of them; the spec's own
    are closed when the child has ended for good (CH-63). Keyword arguments: `functools.partial`, for a process.
    Raises InvalidChild.
    """
    actor = is_actor_class(target)
    if not actor and (isinstance(target, type) or not callable(target) or inspect.iscoroutine(target)):
        raise InvalidChild(f"a child is an Actor class or an `async def` function, not {target!r}")
    if shutdown is _BY_KIND:
        shutdown = None if actor and target._stop_children is not None else WORKER_SHUTDOWN  # type: ignore[attr-defined]
    _check(target, id, name, restart, shutdown, on)
    if significant and restart == "permanent":
        raise InvalidChild(f"{target!r}: a permanent child never ends for good, so it cannot be significant (AC-43)")
    if keep_mailbox and not actor:
        raise InvalidChild(f"{target!r} is a process and has no mailbox to keep; its channels outlive it anyway")
    if keep_mailbox and on is not None:
        raise InvalidChild(f"{target!r}: its mailbox is on its node and is lost with it, so it cannot be kept (AC-57)")
    function, moved = Parcel().pack((target, args))
    return ChildSpec(function, moved, id, name, restart, shutdown, significant, keep_mailbox, on)


def _check(target: object, id: object, name: object, restart: object, shutdown: Any, on: object) -> None:
    if id is not None and (not isinstance(id, str) or not id):
        raise InvalidChild(f"{target!r}: the id of a child is a string that is not empty, not {id!r}")
    if name is not None:
        checked_name(name)
    if on is not None and not (isinstance(on, str) and on) and not hasattr(on, "node"):
        raise InvalidChild(f"{target!r}: on is a node of system.nodes, or the name or a label of one, not {on!r}")
    if restart not in _RESTARTS:
        raise InvalidChild(f"{target!r}: restart is one of {', '.join(_RESTARTS)}, not {restart!r}")
    if shutdown is None or shutdown == "kill":
        return
    if isinstance(shutdown, bool) or not isinstance(shutdown, int | float) or not shutdown >= 0:
        raise InvalidChild(f"{target!r}: shutdown is seconds from 0 on, None for ever, or 'kill', not {shutdown!r}")
