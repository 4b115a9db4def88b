"""The recipes of examples/mpi print the same in one process and on nodes, and are short enough to be read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "examples" / "mpi"
RECIPES = sorted(path.name for path in FOLDER.glob("*.py"))

#: How a recipe is started.
WAYS = {
    "alone": [sys.executable, "-W", "error", "{}"],
    "on four nodes more": [sys.executable, "-W", "error", "-m", "actorpar", "run", "{}", "--nodes", "4"],
}
#: What each prints, as a pattern for the whole of it.
PRINTS = {
    "deadlock.py": r"both on one node:\n"
    r"  Ann waits to receive letters to Ann\n  Ben waits to receive letters to Ben\n"
    r"  deadlock: (Ann -> Ben -> Ann|Ben -> Ann -> Ben)\n"
    r"(on two nodes:\n  Ann waits to receive letters to Ann\n)?",
    "point_to_point.py": r"0 squared is 0\n1 squared is 1\n2 squared is 4\n",
}


def run(way: str, recipe: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [word.format(FOLDER / recipe) for word in WAYS[way]],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_prints_the_same_wherever_it_runs(recipe: str, way: str) -> None:
    done = run(way, recipe)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(PRINTS[recipe], done.stdout), done.stdout


def test_a_deadlock_through_two_nodes_shows_each_node_its_half_and_no_ring() -> None:
    done = run("on four nodes more", "deadlock.py")
    assert done.stdout.partition("on two nodes:\n")[2] == "  Ann waits to receive letters to Ann\n"


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_has_at_most_60_lines(recipe: str) -> None:
    assert len((FOLDER / recipe).read_text(encoding="utf-8").splitlines()) <= 60


def test_every_recipe_is_known_here() -> None:
    assert sorted(PRINTS) == RECIPES
