"""Nodes are killed while the heat program runs; it goes on from its last checkpoint and has the serial result."""

from __future__ import annotations

import pytest

from .running import ACTORPAR, APP, expected, running

SIZE = {"rows": 61, "columns": 83, "steps": 4000}


def on_nodes(count: int) -> list[str]:
    return [*ACTORPAR, "run", APP, "--nodes", str(count)]


def test_the_result_is_the_same_bit_for_bit_after_two_of_four_nodes_were_killed() -> None:
    with running(on_nodes(4), **SIZE, every=200) as run:
        run.until("step 400 of 4000 is kept")
        run.kill("node-2")
        first = run.until(r".*node-2 is down.* all begin again at step (\d+)")
        again = run.until(r"3 x 1 tiles from step (\d+) on, on node-1 \(pid \d+\), node-3 \(pid \d+\), node-4")
        run.until("step 2000 of 4000 is kept")
        run.kill("node-4")
        run.until(r"2 x 1 tiles from step (\d+) on, on node-1 \(pid \d+\), node-3 \(pid \d+\)$")
        assert run.result() == expected(**SIZE)
    assert int(first[1]) == int(again[1]) >= 400


def test_the_controller_goes_on_alone_when_all_nodes_were_killed() -> None:
    with running(on_nodes(2), **SIZE, every=200) as run:
        run.until("step 200 of 4000 is kept")
        run.kill("node-1")
        run.kill("node-2")
        run.until(r"1 x 1 tiles from step \d+ on, on controller")
        assert run.result() == expected(**SIZE)


@pytest.mark.parametrize("node", ["node-1", "node-3"])
def test_a_node_that_is_killed_as_the_tiles_start_costs_no_more_than_another_start(node: str) -> None:
    with running(on_nodes(3), rows=40, columns=50, steps=600, every=50) as run:
        run.until("3 x 1 tiles from step 0")
        run.kill(node)
        run.until(r".*all begin again at step")
        assert run.result() == expected(40, 50, 600)
