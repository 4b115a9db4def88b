"""The recipes of examples/mpi print the same in one process, on nodes and on ranks, and are short enough to be read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mpi.lanes import LANES

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "examples" / "mpi"
RECIPES = sorted(path.name for path in FOLDER.glob("*.py"))

#: What each prints, as a pattern for the whole of it.
PRINTS = {
    "alltoall.py": r"0 gave \[0, 1, 2, 3\] and has \[0, 10, 20, 30\]\n"
    r"1 gave \[10, 11, 12, 13\] and has \[1, 11, 21, 31\]\n"
    r"2 gave \[20, 21, 22, 23\] and has \[2, 12, 22, 32\]\n"
    r"3 gave \[30, 31, 32, 33\] and has \[3, 13, 23, 33\]\n",
    "broadcast.py": r"0 makes 100 steps\n1 makes 100 steps\n2 makes 100 steps\n3 makes 100 steps\n",
    "cartesian_shift.py": r"0 gets from 3, gives to 1, and has 31.250 degrees\n"
    r"1 gets from 0, gives to 2, and has 25.000 degrees\n"
    r"2 gets from 1, gives to 3, and has 18.750 degrees\n"
    r"3 gets from 2, gives to 0, and has 25.000 degrees\n",
    "deadlock.py": r"both on one node:\n"
    r"  Ann waits to receive letters to Ann\n  Ben waits to receive letters to Ben\n"
    r"  deadlock: (Ann -> Ben -> Ann|Ben -> Ann -> Ben)\n"
    r"(on two nodes:\n  Ann waits to receive letters to Ann\n)?in a team:\n"
    r"(  [01] is told: .* member 0 has called barrier\(\), and member 1 allgather\(int\)\n){2}",
    "gather.py": r"0 has all of \[0, 1, 8, 27\]\n"
    r"1 has given its part\n2 has given its part\n3 has given its part\n",
    "point_to_point.py": r"0 squared is 0\n1 squared is 1\n2 squared is 4\n",
    "reduce.py": r"0 has pi, 3.141593, which is wrong by 8e-10\n"
    r"1 has given its part\n2 has given its part\n3 has given its part\n",
    "scatter.py": r"0 adds \[0, 1, 2\] up to 3\n1 adds \[3, 4, 5\] up to 12\n2 adds \[6, 7, 8\] up to 21\n"
    r"3 adds \[9, 10, 11\] up to 30\n",
}


def alone(recipe: str) -> subprocess.CompletedProcess[str]:
    return python(f"examples/mpi/{recipe}")


def on_nodes(recipe: str) -> subprocess.CompletedProcess[str]:
    return python("-m", "actorpar", "run", f"examples/mpi/{recipe}", "--nodes", "4")


def python(*words: str) -> subprocess.CompletedProcess[str]:
    """Run Python with every warning an error, so that an end left open shows on standard error."""
    return subprocess.run(
        [sys.executable, "-W", "error", *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def check(done: subprocess.CompletedProcess[str], recipe: str) -> None:
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(PRINTS[recipe], done.stdout), done.stdout


def check_elsewhere(done: subprocess.CompletedProcess[str], recipe: str) -> None:
    """What only the deadlock shows: where it leads through two nodes, this one has its half and no ring."""
    check(done, recipe)
    assert ("on two nodes:" in done.stdout) == (recipe == "deadlock.py")


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_prints_in_one_process_what_it_is_about(recipe: str) -> None:
    check(alone(recipe), recipe)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_prints_the_same_on_nodes(recipe: str) -> None:
    check_elsewhere(on_nodes(recipe), recipe)


@pytest.mark.parametrize(("lane", "recipe"), [("mpich", recipe) for recipe in RECIPES] + [("openmpi", RECIPES[0])])
def test_a_recipe_prints_the_same_on_ranks(lane: str, recipe: str) -> None:
    check_elsewhere(LANES[lane].run(4, "-m", "actorpar", "run", f"examples/mpi/{recipe}"), recipe)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_has_at_most_64_lines(recipe: str) -> None:
    assert len((FOLDER / recipe).read_text(encoding="utf-8").splitlines()) <= 64


def test_every_recipe_is_known_here_and_listed_in_the_readme() -> None:
    assert sorted(PRINTS) == RECIPES
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [recipe for recipe in RECIPES if f"examples/mpi/{recipe}" not in readme] == []
