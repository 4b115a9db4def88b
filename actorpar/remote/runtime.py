"""Which node this process is, where a launcher has made it one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..nodes.node import Node

_node: Node | None = None
_serves: tuple[str, ...] = ()


def provide(node: Node | None, serves: tuple[str, ...]) -> None:
    """The launcher has made this process a node, which serves these modules; None when it has ended."""
    global _node, _serves
    _node, _serves = node, serves


def take(serves: tuple[str, ...]) -> tuple[Node | None, tuple[str, ...]]:
    """The node of this process for a system that starts here, if there is one and no other system has it."""
    if _node is None or _node.references is not None:
        return None, serves
    return _node, (*serves, *_serves)
