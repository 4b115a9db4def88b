"""Ranks of MPI: our links and channels beside mpi4py's own calls, in one job of mpiexec for each group.

`C` is the limit: a ping-pong of MPI_Send and MPI_Recv in C, compiled by the MPI's own mpicc, in a job of its own.
"""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.mpi.lanes import LANES, Lane

from .cases import NO_LOOP, Case, Group, LoopFactory, Trial
from .measure import Sample
from .told import Around, Told, held, told

#: name of a group: (its contestants, items, what is compared)
SHAPES: dict[str, tuple[tuple[str, ...], int, str]] = {
    "latency": (
        ("mpi4py Send", "mpi4py send", "actorpar, link", "actorpar, channel", "uvloop streams"), 5_000,
        "64 B to the other rank and back, each way",
    ),
    "one way": (
        ("mpi4py Send", "mpi4py send", "actorpar, channel", "actorpar, send_many"), 64_000,
        "64 B, one behind the other",
    ),
    "64 KiB": (("mpi4py Send", "actorpar, channel"), 3_000, "arrays of 64 KiB, one behind the other"),
    "16 MiB": (("mpi4py Send", "actorpar, channel"), 100, "arrays of 16 MiB, one behind the other"),
    "allreduce": (
        ("mpi4py allreduce", "mpi4py Allreduce", "actorpar, team"), 3_000, "64 B of all ranks, reduced at all",
    ),
}  # fmt: skip
CROWDED = "4 ranks on 2 cores, 64 B"
ROUTES = ("socket", "auto", "mpi")
C_PROGRAM = Path(__file__).with_name("mpi_ping_pong.c")


def _start(lane: Lane, ranks: int, route: str) -> Told:
    """Ranks that do what they are told, one thing after the other."""
    return Told(lane.command(ranks, "-m", "tests.bench.rank_program", route), lane.environment())


def _job(lane: Lane) -> Around:
    """Two ranks for all contestants of a group."""
    return held(lambda: _start(lane, 2, "mpi"))


def _crowded(lane: Lane, route: str) -> Trial:
    """A job for each sample: ranks that wait for their turn would spin on the cores of those that have it."""

    def trial(items: int, loop_factory: LoopFactory) -> Sample:
        job = _start(lane, 4, route)
        try:
            each = job.measure("latency: actorpar, channel", items)
        finally:
            job.close()
        return Sample(items, each * items, each * items, each)

    return trial


def _in_c(lane: Lane) -> Trial:
    def trial(items: int, loop_factory: LoopFactory) -> Sample:
        with tempfile.TemporaryDirectory() as folder:
            program = f"{folder}/ping-pong"
            compiler = str(lane.python.parent / "mpicc")
            subprocess.run([compiler, "-O2", "-o", program, str(C_PROGRAM)], check=True, env=lane.environment())
            command = [str(lane.mpiexec), "-n", "2", program, str(items)]
            ran = subprocess.run(command, check=True, capture_output=True, text=True, env=lane.environment())
        each = float(ran.stdout)
        return Sample(items, each * items, each * items, each)

    return trial


def groups() -> list[Group]:
    found = []
    for name, lane in LANES.items():
        for shape, (contestants, items, what) in SHAPES.items():
            cases: list[Any] = [Case(each, told(f"{shape}: {each}")) for each in contestants]
            if shape == "latency":
                cases.append(Case("C", _in_c(lane)))
            group = f"ranks, {name}, {shape}"
            found.append(Group(group, what, items, tuple(cases), "us", least=64, loops=(NO_LOOP,), around=_job(lane)))
        found.append(
            Group(
                f"ranks, {name}, idle", "the share of a core that an idle rank takes, in millionths", 1,
                (Case("actorpar", told("idle: actorpar")),), "us", loops=(NO_LOOP,), around=_job(lane),
            )
        )  # fmt: skip
        found.append(
            Group(
                f"ranks, {name}, {CROWDED}", "two pairs at once, typed channels; each way", 1_000,
                tuple(Case(f"actorpar, {route}", _crowded(lane, route)) for route in ROUTES), "us", loops=(NO_LOOP,),
            )
        )  # fmt: skip
    return found
