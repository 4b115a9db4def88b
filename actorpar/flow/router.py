"""One address for many actors of a class: each message goes to one of them.

- By turns, or to the one with the least to do; or by a key, always to the same one as long as it is there.
- The members are a list, or a group: then they are those that are in it at the moment of each message.

Invariant: a router keeps no member alive and no state about it: what it knows is what members and group say now.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, TypeAlias, TypeVar, get_args, overload

from ..actors.actor import Actor
from ..actors.cell import Cell
from ..actors.errors import ActorError, InvalidActor
from ..actors.ref import ActorRef
from ..actors.registry import checked_name
from ..actors.reply import Reply
from ..actors.states import BUSY
from ..actors.timed import addressee_of

if TYPE_CHECKING:
    from ..system import ActorSystem

A = TypeVar("A", bound=Actor)
A_co = TypeVar("A_co", bound=Actor, covariant=True)
P = ParamSpec("P")
R = TypeVar("R")

#: Who gets the next message: each in its turn, or the one with the fewest messages, those with equally many by turns.
Choice: TypeAlias = Literal["round_robin", "least_loaded"]
Key: TypeAlias = str | bytes | int


class NoMembers(ActorError):
    """A router has no member that is alive."""


class Router(Generic[A_co]):
    """Sends each message to one of several actors: `Router([a, b, c])`, or `Router.of_group(system, "rooms", Room)`.

    choice  "round_robin": by turns; "least_loaded": to the one with the fewest messages waiting and in hand, where
            several have equally few by turns; of a member on another node only what is asked from here, and not
            answered yet, is known

    Members that have ended are passed over. `by_key` chooses by a key instead. A list keeps the references that it was
    given, which a restart makes useless (AC-45); a group follows joins, leaves and ends by itself, those on other nodes
    included.
    Raises InvalidActor for members that are no references.
    """

    def __init__(self, members: Iterable[ActorRef[A_co]], *, choice: Choice = "round_robin") -> None:
        fixed = tuple(members)
        for ref in fixed:
            addressee_of(ref)
        self._name = f"a router of {len(fixed)} actors"
        self._members: Callable[[], tuple[ActorRef[Any], ...]] = lambda: fixed
        self._choice = _checked(choice)
        self._turn = 0

    @classmethod
    def of_group(
        cls, system: ActorSystem, group: str, kind: type[A], /, *, choice: Choice = "round_robin"
    ) -> Router[A]:
        """A router to the members of a group, all of them actors of class `kind`; an actor that joined twice has two
        turns."""
        router = Router[A]((), choice=choice)
        router._name = f"the router of group {checked_name(group)!r}"
        router._members = lambda: system.groups.members(group)
        return router

    @property
    def members(self) -> tuple[ActorRef[A_co], ...]:
        """The members that are alive now."""
        return tuple(ref for ref in self._members() if ref.is_alive())

    def choose(self) -> ActorRef[A_co]:
        """The member that is next; raises NoMembers."""
        members = self._members()
        least, chosen = -1, 0
        for place in range(self._turn, self._turn + len(members)):
            ref = members[place % len(members)]
            if ref.is_alive():
                load = 0 if self._choice == "round_robin" else _load(ref)
                if least < 0 or load < least:
                    least, chosen = load, place % len(members)
                if least == 0:
                    break
        if least < 0:
            raise self._nobody()
        self._turn = chosen + 1
        return members[chosen]

    def by_key(self, key: Key) -> ActorRef[A_co]:
        """The member for a key, a str, bytes or an int: the same for equal keys, in every process and on every machine.

        When a member leaves only its keys move, evenly to the others; when one joins it takes its share of each
        (rendezvous hashing by the names of the members, so give them names, on each node others). Several of one name
        share the keys of that name. Costs one hash for each member. Raises NoMembers.
        """
        text = _bytes(key)
        most, chosen = b"", []
        for ref in self.members:
            weight = _weight(text, _name(ref).encode())
            if weight > most:
                most, chosen = weight, [ref]
            elif weight == most:
                chosen.append(ref)
        if not chosen:
            raise self._nobody()
        return chosen[0] if len(chosen) == 1 else max(chosen, key=lambda ref: _weight(text, _id(ref)))

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
        """Ask the member that is next, as `ActorRef.ask` does; raises NoMembers.

        If it ends meanwhile that raises ActorDead, and is not tried with another: it may have done the work.
        """
        return await self.choose().ask(method, *args, **kwargs)

    def tell(self, method: Callable[Concatenate[A_co, P], object], /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Tell the member that is next. False: it became a dead letter, or there is no member."""
        try:
            ref = self.choose()
        except NoMembers:
            return False
        return ref.tell(method, *args, **kwargs)

    async def send(self, method: Callable[Concatenate[A_co, P], object], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Send to the member that is next; wait while its mailbox is full. Raises NoMembers, ActorDead."""
        await self.choose().send(method, *args, **kwargs)

    def broadcast(self, method: Callable[Concatenate[A_co, P], object], /, *args: P.args, **kwargs: P.kwargs) -> int:
        """Tell all members, each once however often it joined. How many were told; for the rest it is a dead letter."""
        return sum(ref.tell(method, *args, **kwargs) for ref in dict.fromkeys(self.members))

    def _nobody(self) -> NoMembers:
        return NoMembers(f"{self._name} has no member that is alive")

    def __repr__(self) -> str:
        return f"<Router {self._choice}: {', '.join(ref.name for ref in self.members) or 'no members'}>"


def _checked(choice: Choice) -> Choice:
    if choice not in get_args(Choice):
        raise InvalidActor(f"the choice of a router is one of {', '.join(get_args(Choice))}, not {choice!r}")
    return choice


def _load(ref: ActorRef[Any]) -> int:
    """How many messages an actor has, the one in hand included; on another node, how many asks from here it has."""
    actor = addressee_of(ref)
    return len(actor) + (actor.state == BUSY) if isinstance(actor, Cell) else actor.asked


def _name(ref: ActorRef[Any]) -> str:
    """The name of an actor, as every node knows it."""
    actor = addressee_of(ref)
    if isinstance(actor, Cell) and (hub := actor.dispatcher.system.remote) is not None:
        return hub.label_of(actor)
    return actor.name


def _id(ref: ActorRef[Any]) -> bytes:
    """What tells an actor from others of its name, the same on every node."""
    actor = addressee_of(ref)
    if not isinstance(actor, Cell):
        return actor.id
    hub = actor.dispatcher.system.remote
    return b"%d" % actor.serial if hub is None else hub.id_of(actor)


def _bytes(key: Key) -> bytes:
    """A key as bytes; keys of different types are different."""
    if isinstance(key, str):
        return b"s" + key.encode("utf-8", "surrogatepass")
    if isinstance(key, bytes):
        return b"b" + key
    if isinstance(key, int):
        return b"i%d" % key
    raise InvalidActor(f"a router chooses by a str, bytes or an int, not by {key!r}")


def _weight(text: bytes, member: bytes) -> bytes:
    """How much a key is drawn to a member; the key of the hash takes 64 bytes."""
    member = member if len(member) <= 64 else blake2b(member, digest_size=64).digest()
    return blake2b(text, digest_size=8, key=member).digest()
