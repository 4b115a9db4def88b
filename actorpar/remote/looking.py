"""How the nodes of a system are: each says so when it is asked, and it is asked when somebody looks.

So it costs nothing while nobody does. A look shows what was said since the look before, and asks anew.
"""

from __future__ import annotations

import asyncio
import os
import platform
import resource
import sys
from typing import TYPE_CHECKING, Any, Final

from ..channels import env
from . import messages as m

if TYPE_CHECKING:
    from ..nodes.link import Link
    from ..nodes.remote.ops import Member
    from ..observe.snapshot import NodeRow
    from .hub import Hub

#: Seconds of the timer by which a node finds how late its loop is.
PROBE: Final = 0.05


class Looking:
    """What the nodes have said, to the system of this one; and what this one says of itself."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._said: dict[bytes, m.Looked] = {}
        self._lag = 0.0
        self._probing = False

    def rows(self) -> list[NodeRow]:
        """This node and all others, by name; and ask them for the next time."""
        node = self._hub.node
        for known in [known for known in self._said if known not in node.links]:
            del self._said[known]
        rows = [_row(node.member, self.own(), None)]
        for member in node.members.values():
            link = node.links.get(member.node)
            rows.append(_row(member, self._said.get(member.node), link))
            if link is not None and link.connections:
                link.call(m.LANE, m.pack(m.Look()), [])
        return sorted(rows, key=lambda row: row["name"])

    def asked(self, link: Link) -> None:
        """Another node looks."""
        link.call(m.LANE, m.pack(self.own()), [])

    def told(self, link: Link, looked: m.Looked) -> None:
        """Another node has said how it is."""
        self._said[link.node] = looked

    def own(self) -> m.Looked:
        """How this node is. Its loop is probed for the next time."""
        if not self._probing:
            self._probing = True
            loop = asyncio.get_running_loop()
            loop.call_later(PROBE, self._probed, loop.time() + PROBE)
        counters = self._hub.system.counters
        return m.Looked(
            env.clock(), env.cpu_clock(), _memory(), _load(), self._lag, counters.spawned - counters.ended,
            counters.handled + counters.inlined, platform.python_version(), f"{sys.platform} {platform.machine()}",
        )  # fmt: skip

    def _probed(self, due: float) -> None:
        self._probing = False
        self._lag = max(0.0, asyncio.get_running_loop().time() - due)


def _row(member: Member, said: m.Looked | None, link: Link | None) -> NodeRow:
    sent, received = (0, 0) if link is None else link.traffic
    silence = 0.0 if link is None else max(0.0, link.liveness.silence(env.clock()))
    state = "up"
    if link is not None:
        state = "silent" if link.liveness.suspected else "stalled" if link.liveness.is_stalled else "up"
    figures: dict[str, Any] = {name: getattr(said, name, None) for name in m.Looked.__struct_fields__}
    return {
        "name": member.name, "host": member.host, "pid": member.pid, "cores": member.cores,
        "labels": list(member.labels), "state": state, "silence": silence, "sent": sent, "received": received,
        **figures,  # type: ignore[typeddict-item]  # the fields of Looked
    }  # fmt: skip


def _memory() -> int:
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()
    except OSError:  # no Linux: the most that it ever had
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _load() -> float:
    try:
        return os.getloadavg()[0]
    except OSError:
        return 0.0
