"""The heat program unchanged on the ranks of MPI: the serial result, also after the loss of a rank under ULFM."""

from __future__ import annotations

import re
import sys

import pytest

from tests.mpi.lanes import LANES

from .running import APP, asked, expected, run, running

PLAIN = "examples/heat/plain_mpi.py"


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize(("ranks", "grid"), [(1, "1 x 1"), (2, "1 x 1"), (3, "2 x 1"), (5, "2 x 2")])
def test_tiles_on_ranks_have_the_serial_result_bit_for_bit(
    lane: str, ranks: int, grid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in asked(rows=37, columns=53, steps=101, every=40).items():
        monkeypatch.setenv(name, value)
    done = LANES[lane].run(ranks, "-m", "actorpar", "run", APP)
    assert (done.returncode, done.stdout) == (0, expected(37, 53, 101)), done.stderr
    assert f"{grid} tiles from step 0 on, on rank-{min(1, ranks - 1)} (pid" in done.stderr


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("ranks", [1, 4])
def test_plain_mpi4py_has_the_serial_result_too(lane: str, ranks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in asked(rows=37, columns=53, steps=101).items():
        monkeypatch.setenv(name, value)
    done = LANES[lane].run(ranks, PLAIN)
    assert (done.returncode, done.stdout) == (0, expected(37, 53, 101)), done.stderr


def test_under_ulfm_a_rank_is_killed_and_the_run_completes_with_the_same_result() -> None:
    lane = LANES["openmpi"]
    lane.require()
    command = [str(lane.python), "-m", "actorpar", "run", APP, "--mpi", "4", "--supervised"]
    with running(command, rows=61, columns=83, steps=4000, every=200) as run:
        run.until("step 400 of 4000 is kept")
        run.kill("rank-2")
        again = run.until(r"2 x 1 tiles from step (\d+) on, on rank-1 \(pid \d+\), rank-3 \(pid \d+\)")
        assert run.result() == expected(61, 83, 4000)
    assert int(again[1]) >= 400


@pytest.mark.slow
def test_the_tables_have_a_row_for_each_number_of_tiles_and_the_same_result_from_all() -> None:
    LANES["mpich"].require()
    done = run([sys.executable, "examples/heat/scaling.py", "--runs", "1", "--tiles", "1", "2"])
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^\| [12] \| [\d.() ]+( \| [\d.() ]+ \| [\d.]+){2} \|$", done.stdout, re.M)) == 6, (
        done.stdout
    )
