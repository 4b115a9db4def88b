"""Nodes are killed while the heat program runs; it goes on from its last checkpoint and has the serial result."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .running import ACTORPAR, APP, LIMIT, ROOT, asked, expected

SIZE = {"rows": 61, "columns": 83, "steps": 4000}


class Run:
    """A run that tells how far it is."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pids: dict[str, int] = {}
        self.told: list[str] = []

    def until(self, pattern: str) -> re.Match[str]:
        """Read what it tells until a line begins like this."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.told.append(line)
            if re.match(r"\d+ x \d+ tiles from", line):
                self.pids = {name: int(pid) for name, pid in re.findall(r"(\S+) \(pid (\d+)\)", line)}
            if found := re.match(pattern, line):
                return found
        raise AssertionError(f"it never told {pattern!r}: {''.join(self.told)}")

    def kill(self, node: str) -> None:
        os.kill(self.pids[node], signal.SIGKILL)

    def result(self) -> str:
        """What it prints, once it has ended well."""
        printed, told = self._process.communicate(timeout=LIMIT)
        self.told += told.splitlines(keepends=True)
        assert self._process.returncode == 0, "".join(self.told)
        return printed


@contextmanager
def running(nodes: int, **options: object) -> Iterator[Run]:
    command = [*ACTORPAR, "run", APP, "--nodes", str(nodes)]
    with subprocess.Popen(
        command, cwd=ROOT, env=asked(**options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Run(process)
        finally:
            process.kill()


def test_the_result_is_the_same_bit_for_bit_after_two_of_four_nodes_were_killed() -> None:
    with running(4, **SIZE, every=200) as run:
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
    with running(2, **SIZE, every=200) as run:
        run.until("step 200 of 4000 is kept")
        run.kill("node-1")
        run.kill("node-2")
        run.until(r"1 x 1 tiles from step \d+ on, on controller")
        assert run.result() == expected(**SIZE)


@pytest.mark.parametrize("node", ["node-1", "node-3"])
def test_a_node_that_is_killed_as_the_tiles_start_costs_no_more_than_another_start(node: str) -> None:
    with running(3, rows=40, columns=50, steps=600, every=50) as run:
        run.until("3 x 1 tiles from step 0")
        run.kill(node)
        run.until(r".*all begin again at step")
        assert run.result() == expected(40, 50, 600)
