"""What the ends of a channel see of a link: somewhere to put ops and items, and a number for each end.

A link is one implementation; the models under tests/models are another, which deliver in every order that a link may.

What a peer promises: what is put into one lane arrives in that order, `control` may overtake lanes but not each other,
nothing is lost or doubled while the peer lives, and after `lost` nothing arrives any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..codec.schema import Schema
    from .ops import Op


class Away(Protocol):
    """An end that is known under an alias on a link: one of another node's at the home, or the home's on that node."""

    def on_op(self, op: Any) -> None:
        """The other side says something."""

    def expects(self, count: int) -> None:
        """ProtocolError unless so many items may come now; asked before they are decoded."""

    def on_items(self, items: list[Any], bad: int, size: int) -> None:
        """Items came, and `bad` more that were none of the declared type; `size` is what they took on the link."""

    def on_lost(self, error: BaseException) -> None:
        """The node of the other side is gone for good."""

    @property
    def unsaid(self) -> bool:
        """True while this end has something to say that it could not yet."""

    @property
    def schema(self) -> Schema:
        """How items of this end are written."""


class Peer(Protocol):
    """Another node, as the ends see it."""

    #: Its id, 16 bytes.
    node: bytes
    #: Its name, for people.
    name: str
    #: True if no other node can reach it: no home moves there.
    secluded: bool
    #: The ends on this link, by alias.
    ends: dict[int, Away]

    def new_alias(self) -> int:
        """A number that is free on both sides of the link."""

    def control(self, op: Op) -> None:
        """Say something that overtakes items (NET-39)."""

    def in_lane(self, op: Op) -> None:
        """Say something behind the items that were sent under the same alias."""

    def push(self) -> None:
        """Write now what was said, without waiting for the end of the turn."""

    def items(self, alias: int, schema: Schema, items: list[Any]) -> int:
        """Send items, encoded in one go; returns how many bytes they take. CodecError: none was sent."""
