"""Ends that move to another node, inside a message or as an argument (NET-1, NET-20 to NET-25).

`export` turns a handle that was moved into a message into a description for one node; `accept` makes a handle of it
there. The description of a sending end carries credit; the only receiving end takes the home of its channel along,
with all that is in the buffer, which follows through the outlet that the channel becomes here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import msgspec

from actorpar.channels.end import End, Refusing
from actorpar.channels.errors import EndOfChannel
from actorpar.channels.flavors.base import Flavor
from actorpar.channels.flavors.bounded import Bounded
from actorpar.channels.flavors.lossy import Lossy
from actorpar.channels.flavors.rendezvous import Rendezvous
from actorpar.channels.receiver import Receiver
from actorpar.channels.sender import Sender

from ..codec.schema import schema_of
from ..errors import CodecError
from .away import OutletBounded, OutletLossy
from .home import Home, HomeBounded, HomeLossy
from .inlet import Inlet, InletBounded
from .meeting import MeetingOutlet, OutletRendezvous
from .meeting_home import HomeRendezvous, MeetingHome
from .outlet import Outlet
from .seeking import InletRendezvous, MeetingInlet
from .sender_stub import SenderStub
from .table import check_alias

if TYPE_CHECKING:
    from ..codec.schema import Schema
    from .peer import Peer
    from .table import ChannelTable

SENDER, RECEIVER, HOME = range(3)


class Description(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """An end on its way."""

    role: int
    channel: bytes
    nonce: bytes
    home: bytes
    credit: int
    capacity: int  # -1 is unbounded
    policy: str
    name: str
    item: str  # the name of the item's type
    alias: int  # of the outlet that the channel becomes where it comes from; only with HOME
    redeliver: bool


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Description).decode

#: What a channel becomes when one of its ends leaves, and what a home becomes when it moves.
_HOMES: Final[dict[type[Flavor], type[Flavor]]] = {
    Bounded: HomeBounded,
    Lossy: HomeLossy,
    Rendezvous: HomeRendezvous,
}
_OUTLETS: Final[dict[type[Flavor], type[Flavor]]] = {
    HomeBounded: OutletBounded,
    HomeLossy: OutletLossy,
    HomeRendezvous: OutletRendezvous,
}


def export(table: ChannelTable, end: End, to: Peer) -> bytes:
    """Describe an end for the node `to`, and give it up here. CodecError for an end that cannot leave its node."""
    core = end.core
    if isinstance(core, Refusing):
        raise core.refusal()
    core.check_loop()
    home_here(table, core)
    if to.secluded:
        _keep_home(core)
    remote = core.remote
    if isinstance(end, Sender):
        description = _export_sender(table, core, to)
    elif isinstance(remote, Home):
        alone = core.receiver_count == 1 and not remote.receivers and not remote.pinned
        description = _export_home(table, core, to) if alone else _export_receiver(table, core, to)
    else:
        description = _introduce_receiver(table, core, to)
    end.core = MOVED_AWAY
    return _encode(description)


def _keep_home(core: Flavor) -> None:
    """An end goes to a node that no other one reaches: so its channel has to be at home here, and stay."""
    if not isinstance(core.remote, Home):
        raise CodecError(
            f"{core.name} is at home on another node, and only an end whose channel is at home here can be passed to "
            "a process of your own; send the items on through a channel that this process has opened"
        )
    core.remote.pinned = True


def take_back(table: ChannelTable, end: End, core: Flavor, data: bytes) -> None:
    """Undo `export` to a secluded node that will not come. The handle has its channel again."""
    description = _decode(data)
    stub = table.expected(description.channel, description.nonce)
    stub.forget()
    if isinstance(stub, SenderStub):
        stub.release(stub.credit)
    end.core = core


def home_here(table: ChannelTable, core: Flavor) -> None:
    """Make a channel that is all on this node one whose ends may be elsewhere."""
    if core.remote is not None:
        return
    becomes = _HOMES.get(type(core))
    if becomes is None:
        raise CodecError(f"{core.name}: an end of this kind of channel ({type(core).__name__}) cannot leave its node")
    core.check_loop()
    core.__class__ = becomes  # the same slots: the handles and the waiters stay
    core.remote = _new_home(table, core, table.new_id())


def _new_home(table: ChannelTable, core: Flavor, channel: bytes) -> Home:
    kind = MeetingHome if isinstance(core, Rendezvous) else Home
    home = kind(table, core, channel, schema_of(core.declared))
    table.add_home(home)
    return home


def _new_outlet(table: ChannelTable, core: Flavor, channel: bytes, schema: Schema) -> Outlet:
    kind = MeetingOutlet if isinstance(core, Rendezvous) else Outlet
    return kind(table, core, channel, schema)


def _describe(table: ChannelTable, core: Flavor, role: int, home: bytes, nonce: bytes, credit: int) -> Description:
    capacity = -1 if core.capacity == math.inf else int(core.capacity)
    policy = core.policy if isinstance(core, Lossy) else "wait"
    remote = core.remote
    return Description(
        role, remote.channel, nonce, home, credit, capacity, policy, core.name, remote.schema.name, 0, core.redeliver
    )


def _export_sender(table: ChannelTable, core: Flavor, to: Peer) -> Description:
    nonce = table.new_id()
    remote = core.remote
    if isinstance(remote, Home):
        credit = remote.first_credit()
        remote.expect_sender(nonce, to.node, credit)
        return _describe(table, core, SENDER, table.node, nonce, credit)
    assert isinstance(remote, Outlet)
    spare = remote.spare()
    credit = spare if core.sender_count == 1 else spare // 2
    remote.take_spare(credit)
    description = _describe(table, core, SENDER, remote.home_node, nonce, credit)
    remote.introduce(nonce, to.node, credit)
    core.drop_sender(None)
    return description


def _export_receiver(table: ChannelTable, core: Flavor, to: Peer) -> Description:
    nonce = table.new_id()
    core.remote.expect_receiver(nonce, to.node)
    return _describe(table, core, RECEIVER, table.node, nonce, 0)


def _introduce_receiver(table: ChannelTable, core: Flavor, to: Peer) -> Description:
    inlet = core.remote
    assert isinstance(inlet, Inlet)
    nonce = table.new_id()
    description = _describe(table, core, RECEIVER, inlet.home_node, nonce, 0)
    inlet.introduce(nonce, to.node)
    core.drop_receiver(None)
    return description


def _export_home(table: ChannelTable, core: Flavor, to: Peer) -> Description:
    home = core.remote
    description = _describe(table, core, HOME, to.node, b"", 0)
    if core.failure is not None:
        return _export_ended(table, core, to)
    outlet = _new_outlet(table, core, home.channel, home.schema)
    outlet.open(to, None)
    description.alias = outlet.alias
    core.__class__ = _OUTLETS[type(core)]
    core.remote = outlet
    core.held = 0
    core.plain = False
    table.home_moved(home.channel, to.node)
    home.move_to(outlet, table.new_id)
    outlet.adopt_waiting()
    if not core.sender_count:
        outlet.close(core.cause)
    return description


def _export_ended(table: ChannelTable, core: Flavor, to: Peer) -> Description:
    """A channel that has ended stays at home here; its rest is received from there."""
    return _export_receiver(table, core, to)


def accept(table: ChannelTable, data: bytes, declared: Any, peer: Peer) -> End:
    """Make a handle of an end that came from `peer`. CodecError: the description is none, or of another type."""
    description = described(data)
    schema = schema_of(declared)
    if description.item != schema.name and not _is_any(schema) and description.item != schema_of(Any).name:
        raise CodecError(f"{description.name} carries {description.item}, and {schema.name} is declared here")
    if description.role == HOME:
        check_alias(peer, description.alias)
        return _accept_home(table, description, declared, peer)
    home = table.peer(description.home)
    core = new_core(description, declared)
    core.bind(table.queue)
    go_live(table, core, description, home)
    return Sender(core) if description.role == SENDER else Receiver(core)


def described(data: bytes) -> Description:
    """An end on its way. CodecError."""
    try:
        return _decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise CodecError(f"this describes no end of a channel: {error}") from None


def new_core(description: Description, declared: Any) -> Flavor:
    """The channel as the handles of an end that is away will see it; bound to no loop yet, one handle on each side."""
    if description.role == SENDER:
        return _new_core(description, declared, _AWAY_SENDERS)
    kind = InletBounded if description.capacity else InletRendezvous
    return kind(_capacity(description), name=description.name, declared=declared)


def go_live(table: ChannelTable, core: Flavor, description: Description, home: Peer) -> Inlet | Outlet:
    """Present an end to its home. The channel is bound to the loop, and nothing was done with it yet."""
    core.watched = True
    core.plain = False
    schema = schema_of(core.declared)
    if description.role == RECEIVER:
        kind = Inlet if description.capacity else MeetingInlet
        inlet = core.remote = kind(table, core, description.channel, schema)
        inlet.open(home, description.nonce)
        return inlet
    if core.capacity != math.inf:
        core.limit = 0
    outlet = core.remote = _new_outlet(table, core, description.channel, schema)
    outlet.hidden = description.credit
    outlet.open(home, description.nonce)
    outlet.park()
    return outlet


def _is_any(schema: Any) -> bool:
    return bool(schema.name == schema_of(Any).name)


_AWAY_SENDERS: Final = (OutletRendezvous, OutletBounded, OutletLossy)
_AT_HOME: Final = (HomeRendezvous, HomeBounded, HomeLossy)


def _capacity(description: Description) -> float:
    return math.inf if description.capacity < 0 else description.capacity


def _new_core(description: Description, declared: Any, kinds: tuple[Any, Any, Any]) -> Flavor:
    rendezvous, bounded, lossy = kinds
    capacity = _capacity(description)
    options: dict[str, Any] = {"name": description.name, "declared": declared, "redeliver": description.redeliver}
    core: Flavor
    if description.policy != "wait":
        core = lossy(capacity, description.policy, **options)
    else:
        core = bounded(capacity, **options) if capacity else rendezvous(**options)
    return core


def _accept_home(table: ChannelTable, description: Description, declared: Any, peer: Peer) -> End:
    """The channel is at home here from now on; all its slots are credit of the end where it was before."""
    core = _new_core(description, declared, _AT_HOME)
    core.bind(table.queue)
    core.watched = True
    home = core.remote = _new_home(table, core, description.channel)
    credit = 0
    if description.capacity >= 0 and description.policy == "wait":
        credit = description.capacity
        core.limit -= credit
    stub = home.sender_stub(home, b"", peer.node, credit)
    home.senders[stub] = None
    stub.open(peer, description.alias)
    return Receiver(core)


class _MovedAway(Refusing):
    """The channel behind a handle whose end was written into a message to another node."""

    __slots__ = ()


MOVED_AWAY = _MovedAway(EndOfChannel)
