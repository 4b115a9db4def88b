"""A supervisor whose children are on three processes of the system, of which some are killed (AC-35, AC-38, AC-57)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("supervised_program.py")


#: A node of this host that has a label, as the launcher is told of it.
NODE = """
[[node]]
name = "node-{number}"
listen = ["unix:{folder}/{number}"]
labels = ["worker"]
command = "{command}"
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What the program says, run once."""
    folder = tmp_path_factory.mktemp("nodes")
    told = {"folder": folder, "command": Path(sys.executable).with_name("actorpar")}
    nodes = [NODE.format(number=number, **told) for number in (1, 2, 3)]
    (folder / "nodes.toml").write_text("down_after = 1\n" + "".join(nodes))
    command = [sys.executable, "-m", "actorpar", "run", str(PROGRAM), "--config", str(folder / "nodes.toml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.parametrize(
    ("strategy", "lines"),
    [
        ("one_for_one", ["stop b", "start b"]),
        ("rest_for_one", ["stop b", "stop c", "start b", "start c"]),
        ("one_for_all", ["stop b", "stop c", "stop a", "start a", "start b", "start c"]),
    ],
)
def test_ac38_a_strategy_concerns_the_same_children_on_three_processes(
    said: list[dict[str, Any]], strategy: str, lines: list[str]
) -> None:
    (scene,) = [each for each in said if each.get("strategy") == strategy]
    assert scene["at_first"], "each child runs on the node of its spec"
    assert scene["lines"] == lines


@pytest.mark.parametrize("strategy", ["one_for_one", "rest_for_one", "one_for_all"])
def test_ac35_the_shutdown_of_a_supervisor_ends_its_children_on_all_processes_the_last_first(
    said: list[dict[str, Any]], strategy: str
) -> None:
    (scene,) = [each for each in said if each.get("strategy") == strategy]
    assert scene["ended"] == ["stop c", "stop b", "stop a"]


def test_ac57_the_children_of_a_node_that_is_killed_start_on_another_and_the_others_are_left_alone(
    said: list[dict[str, Any]],
) -> None:
    (scene,) = [each for each in said if "moved" in each]
    assert scene["spread"], "a label is served in turn"
    assert scene["moved"]
    assert scene["was"] == ["noconnection", "a"], "with what the last incarnation kept"


def test_ac57_a_child_ends_in_order_when_the_process_of_its_supervisor_is_killed(said: list[dict[str, Any]]) -> None:
    (scene,) = [each for each in said if "elsewhere" in each]
    assert scene["elsewhere"]
    assert scene["reason"].startswith("shutdown(")
    assert scene["lines"] == ["stop grandchild"]
