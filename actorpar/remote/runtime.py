"""Which node this process is, where a launcher has made it one, or another process has started it as its guest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..nodes.node import Node

_node: Node | None = None
_serves: tuple[str, ...] = ()
_invited: Callable[[], Node] | None = None


def provide(node: Node | None, serves: tuple[str, ...]) -> None:
    """The launcher has made this process a node, which serves these modules; None when it has ended."""
    global _node, _serves
    _node, _serves = node, serves


def invite(start: Callable[[], Node]) -> None:
    """This process was given references when it was started: `start` makes the node on which they can be used."""
    global _invited
    _invited = start


def take(serves: tuple[str, ...]) -> tuple[Node | None, tuple[str, ...]]:
    """The node of this process for a system that starts here, if there is one and no other system has it."""
    if _node is None and _invited is not None:
        return _invited(), serves
    if _node is None or _node.references is not None:
        return None, serves
    return _node, (*serves, *_serves)
