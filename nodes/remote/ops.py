"""What two nodes say to each other about a channel, as small MessagePack arrays.

`alias` is the number that the node away from the home gave to its end on this link; both use it from then on. An op
goes either as control, before all data (NET-39), or in the lane of its channel, behind the items sent before it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

import msgspec

from ..errors import ProtocolError
from ..shm import Descriptor

#: Aliases are lanes of the link, which have 32 bits.
LARGEST_ALIAS: Final = 2**32 - 1
Alias = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_ALIAS)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Id = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]


class Op(msgspec.Struct, array_like=True, tag=True, forbid_unknown_fields=True, gc=False):
    """Something that one node tells another about one channel."""

    alias: Alias


# -- from an end that is away, to the home


class Open(Op, tag=1):
    """An end that is away presents itself, with the nonce under which it was announced (NET-21, NET-24)."""

    channel: Id
    nonce: Id


class Close(Op, tag=2):
    """The last handle of this end was closed; `failure` says so if it was lost (CH-21). In the lane."""

    failure: str | None = None


class Abort(Op, tag=3):
    """Somebody aborted the channel (CH-26); behind the items with `after_drain`."""

    cause: str
    after_drain: bool


class Hungry(Op, tag=4):
    """A sender waits here, and there is no credit left."""


class GiveBack(Op, tag=5):
    """Credit that this end returns, because the home asked for it (NET-6). In the lane."""

    items: Count


class Introduce(Op, tag=6):
    """An end comes to `node` with this nonce; what was sent here before precedes it (NET-21, NET-22). In the lane."""

    nonce: Id
    node: Id
    credit: Count
    receives: bool


class Flushed(Op, tag=7):
    """Nothing follows in this lane: the end goes on at the new home of the channel (NET-1)."""


class Want(Op, tag=8):
    """Receivers wait here for `items` more.

    The items are numbered as they are shipped; those below `settled` were received or returned (NET-11).
    """

    items: Count
    settled: Count


class Unwant(Op, tag=9):
    """That many receivers gave up."""

    items: Count


class Return(Op, tag=10):
    """Nobody waits here any more for the items from number `first` on, those on their way included: nothing of them was
    received, and nothing more is wanted."""

    first: Count


class Confirm(Op, tag=11):
    """Say when this is there, and so what was sent before it (NET-8). In the lane."""


# -- from the home, to an end that is away


class Opened(Op, tag=20):
    """The home knows the end now."""


class Refused(Op, tag=21):
    """There is no such channel, or no such nonce (NET-24)."""

    reason: str


class Credit(Op, tag=22):
    """`items` more may be sent; `received` items and `freed` bytes have left the home, in all (NET-5)."""

    items: Count
    received: Count
    freed: Count


class Reclaim(Op, tag=23):
    """Give back what credit is not in use: others starve (NET-6)."""


class Ended(Op, tag=24):
    """The channel has ended: `kind` is end, broken or aborted. To receivers in the lane, behind the last item.

    `discard`: what was shipped and not taken is void, too (CH-26).
    """

    kind: str
    cause: str | None = None
    discard: bool = False


class Moved(Op, tag=25):
    """The home of the channel is another node now: open there, under this nonce (NET-1)."""

    home: Id
    nonce: Id


class Recalled(Op, tag=26):
    """Behind the items that a Return has made void. In the lane."""


class Confirmed(Op, tag=27):
    """What preceded a Confirm is at the home. A home that has moved away says nothing: it is asked anew."""


# -- rendezvous, where each operation is told (NET-9)


class Offer(Op, tag=40):
    """A sender waits with the item that follows in the lane, or for a permit. `selector` is the number of its select,
    which must not meet itself (CH-36); 0 for a plain send."""

    op: Count
    permit: bool
    selector: Count


class Withdraw(Op, tag=41):
    """The sender gave up."""

    op: Count


class Taken(Op, tag=42):
    """A receiver has the item."""

    op: Count


class Permitted(Op, tag=43):
    """A receiver is set aside for the sender: Redeem or Forfeit."""

    op: Count


class Redeem(Op, tag=44):
    """The item that follows in the lane is for the receiver that was set aside. In the lane."""

    op: Count


class Forfeit(Op, tag=45):
    """The permit is not used."""

    op: Count


# -- rendezvous of selects, which are claimed before they are committed (NET-14)


class Seek(Op, tag=46):
    """A select waits to receive; an item that is shipped to it is for nobody else."""

    op: Count
    selector: Count


class Unseek(Op, tag=47):
    """That select has chosen something else, or was cancelled."""

    op: Count


class Claim(Op, tag=48):
    """Hold the select behind that offer or seeker: Granted, sooner or later (NET-15), or Missed."""

    op: Count


class Granted(Op, tag=49):
    """The select is held; or it has the item that was for it."""

    op: Count


class Missed(Op, tag=50):
    """The select is gone; an item that was for it goes to somebody else."""

    op: Count


class Release(Op, tag=51):
    """The claim is over and the offer or seeker void; its select makes new ones."""

    op: Count


class Take(Op, tag=52):
    """The item that follows in the lane is for that seeker, which is held. In the lane."""

    op: Count


# -- between nodes, of no channel


class Member(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """A node as others are told of it."""

    node: Id
    name: str
    incarnation: int
    addresses: tuple[str, ...]
    labels: tuple[str, ...]
    host: str
    pid: int
    cores: int


class Members(Op, tag=60):
    """The nodes that this one knows (NET-44)."""

    members: list[Member]


class Gone(Op, tag=61):
    """That incarnation of a node is down for good, and this is how it is known (NET-42)."""

    node: Id
    incarnation: int
    reason: str


# -- of shared memory, which is no channel's (nodes/lending.py)


class OfMemory(Op):
    """What two nodes of one host say of memory that they share."""


class Look(OfMemory, tag=70):
    """Say what stands there, if you can see it."""

    place: Descriptor


class Seen(OfMemory, tag=71):
    """This stands there."""

    said: bytes


class Mapped(OfMemory, tag=72):
    """What was lent of that file is reached from now on, even if it is removed."""

    name: str


class Returned(OfMemory, tag=73):
    """Nothing stands on these any more."""

    places: list[Descriptor]


AnyOp: TypeAlias = (
    Open | Close | Abort | Hungry | GiveBack | Introduce | Flushed | Want | Unwant | Return | Confirm
    | Opened | Refused | Credit | Reclaim | Ended | Moved | Recalled | Confirmed
    | Offer | Withdraw | Taken | Permitted | Redeem | Forfeit
    | Seek | Unseek | Claim | Granted | Missed | Release | Take
    | Members | Gone
    | Look | Seen | Mapped | Returned
)  # fmt: skip

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(AnyOp)

encode = _encoder.encode


def decode(body: Any) -> AnyOp:
    """What another node says. ProtocolError."""
    try:
        return _decoder.decode(body)  # type: ignore[no-any-return]
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ProtocolError(f"no op: {error}", code="op") from None
