"""What the environment says of the launcher that has started this process: whose it is, and how many ranks there are.

Every launcher tells its processes by variables who they are: Hydra (MPICH, Intel MPI) and Slurm's pmi2 by PMI_*, Open
MPI's by OMPI_COMM_WORLD_*, and what speaks PMIx by PMIX_*. Slurm says how many tasks a step has in any case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

OPEN_MPI: Final = "Open MPI"
MPICH: Final = "MPICH"
SLURM: Final = "Slurm"


@dataclass(frozen=True)
class Launch:
    """How this process was started. `size` is 0 where the launcher does not tell; by `PMI`, `PMIx`, or nothing."""

    launcher: str
    size: int
    by: str


def launch_in(environment: Mapping[str, str]) -> Launch | None:
    """The launcher that has started this process as one of several ranks, or None."""
    slurm = _number(environment, "SLURM_STEP_NUM_TASKS")
    in_step = _number(environment, "SLURM_STEP_ID") >= 0 and slurm > 0
    if "OMPI_COMM_WORLD_SIZE" in environment:
        return Launch(OPEN_MPI, _number(environment, "OMPI_COMM_WORLD_SIZE"), "PMIx")
    if "PMI_SIZE" in environment:
        return Launch(SLURM if in_step else MPICH, _number(environment, "PMI_SIZE"), "PMI")
    if "PMIX_RANK" in environment:
        return Launch(SLURM if in_step else OPEN_MPI, max(slurm, 0), "PMIx")
    if in_step and slurm > 1:
        return Launch(SLURM, slurm, "")
    return None


def _number(environment: Mapping[str, str], name: str) -> int:
    text = environment.get(name, "")
    return int(text) if text.isdecimal() else -1


def mismatch(launch: Launch, library: str) -> str:
    """What to do where a launcher has started several ranks and MPI sees one: `library` is the MPI that is loaded."""
    text = f"{launch.launcher} has started {launch.size or 'several'} ranks, and to {library} each of them is alone: "
    if launch.launcher == SLURM:
        wanted = "pmix" if OPEN_MPI in library else "pmi2"
        had = f"--mpi with {launch.by}" if launch.by else "no --mpi that it understands"
        return f"{text}srun was given {had}; start with srun --mpi={wanted}, and see srun --mpi=list for what there is"
    return (
        f"{text}two MPIs are mixed. Start with the mpiexec of the environment that mpi4py is installed in, which is "
        "beside its python, or with `actorpar run --mpi N`, which finds it"
    )
