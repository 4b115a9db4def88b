"""The word count of the examples: the same totals on one process, on four, and on nodes that are killed."""

from __future__ import annotations

import os
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "examples/wordcount/wordcount.py"
ACTORPAR = [sys.executable, "-m", "actorpar"]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Some 4 MiB of text, in files small and large."""
    folder = tmp_path / "texts"
    folder.mkdir()
    sources = sorted(Path(os.__file__).parent.glob("*.py"))
    for path in sources[:120]:
        shutil.copy(path, folder)
    (folder / "large.py").write_bytes(b"".join(path.read_bytes() for path in sources[:60]))
    (folder / "empty.py").write_bytes(b"")
    return folder


def expected(folder: Path, times: int) -> str:
    """What the program prints, by another way: all text at once."""
    text = " ".join(path.read_text("utf-8", "replace") for path in sorted(folder.glob("*.py"))).lower()
    words = Counter({word: times * count for word, count in Counter(re.split(r"[^a-z]+", text)).items() if word})
    return f"{words.total()} words, {len(words)} different ones\n"


def environment(folder: Path, times: int, nodes: int = 0) -> dict[str, str]:
    told = {"WORDCOUNT_FOLDER": str(folder), "WORDCOUNT_TIMES": str(times), "WORDCOUNT_NODES": str(nodes)}
    return {**os.environ, **told}


def shares(report: str) -> dict[str, int]:
    return {name: int(share) for name, share in re.findall(r"^(\S+): (\d+)% of the pieces$", report, re.M)}


def test_one_process_and_four_count_the_same_and_each_has_its_share(texts: Path) -> None:
    one = subprocess.run(
        [sys.executable, PROGRAM], cwd=ROOT, env=environment(texts, 4), capture_output=True, text=True, timeout=60
    )
    four = subprocess.run(
        [*ACTORPAR, "run", PROGRAM, "--nodes", "4"],
        cwd=ROOT, env=environment(texts, 4), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert one.stdout.startswith(expected(texts, 4)), one.stderr
    assert four.stdout == one.stdout, four.stderr
    assert len(shares(four.stderr)) == 4
    assert min(shares(four.stderr).values()) >= 10
    assert len(re.findall(r"^node-\d: [\d,]+ bytes sent, [\d,]+ received$", four.stderr, re.M)) == 4


class Cluster:
    """A controller that counts, and three nodes that are linked to it over TCP."""

    def __init__(self, stack: ExitStack, told: dict[str, str]) -> None:
        self._stack = stack
        self._told = told
        self._made = 0
        self.nodes: list[subprocess.Popen[bytes]] = []
        command = [*ACTORPAR, "run", PROGRAM, "--listen", "tcp://127.0.0.1:0"]
        self.controller = subprocess.Popen(
            command, cwd=ROOT, env=told, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        stack.callback(self._end, self.controller)
        assert self.controller.stderr is not None
        self.address = self.controller.stderr.readline().split()[-1]
        for _ in range(3):
            self.add()

    def add(self) -> None:
        self._made += 1
        command = [*ACTORPAR, "node", PROGRAM, "--join", self.address, "--name", f"n{self._made}"]
        node = subprocess.Popen(command, cwd=ROOT, env=self._told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._stack.callback(self._end, node)
        self.nodes.append(node)

    def _end(self, process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
        process.kill()
        process.wait()

    def kill_one(self) -> None:
        """Kill the one that has run longest, so that it has work in hand, and have another one join."""
        node = self.nodes.pop(0)
        node.send_signal(signal.SIGKILL)
        node.wait()
        self.add()

    def is_running(self, seconds: float) -> bool:
        """Wait for a while; False: the controller has ended."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self.controller.poll() is not None:
                return False
            select.select([], [], [], min(left, 0.02))
        return True


@pytest.mark.parametrize(
    ("kills", "times"), [(3, 60), pytest.param(30, 500, marks=pytest.mark.slow)], ids=["3 kills", "30 kills"]
)
def test_the_count_is_exact_however_many_nodes_are_killed(texts: Path, kills: int, times: int) -> None:
    dice = random.Random(kills)
    with ExitStack() as stack:
        cluster = Cluster(stack, environment(texts, times, 3))
        assert cluster.is_running(2), "the three nodes are linked, and all have work"
        killed = 0
        while killed < kills and cluster.is_running(dice.uniform(0.7, 1.3)):
            cluster.kill_one()
            killed += 1
        counted, report = cluster.controller.communicate(timeout=300)
    assert counted.startswith(expected(texts, times)), report
    assert killed == kills, f"it was over after {killed} kills: {report}"
    again = re.search(r"(\d+) of them counted again", report)
    assert again is not None
    assert int(again[1]) >= kills, report
