"""Bugs in memory that nodes of one host share (NET-48 to NET-52)."""

from __future__ import annotations

from .mutant import LENT, SEGMENT, SLABS, Mutant

MEMORY = [
    Mutant(
        "NET-48",
        SEGMENT,
        "what is lent is used again",
        "        if block.here or block.loans:\n",
        "        if block.here:\n",
    ),
    Mutant(
        "NET-48",
        LENT,
        "a view that is gone is returned twice",
        "        self._back.append(place)\n",
        "        self._back.extend((place, place))\n",
    ),
    Mutant(
        "NET-48",
        SLABS,
        "an array that was made there is copied",
        "                if 0 <= offset < segment.size and",
        "                if False and",
    ),
    Mutant("NET-49", LENT, "any answer is believed", " or op.said != self._secret", ""),
    Mutant("NET-49", LENT, "it is lent before it is known", "        if not self._shares:\n", "        if False:\n"),
    Mutant("NET-49", LENT, "a node of another host is asked", " or not self.is_near", ""),
    Mutant(
        "NET-50",
        LENT,
        "one other node may have all",
        "                if self._copied + size > MOST_COPIED:\n",
        "                if False:\n",
    ),
    Mutant(
        "NET-50", LENT, "anything is copied at once", "            if size > MOST_AT_ONCE or not", "            if not"
    ),
    Mutant(
        "NET-51",
        SLABS,
        "what a lost node may write to is used again",
        "                    self._retired.add(name)\n",
        "                    pass\n",
    ),
    Mutant(
        "NET-51",
        LENT,
        "what was not lent may be returned",
        "        if not slabs.arena().returned(place, self):\n",
        "        if slabs.arena().returned(place, self) is None:\n",
    ),
    Mutant(
        "NET-51",
        LENT,
        "what a node has that is down stays lent",
        "            slabs.arena().lost(self)\n",
        "            pass\n",
    ),
    Mutant(
        "NET-52",
        LENT,
        "files go while others have yet to find them",
        "                await lending.settle()\n",
        "                pass\n",
    ),
    Mutant(
        "NET-52",
        LENT,
        "it waits for who is gone",
        "            self._reached.set()\n        self._borrowed",
        "            pass\n        self._borrowed",
    ),
]
