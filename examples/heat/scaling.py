"""How the heat program scales, beside plain mpi4py: tables of runs in turn, in Markdown.

    python examples/heat/scaling.py [--runs 5] [--tiles 1 2 4]

A run is timed from the plate at the controller, or at rank 0, to the result there; processes start before that. Strong:
the plate stays and is cut into more tiles. Weak: each tile has as many cells, and the plate grows.
"""

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
BESIDE = Path(sys.executable).parent


@dataclass(frozen=True)
class Case:
    """A plate for each number of tiles; rows and columns are of its inner cells."""

    title: str
    plate: Callable[[int], tuple[int, int]]
    steps: int


CASES = (
    Case("Strong scaling, large: 1000 x 1000 cells", lambda tiles: (1000, 1000), 300),
    Case("Strong scaling, small: 200 x 200 cells", lambda tiles: (200, 200), 3000),
    Case("Weak scaling: 500 x 500 cells for each tile", lambda tiles: (500 * tiles, 500), 600),
)
PLAIN = "mpi4py"
#: Who computes it -> the command that has so many tiles. Under MPI the controller is one rank more.
WAYS: dict[str, Callable[[int], list[str]]] = {
    PLAIN: lambda tiles: [*ranks(tiles), str(HERE / "plain_mpi.py")],
    "nodes": lambda tiles: [sys.executable, "-m", "actorpar", "run", str(HERE / "app.py"), "--nodes", str(tiles)],
    "nodes under mpiexec": lambda tiles: [*ranks(tiles + 1), "-m", "actorpar", "run", str(HERE / "app.py")],
}


def ranks(count: int) -> list[str]:
    """The beginning of a command that runs Python on so many ranks of the MPI of this Python."""
    beside = BESIDE / "mpiexec"
    return [str(beside if beside.exists() else "mpiexec"), "-n", str(count), sys.executable]


def timed(way: str, case: Case, tiles: int) -> tuple[float, str]:
    """One run: its seconds, and what it has printed."""
    rows, columns = case.plate(tiles)
    options = {"ROWS": rows + 2, "COLUMNS": columns + 2, "STEPS": case.steps, "EVERY": case.steps, "TILES": tiles}
    told = {f"HEAT_{name}": str(value) for name, value in options.items()}
    done = subprocess.run(
        WAYS[way](tiles), env=os.environ | {"OMP_NUM_THREADS": "1"} | told, capture_output=True, text=True, timeout=120
    )
    seconds = re.findall(r"^([\d.]+) s$", done.stderr, re.M)
    if done.returncode or len(seconds) != 1:
        raise SystemExit(f"{way}, {tiles} tiles: exit code {done.returncode}\n{done.stderr}")
    return float(seconds[0]), done.stdout


def measure(case: Case, tiles: int, runs: int) -> dict[str, list[float]]:
    """The seconds of each way, whose runs take turns, after one that does not count."""
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(runs + 1):
        printed = set()
        for way in WAYS:
            seconds, result = timed(way, case, tiles)
            printed.add(result)
            if number:
                taken[way].append(seconds)
        if len(printed) != 1:
            raise SystemExit(f"the results differ: {printed}")
    return taken


def show(case: Case, counts: list[int], runs: int) -> None:
    """Print the table of a case: milliseconds for a step, and their relation to those of plain mpi4py."""
    print(f"\n{case.title}, {case.steps} steps\n")
    print("| tiles | " + " | ".join(way if way == PLAIN else f"{way} | x" for way in WAYS) + " |")
    print("|---" * (2 * len(WAYS)) + "|")
    for tiles in counts:
        taken = measure(case, tiles, runs)
        plain = statistics.median(taken[PLAIN])
        cells = []
        for way, seconds in taken.items():
            median, best = statistics.median(seconds), min(seconds)
            cells.append(f"{median / case.steps * 1e3:.2f} ({best / case.steps * 1e3:.2f})")
            if way != PLAIN:
                cells.append(f"{median / plain:.1f}")
        print(f"| {tiles} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="How the heat program scales, beside plain mpi4py.")
    parser.add_argument("--runs", type=int, default=5, help="of which the median counts; default %(default)s")
    parser.add_argument("--tiles", type=int, nargs="+", default=[1, 2, 4], help="default: 1 2 4")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    machine = f"{cores} cores, Python {platform.python_version()}"
    print(f"{machine}; milliseconds for a step, median (best) of {options.runs} runs in turn; x of the medians")
    for case in CASES:
        show(case, options.tiles, options.runs)


if __name__ == "__main__":
    main()
