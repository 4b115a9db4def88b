"""What happens to nodes, as `Node.watch` tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from .remote.ops import Member


@dataclass(frozen=True)
class NodeUp:
    """A node is linked to this one."""

    node: Member


@dataclass(frozen=True)
class NodeLost:
    """A node is down for good, or could never be reached from here; `reason` says how that is known."""

    node: Member
    reason: str


@dataclass(frozen=True)
class NodeSilent:
    """A node is suspected (`suspected`), or was heard again."""

    node: Member
    suspected: bool


@dataclass(frozen=True)
class NodeStalled:
    """The loop of a node has not run for `age` seconds; the node lives (NET-41)."""

    node: Member
    age: float


@dataclass(frozen=True)
class NodeFenced:
    """This node was declared down by `by` while it did not run, or could not be reached; it has closed (NET-42)."""

    by: Member


NodeEvent: TypeAlias = NodeUp | NodeLost | NodeSilent | NodeStalled | NodeFenced
