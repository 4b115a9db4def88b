"""What is known of the nodes of a system: who is linked, who is lost, and what each measures of itself.

Nothing is measured and nothing is sent until somebody looks. Then each node is asked; what it answers is there at the
next look, for a look does not wait.

Invariants
- A node that does not answer is asked again after AGAIN seconds, not at each look.
- What a node answered last stays known, with its age, until it is down. Of the lost the latest LOST are remembered.
"""

from __future__ import annotations

import collections
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..channels import env
from ..launch import cores
from ..nodes.events import NodeEvent, NodeLost, NodeUp
from ..observe.devices import device_rows
from . import messages as m

if TYPE_CHECKING:
    from ..nodes.link import Link
    from ..nodes.node import Node
    from ..nodes.remote.ops import Member
    from ..system import ActorSystem

#: Nodes that are down and still shown.
LOST: Final = 16
#: Seconds after which a node that has not answered is asked again: its system may have started meanwhile.
AGAIN: Final = 10.0


@dataclass(frozen=True)
class Answer:
    """What a node has said of itself, and when that came here."""

    figures: m.Figures
    at: float


class Survey:
    """The nodes of one system, as this one sees them."""

    def __init__(self, system: ActorSystem, node: Node) -> None:
        self.node = node
        self.lost: collections.deque[NodeLost] = collections.deque(maxlen=LOST)
        self._system = system
        self._asked: dict[bytes, float] = {}
        self._answers: dict[bytes, Answer] = {}
        self.unwatch = node.watch(self._happened)

    def look(self) -> None:
        """Ask all nodes for their figures; `answer` has them when they have come."""
        now = env.clock()
        for link in self.node.links.values():
            asked = self._asked.get(link.node)
            if link.stream is not None and (asked is None or now - asked >= AGAIN):
                self._asked[link.node] = now
                link.call(m.LANE, m.pack(m.Look()), [])

    def told(self, link: Link, figures: m.Figures) -> None:
        """A node answers. Figures that nobody has asked for are nobody's."""
        if self._asked.pop(link.node, None) is not None:
            self._answers[link.node] = Answer(figures, env.clock())

    def answer(self, member: Member) -> Answer | None:
        """What a node answered last; of this one, what is measured now."""
        if member.node == self.node.id:
            return Answer(self.measure(), env.clock())
        return self._answers.get(member.node)

    def _happened(self, event: NodeEvent) -> None:
        if isinstance(event, NodeUp):
            for lost in [lost for lost in self.lost if lost.node.name == event.node.name]:
                self.lost.remove(lost)
        elif isinstance(event, NodeLost):
            self.lost.append(event)
            self._asked.pop(event.node.node, None)
            self._answers.pop(event.node.node, None)

    def measure(self) -> m.Figures:
        """The figures of this node, now."""
        counters = self._system.counters
        links = list(self.node.links.values())
        return m.Figures(
            clock=env.clock(),
            cpu=env.cpu_clock(),
            memory=resident(),
            load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
            lag=self.node.heartbeat.lag,
            cores=cores.usable(),
            actors=counters.spawned - counters.ended,
            messages=counters.handled + counters.inlined,
            ends=sum(len(link.ends) for link in links),
            links={link.name: link.traffic for link in links},
            hostname=platform.node(),
            platform=f"{platform.system()} {platform.machine()}",
            python=f"{platform.python_implementation()} {platform.python_version()}",
            devices=tuple(m.DeviceUse(**row) for row in device_rows()),
        )


def resident() -> int | None:
    """The bytes of memory that this process occupies; None where the system does not tell that of now."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
