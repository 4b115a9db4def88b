"""What two nodes say to each other about actors and processes.

All of it goes in one lane of the link, so a Down arrives behind every message that was sent before (AC-5). `op` numbers
what is answered; an actor is named by its id, 16 bytes that nobody can guess. Arguments and results follow the
envelope, encoded by the signature of what is called.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

import msgspec

from ..actors.registry import NAME
from ..nodes.errors import CodecError, ProtocolError
from ..nodes.foreign import one_line

#: The lane of all of it.
LANE: Final = 1 << 31
#: What is counted and what is measured: numbers that can be shown, and no NaN.
Count = Annotated[int, msgspec.Meta(ge=0)]
Measure = Annotated[float, msgspec.Meta(ge=0.0, le=1e15)]
#: The name of a group, the id of an actor, the name of an actor or of its class, and how often it has joined.
GroupName = Annotated[str, msgspec.Meta(pattern=rf"\A{NAME.pattern}\Z")]
ActorId = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
ShortText = Annotated[str, msgspec.Meta(max_length=1000)]
Times = Annotated[int, msgspec.Meta(ge=1)]


class Envelope(msgspec.Struct, array_like=True, tag=True, forbid_unknown_fields=True, gc=False):
    """Something that one node says to another."""


class Why(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    """How something ended; `error` is the name of an exception's class and its text."""

    kind: str
    detail: str = ""
    error: tuple[str, str] | None = None
    cause: Why | None = None


