"""Under Slurm: ranks that `srun` starts, and the scripts of the page; skipped, with the reason, where it cannot run."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.launch.slurm import PACKAGES, CannotStart, Slurm, free_ports, running_slurm
from tests.mpi.lanes import LANES, Lane

#: The PMI by which each MPI is told of its ranks.
PMI = {"mpich": "pmi2", "openmpi": "pmix"}

#: A program of mpi4py alone: each rank tells its number, how many there are, and where it is.
PLAIN = """
import os
from mpi4py import MPI
world = MPI.COMM_WORLD
world.Barrier()
print(world.rank, "of", world.size, "on", os.environ["SLURMD_NODENAME"], flush=True)
"""
#: A program that loses the node of that name, and one that cannot do without it.
LOSING = """
import asyncio, os, signal
import actorpar as ap

async def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)

async def main() -> None:
    async with ap.ActorSystem() as system:
        await system.wait_for_nodes(2)
        try:
            await (await system.spawn(die, on="one"))
        except ap.NodeDown:
            print("left:", *(node.name for node in system.nodes), flush=True)

async def dependent() -> None:
    async with ap.ActorSystem() as system:
        await (await system.spawn(die, on="rank-1"))
"""
SUM = Path(__file__).with_name("app.py").read_text()
TOTAL = sum(number * number for number in range(1000))
SCRIPTS = Path(__file__).resolve().parents[2] / "docs/slurm"


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    with ExitStack() as stack:
        try:
            running = stack.enter_context(running_slurm(tmp_path_factory.mktemp("slurm")))
        except CannotStart as why:
            pytest.skip(str(why))
        yield running


@pytest.fixture(params=LANES)
def lane(slurm: Slurm, request: pytest.FixtureRequest) -> Lane:
    """An MPI that is installed, and whose PMI this Slurm has."""
    found: Lane = LANES[request.param]
    found.require()
    tried = slurm.srun(f"--mpi={PMI[found.name]}", "true")
    if "can not load PMIx library" in tried.stderr:
        pytest.skip(f"Slurm's plugin for PMIx finds no libpmix.so (apt-get install {PACKAGES})")
    assert tried.returncode == 0, tried.stderr
    return found


def run(slurm: Slurm, lane: Lane, text: str, function: str = "main", pmi: str = "") -> CompletedProcess[str]:
    """`srun … actorpar run` of a program on two ranks."""
    (slurm.folder / "app.py").write_text(text)
    words = ["--nodes=1", "--ntasks=2", f"--mpi={pmi or PMI[lane.name]}"]
    return slurm.srun(*words, str(lane.python), "-m", "actorpar", "run", f"app.py:{function}")


def submit(slurm: Slurm, script: str, text: str, words: dict[str, str], python: str = sys.executable) -> str:
    """Submit a script of the page, but for some words, with a program and a .venv beside it; what the job printed."""
    page = (SCRIPTS / script).read_text()
    for word, other in words.items():
        assert word in page
        page = page.replace(word, other)
    (slurm.folder / script).write_text(page)
    (slurm.folder / "app.py").write_text(text)
    programs = slurm.folder / ".venv" / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    (programs / "activate").write_text(f"export PATH={programs}:$PATH WANTED_NODES=2\n")
    (programs / "actorpar").write_text(f'#!/bin/sh\nexec {python} -m actorpar "$@"\n')
    (programs / "actorpar").chmod(0o755)
    return slurm.sbatch(script)


def addresses() -> dict[str, str]:
    """Those of the script without MPI, on loopback: its nodes are not two hosts. A node that is silent is soon down."""
    controller, *_ = free_ports(1)
    return {
        "$(hostname):7000": f"127.0.0.1:{controller}",
        "$(hostname):7001": "127.0.0.1:0",
        "app.py --name": "app.py --down-after 1 --name",
    }


@pytest.mark.parametrize("nodes", [1, 2])
def test_srun_starts_two_ranks_of_one_world_on_one_node_and_on_two(slurm: Slurm, lane: Lane, nodes: int) -> None:
    done = slurm.srun(f"--nodes={nodes}", "--ntasks=2", f"--mpi={PMI[lane.name]}", str(lane.python), "-c", PLAIN)
    assert (done.returncode, done.stderr) == (0, "")
    said = [line.partition(" on ") for line in sorted(done.stdout.splitlines())]
    assert [rank for rank, _, _ in said] == ["0 of 2", "1 of 2"]
    assert len({node for _, _, node in said}) == nodes


def test_a_program_runs_on_the_ranks_that_srun_has_started(slurm: Slurm, lane: Lane) -> None:
    done = run(slurm, lane, SUM)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"sum {TOTAL} by 1\n", "")


def test_ranks_that_are_alone_say_so_and_how_srun_is_to_be_called(slurm: Slurm, lane: Lane) -> None:
    done = run(slurm, lane, SUM, pmi="none")
    assert done.returncode != 0  # 1, or what Slurm says if it has killed the second one when the first one ended
    assert done.stdout == ""
    assert "WrongLauncher: Slurm has started 2 ranks" in done.stderr
    assert f"start with srun --mpi={PMI[lane.name]}" in done.stderr


def test_a_rank_that_is_killed_ends_the_job_and_the_traceback_of_who_needed_it_is_shown(
    slurm: Slurm, lane: Lane
) -> None:
    done = run(slurm, lane, LOSING, "dependent")
    assert done.returncode != 0
    assert "NodeDown: app:die: rank-1 is down" in done.stderr
    assert "rank 0 of 2 has failed, and the job ends" in done.stderr


def test_the_script_of_the_page_runs_four_ranks_on_two_nodes(slurm: Slurm, lane: Lane) -> None:
    words = {"--mpi=pmi2": f"--mpi={PMI[lane.name]}"}
    said = submit(slurm, "ranks.sbatch", SUM, words, str(lane.python))
    assert re.search(rf"^sum {TOTAL} by [123]$", said, re.MULTILINE), said


def test_the_script_of_the_page_runs_a_node_on_each_host_without_any_mpi(slurm: Slurm) -> None:
    said = submit(slurm, "nodes.sbatch", SUM, addresses())
    assert f"sum {TOTAL} by 2" in said.splitlines(), said


def test_a_node_without_mpi_that_is_killed_does_not_end_the_others(slurm: Slurm) -> None:
    said = submit(slurm, "nodes.sbatch", LOSING, addresses())
    assert "left: two" in said.splitlines(), said
