"""What a system shows of its nodes (`actorpar top`)."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Callable

import actorpar as ap
from actorpar.observe import view
from actorpar.observe.nodesview import node_rows, size_text
from actorpar.observe.snapshot import SystemSnapshot
from tests.nodes.meshed import mesh
from tests.remote.subjects import Counter
from tests.remote.test_remote_actors import two_systems

PATIENCE = 5


async def looked(system: ap.ActorSystem, good: Callable[[SystemSnapshot], bool] = lambda _: True) -> SystemSnapshot:
    """A snapshot in which all nodes have said how they are, and that is good."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = system.snapshot()
            if all(row["rss"] is not None for row in found["nodes"]) and good(found):
                return found
            await asyncio.sleep(0.01)  # the answers come by themselves, and tell nobody


async def test_a_node_says_how_it_is_when_somebody_looks_and_not_before() -> None:
    async with two_systems() as two:
        counter = await two.here.spawn(Counter, on="n1")
        first = two.here.snapshot()["nodes"]
        assert [(row["name"], row["rss"] is None) for row in first] == [("n0", False), ("n1", True)]
        now = await looked(two.here)
        own, other = now["nodes"]
        assert (own["pid"], other["pid"]) == (os.getpid(), os.getpid())
        assert other["state"] == "up"
        assert other["python"] == platform.python_version()
        assert other["rss"] is not None
        assert other["rss"] > 1 << 20
        assert min(other["sent"], other["received"]) > 0
        for _ in range(50):
            await counter.ask(Counter.add, 1)
        later = await looked(two.here, lambda found: found["nodes"][1]["messages"] == 50)
        assert later["nodes"][1]["actors"] == 1


async def test_the_picture_has_a_line_for_each_node_with_its_rates() -> None:
    async with two_systems() as two:
        before = await looked(two.here)
        now = await looked(two.here, lambda found: found["nodes"][1]["clock"] != before["nodes"][1]["clock"])
        lines = view.as_text(now, before, "tree").splitlines()
        table = lines[lines.index("") + 1 :]
        assert table[0].split()[:5] == ["node", "state", "cores", "load", "cpu"]
        assert [line.split()[:2] for line in table[1:3]] == [["n0", "up"], ["n1", "up"]]
        assert all(cells[4].endswith("%") for cells in node_rows(now, before))
        assert all(cells[4] == "-" for cells in node_rows(now, None))


async def test_a_node_that_is_gone_is_shown_no_more() -> None:
    async with mesh(2) as nodes, ap.ActorSystem("n0", node=nodes.nodes[0]) as system:
        assert [row["name"] for row in system.snapshot()["nodes"]] == ["n0", "n1"]
        await nodes.nodes[1].close()
        assert [row["name"] for row in (await looked(system, lambda found: len(found["nodes"]) == 1))["nodes"]] == [
            "n0"
        ]


async def test_a_system_without_nodes_shows_none() -> None:
    async with ap.ActorSystem() as system:
        assert system.snapshot()["nodes"] == []
        assert view.as_text(system.snapshot(), None, "tree").splitlines()[3].startswith("actor")


def test_sizes_are_short() -> None:
    assert [size_text(size) for size in (0, 999, 1500, 123_456, 35_856_384, 7 * 10**9)] == [
        "0 B", "999 B", "1.5 kB", "123 kB", "35.9 MB", "7.0 GB",
    ]  # fmt: skip