class Restarted(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    """What the next incarnation of a child is told of the last one; the state that it kept follows the arguments.

    `state` is where it begins in the body, `parts` which is its first buffer.
    """

    why: Why
    count: int
    state: int
    parts: int


class AsChild(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    """What is started is the child of a supervisor: Ended tells how it ended, Kept what it keeps.

    `shutdown` is how many seconds it has to stop once its supervisor's node is down; None: as long as it takes.
    """

    shutdown: float | None
    restarted: Restarted | None


class Spawn(Envelope, tag=1):
    """Start a process or an actor; Started or Failed answers, and for a process Returned or Failed in the end."""

    op: int
    target: str
    name: str | None
    propagate: bool
    count: int
    names: tuple[str, ...]
    child: AsChild | None = None


class Started(Envelope, tag=2):
    """It runs; `reference` describes the actor."""

    op: int
    reference: bytes


class Returned(Envelope, tag=3):
    """The process has returned, or the handler has answered; the value follows."""

    op: int


class Failed(Envelope, tag=4):
    """It came to nothing: `how` says which error is raised, `kind` and `message` what happened over there."""

    op: int
    how: str
    kind: str
    message: str
    details: str = ""


class Cancel(Envelope, tag=5):
    """Cancel the process, or the start, or withdraw the question; stop the child, for this reason, or kill it."""

    op: int
    kill: bool = False
    why: Why | None = None


class Ended(Envelope, tag=6):
    """The actor that is a child of a supervisor over there has ended. It comes behind Started."""

    op: int
    why: Why


class Kept(Envelope, tag=7):
    """The child keeps a state for its next incarnation; the state follows."""

    op: int


class Tell(Envelope, tag=10):
    """A message that nobody waits for."""

    actor: bytes
    method: str
    count: int
    names: tuple[str, ...]


class Ask(Envelope, tag=11):
    """A message that is answered; `seconds` are left to do so."""

    op: int
    actor: bytes
    method: str
    seconds: float | None
    count: int
    names: tuple[str, ...]


class Room(Envelope, tag=12):
    """So many messages that were told to the actor are handled: as many more may come."""

    actor: bytes
    messages: int


class Watch(Envelope, tag=20):
    """Say when the actor has ended, once, however often this is said."""

    actor: bytes


class Unwatch(Envelope, tag=21):
    """Nobody wants to know any more."""

    actor: bytes


class Down(Envelope, tag=22):
    """The actor has ended."""

    actor: bytes
    why: Why


class Bind(Envelope, tag=23):
    """Link the actor to one over there, which `peer` describes: each node watches the other's (AC-27)."""

    actor: bytes
    peer: bytes


class Unbind(Envelope, tag=25):
    """Undo the link of the actor and one over there."""

    actor: bytes
    peer: bytes


class Stop(Envelope, tag=24):
    """Stop the actor, or kill it; `seconds` is how long it may take, then it is killed."""

    actor: bytes
    seconds: float | None
    kill: bool
    why: Why | None = None


class Membership(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True, gc=False):
    """An actor of the node that says this is in a group, so many times; `cls` names its class."""

    group: GroupName
    actor: ActorId
    cls: ShortText
    name: ShortText
    times: Times


class WhoIsIn(Envelope, tag=40):
    """Tell which of your actors are in groups: answer with Everyone."""


class Everyone(Envelope, tag=41):
    """These are; others that were told before are not. More may come as Joins."""

    memberships: tuple[Membership, ...]


class Joins(Envelope, tag=42):
    """These are now, too."""

    memberships: tuple[Membership, ...]


class Leaves(Envelope, tag=43):
    """The actor has left the group, so many times."""

    group: GroupName
    actor: ActorId
    times: Times


class Look(Envelope, tag=30):
    """Somebody looks at the nodes of the system: answer with Figures."""


class DeviceUse(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True, gc=False):
    """A device of the node that says this, as `gpu.figures.DeviceFigures` has it."""

    spec: ShortText
    name: ShortText
    memory_used: Count | None
    memory_total: Count | None
    streams: Count
    busy: Count
    in_flight: Count
    completed: Count


class Figures(Envelope, tag=31):
    """What a node measures of itself when it is asked.

    clock     its monotonic seconds, for rates;  cpu: seconds of CPU that its process has used
    memory    bytes that its process occupies, and load: of its machine; None where the system does not tell
    lag       seconds by which its loop was late at the worst of its latest ticks
    cores     that its process may use
    messages  that its actors have handled
    ends      of channels that it shares with other nodes
    links     bytes to and from each node that it is linked to, by name
    devices   that its actors use
    """

    clock: Measure
    cpu: Measure
    memory: Count | None
    load: Measure | None
    lag: Measure
    cores: Count
    actors: Count
    messages: Count
    ends: Count
    links: dict[str, tuple[Count, Count]]
    hostname: str
    platform: str
    python: str
    devices: tuple[DeviceUse, ...] = ()


OfGroups: TypeAlias = WhoIsIn | Everyone | Joins | Leaves
AnyEnvelope: TypeAlias = (
    Spawn | Started | Returned | Failed | Cancel | Ended | Kept | Tell | Ask | Room | Watch | Unwatch | Down | Bind
    | Unbind | Stop | Look | Figures | OfGroups
)  # fmt: skip

#: What bytes that are no message make msgspec raise.
FAILURES: Final = (msgspec.MsgspecError, ValueError, RecursionError)

_encode = msgspec.msgpack.Encoder().encode
_described: msgspec.msgpack.Decoder[tuple[bytes, bytes, str, str]] = msgspec.msgpack.Decoder(
    tuple[bytes, bytes, str, str]
)
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(AnyEnvelope)


def pack(envelope: Envelope, body: bytes = b"") -> bytes:
    """An envelope, and what follows it."""
    head = _encode(envelope)
    return len(head).to_bytes(4, "little") + head + body


def unpack(data: Any) -> tuple[Any, Any]:
    """The envelope, and what follows it. ProtocolError."""
    size = int.from_bytes(data[:4], "little")
    try:
        return _decoder.decode(data[4 : 4 + size]), data[4 + size :]
    except FAILURES as error:
        raise ProtocolError(f"no message to actors: {error}", code="call") from None


def describe(node: bytes, id: bytes, cls: str, name: str) -> bytes:
    """A reference on its way."""
    return _encode((node, id, cls, name))


def described(data: bytes) -> tuple[bytes, bytes, str, str]:
    """The node, id, class and name of an actor. CodecError."""
    try:
        node, id, cls, name = _described.decode(data)
    except FAILURES as error:
        raise CodecError(f"this describes no actor: {error}") from None
    return node, id, cls, one_line(name)
