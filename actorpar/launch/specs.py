"""What each node of this host is to be, said before any of them is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One node that the launcher starts.

    labels       for placement
    device       the device that it is for, as it is called there: such a node is started again when it fails
    environment  variables that it sees, beside those of the launcher
    """

    name: str
    labels: tuple[str, ...] = ()
    device: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


def equal(count: int, labels: tuple[str, ...] = ()) -> list[NodeSpec]:
    """So many equal nodes, node-1 to node-N."""
    return [NodeSpec(f"node-{number}", labels) for number in range(1, count + 1)]
