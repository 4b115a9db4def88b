"""Bugs in teams: collectives, how a team breaks, and topologies (TM-1 to TM-13)."""

from __future__ import annotations

from .mutant import (
    TEAM,
    TEAM_CALLS,
    TEAM_CARTESIAN,
    TEAM_COLLECTIVES,
    TEAM_ENGINE,
    TEAM_MESH,
    TEAM_NEIGHBOURHOOD,
    TEAM_OPS,
    TEAM_PLACEMENT,
    Mutant,
)

TEAMS = [
    Mutant(
        "TM-01",
        TEAM_ENGINE,
        "of the records of others too few are passed on",
        "records[: self._size - have])",
        "records[: self._size - have - 1])",
    ),
    Mutant(
        "TM-01",
        TEAM_ENGINE,
        "a broadcast does not reach the last member",
        "        if place + bit < size:\n",
        "        if place + bit < size - 1:\n",
    ),
    Mutant(
        "TM-01",
        TEAM_OPS,
        "values are folded from the right",
        "    return functools.reduce(op, values)",
        "    return functools.reduce(op, values[::-1])",
    ),
    Mutant(
        "TM-01",
        TEAM_COLLECTIVES,
        "the scan of a large array leaves out its own",
        "            for member, prefix in enumerate(prefixes(op, theirs))",
        "            for member, prefix in enumerate([theirs[0], *prefixes(op, theirs)][: self._size])",
    ),
    Mutant(
        "TM-02",
        TEAM_ENGINE,
        "what comes is shared with who gave it",
        "    return [memoryview(bytearray(part)) if part.readonly else part for part in parts]",
        "    return list(parts)",
    ),
    Mutant(
        "TM-02",
        TEAM_ENGINE,
        "who gives does not wait until it is taken",
        "        for to in out:\n            if to != self._rank:\n                await self._receive(to)\n"
        "        return taken",
        "        return taken",
    ),
    Mutant(
        "TM-03",
        TEAM,
        "a cancelled caller takes its collective along",
        "        return await answer\n",
        "        try:\n            return await answer\n        except asyncio.CancelledError:\n"
        "            self._driver.cancel()\n            raise\n",
    ),
    Mutant(
        "TM-04",
        TEAM,
        "a root may be anybody",
        "        if type(root) is not int or not 0 <= root < self.size:",
        "        if type(root) is not int:",
    ),
    Mutant(
        "TM-05",
        TEAM_CALLS,
        "what is to be alike is not compared",
        "(call.number, call.kind, call.alike) != (first.number, first.kind, first.alike)",
        "(call.number, call.kind) != (first.number, first.kind)",
    ),
    Mutant(
        "TM-05",
        TEAM_MESH,
        "who hears that the team is broken drops what it has in hand",
        "        run_queue().loop.call_later(GRACE, self.fail, why)\n        return why",
        "        self.fail(why)\n        return why",
    ),
    Mutant(
        "TM-06",
        TEAM,
        "a member that fails leaves like any other",
        "            mesh.fail(TeamBroken(why))\n",
        "            pass\n",
    ),
    Mutant(
        "TM-06",
        TEAM_MESH,
        "that a member has gone is not told to who waits for it",
        "                if key[1] == source:\n",
        "                if key[1] == -1:\n",
    ),
    Mutant(
        "TM-07",
        TEAM,
        "who has not called is not named",
        "        if awaited is not None and awaited[1]:\n",
        "        if False:\n",
    ),
    Mutant(
        "TM-09",
        TEAM_CARTESIAN,
        "no axis closes",
        "            if closes:\n",
        "            if False:\n",
    ),
    Mutant(
        "TM-09",
        TEAM_CARTESIAN,
        "dims are not balanced",
        "key=lambda each: (each[0] - each[-1], each))",
        "key=lambda each: each[::-1])",
    ),
    Mutant(
        "TM-10",
        TEAM_NEIGHBOURHOOD,
        "both directions of an axis are mixed up",
        "[slot ^ 1 for slot, _ in slots]",
        "[slot for slot, _ in slots]",
    ),
    Mutant(
        "TM-11",
        TEAM_NEIGHBOURHOOD,
        "a sub-grid of a sub-grid names its members by their places there",
        "[self.members[place] for place in places]",
        "places",
    ),
    Mutant(
        "TM-12",
        TEAM_NEIGHBOURHOOD,
        "the sides of an edge need not agree",
        "            if sources.count(other) != destinations.count(rank):\n",
        "            if False:\n",
    ),
    Mutant(
        "TM-13",
        TEAM_PLACEMENT,
        "hosts get their places row by row",
        "    if block is None:\n",
        "    if True:\n",
    ),
]
