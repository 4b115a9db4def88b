"""Bugs in groups over nodes, and in what routers make of them (AC-52 to AC-54)."""

from __future__ import annotations

from .mutant import GROUPS, MEMBERSHIP, REMOTE_GROUPS, REMOTE_HUB, Mutant

MEMBERSHIPS = [
    Mutant(
        "AC-52",
        MEMBERSHIP,
        "who is asked does not answer when it has told all before",
        "            case m.WhoIsIn():\n                return self._tell_all(peer, known)",
        "            case m.WhoIsIn():\n                return [] if known.is_told else self._tell_all(peer, known)",
    ),
    Mutant(
        "AC-52",
        MEMBERSHIP,
        "who is told all does not tell all",
        "                return outcomes if known.is_told else outcomes + self._tell_all(peer, known)",
        "                return outcomes",
    ),
    Mutant(
        "AC-52",
        MEMBERSHIP,
        "who was told all is told no change",
        "        known.is_told = True\n",
        "",
    ),
    Mutant(
        "AC-52",
        MEMBERSHIP,
        "a part of all is not told",
        "range(PART, len(own), PART)]",
        "range(PART, len(own) - PART, PART)]",
    ),
    Mutant(
        "AC-52",
        MEMBERSHIP,
        "who joined twice is told as a member once",
        "        self._each[key] = replace(membership, times=times)",
        "        self._each[key] = membership",
    ),
    Mutant(
        "AC-52",
        MEMBERSHIP,
        "there may be any number of memberships",
        "            if known.believed.count + each.times > self._most:",
        "            if each.times > self._most:",
    ),
    Mutant(
        "AC-52",
        MEMBERSHIP,
        "who leaves makes no room",
        "        self.count -= known.times\n",
        "",
    ),
    Mutant(
        "AC-52",
        REMOTE_GROUPS,
        "a guest takes part",
        "        if isinstance(event, NodeUp) and GUEST not in (*self._node.labels, *event.node.labels):",
        "        if isinstance(event, NodeUp):",
    ),
    Mutant(
        "AC-52",
        REMOTE_GROUPS,
        "a system that starts late asks nobody",
        "                self._happened(NodeUp(member))",
        "                pass",
    ),
    Mutant(
        "AC-52",
        REMOTE_HUB,
        "the members of a node that is lost leave after their ends are told",
        "        self.groups.link_down(link)\n",
        "        self.node.queue.loop.call_soon(self.groups.link_down, link)\n",
    ),
    Mutant(
        "AC-53",
        GROUPS,
        "who joins is told to nobody",
        "            self._tell(GroupChange(group, True, arrived))",
        "            pass",
    ),
    Mutant(
        "AC-54",
        MEMBERSHIP,
        "joins are believed of a peer that has not told all",
        "                return self._believe(peer, known, message.memberships) if known.has_told else []",
        "                return self._believe(peer, known, message.memberships)",
    ),
    Mutant(
        "AC-54",
        MEMBERSHIP,
        "what a peer that is lost has told stays",
        "        known = self._peers.pop(peer, None)",
        "        known = self._peers.get(peer)",
    ),
    Mutant(
        "AC-54",
        MEMBERSHIP,
        "who tells all is believed beside what it told before",
        "                known.believed, known.has_told = _Several(), True\n",
        "                known.has_told = True\n",
    ),
    Mutant(
        "AC-54",
        MEMBERSHIP,
        "more leave than are there",
        "        if known.times > times:\n",
        "        if known.times != times:\n",
    ),
    Mutant(
        "AC-54",
        REMOTE_GROUPS,
        "a refusal is not counted",
        "                if joined:\n",
        "                if not joined:\n",
    ),
]
