"""Every example runs as a person would run it, prints what it is about, and stays short enough to be read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = sorted(path.name for path in (ROOT / "examples").glob("*.py"))

#: What each program prints, as a pattern for the whole of it.
PRINTS = {
    "bank.py": r"30 from Ann to Ben\nAnn was killed, and is back\n"
    r"refused: Ann has only 70\nrefused: there is no Eve here\n",
    "broadcast.py": r"(?:(?:quick|slow) saw \d+ of 20 prices, and last of all 119\n){2}",
    "shared_array.py": r"1600 rows; their deviation was 1.41 and is 0.67\n",
    "collatz.py": r"77031 takes 350 steps\n",
    "dining_philosophers.py": r"(\w+ ate 20 times\n){5}",
    "duplicates.py": r"left out: gone \(No such file or directory\)\n"
    r"the same: 0.txt, 38.txt\nthe same: 1.txt, 39.txt\n",
    "fetch_titles.py": r"(Page \d\n){10}",
    "gate.py": r"the atlas did not answer capital within 0.05 s\nthe gate opens\n"
    r"looked up: Ghana\nlooked up: Japan\nlooked up: Malta\n\['Accra', 'Tokyo', 'Valletta'\]\n"
    r"looked up: Malta\nValletta\n",
    "heartbeat.py": r"pump: killed\nfan: silent for 0.5 s\n",
    "pipeline.py": r"raw: capacity 4, peak 4\nready: capacity 4, peak 4\nsum of 100 squares: 328350\n",
    "pipeline_stages.py": r"left out by parse: '10.0.0.1 POST /form' \(not a visit: POST\)\nstage .*\nparse .*\n"
    r"country_of .*\n\(results\) .*\nbottleneck: \w+\nleft out by parse: '# rotated' .*\n"
    r"198 visits, 21 requests sent again\nChile: 56\nGhana: 29\nJapan: 57\nMalta: 56\n",
    "prime_sieve.py": r"2 3 5 7 11 13 17 19 23 29 31 37 41 43 47 53 59 61 67 71 73 79 83 89 97 101 103 107 109 113\n",
    "rate_limit.py": r"25 requests, 5 of them at once, took at least 0.19 s: True\n",
    "select_timeout.py": r"order CALIBRATE\nreading 20.5\nreading 21.0\nreading 21.5\nsilence for 0.2 s: giving up\n",
    "sensors.py": r"so far: .*\nhighest reading, cellar: 24.4\nhighest reading, roof: 23.5\n",
    "threads.py": r"total so far: 31125\ntotal so far: 124750\ntotal so far: 280875\ntotal so far: 499500\n",
    "workers.py": r"(\w+: \d\n){8}9 results from 4 workers\n",
}


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the folder with every warning an error, so that an end left open shows on standard error."""
    return subprocess.run(
        [sys.executable, "-W", "error", f"examples/{program}", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_example_ends_well_and_prints_what_it_is_about(program: str) -> None:
    done = run(program)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(PRINTS[program], done.stdout), done.stdout


def test_careless_philosophers_deadlock_and_are_told_in_which_ring_they_wait() -> None:
    done = run("dining_philosophers.py", "--careless")
    assert done.returncode == 0
    assert done.stdout == "nobody can eat; the report above tells why\n"
    assert "Kant waits to send to right of Kant, whose other end fork 1 owns" in done.stderr
    assert "in a ring: Hume -> fork 2 -> Mill -> fork 3 -> Marx -> fork 4 -> Sartre -> fork 0 -> Kant" in done.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_example_has_fewer_than_80_lines(program: str) -> None:
    assert len((ROOT / "examples" / program).read_text(encoding="utf-8").splitlines()) < 80


def test_every_example_is_known_here_and_listed_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert sorted(PRINTS) == PROGRAMS
    assert [program for program in PROGRAMS if program not in readme] == []
