"""What the environment says of the launcher, and what is said where it does not fit the MPI."""

from __future__ import annotations

import pytest

from actorpar.nodes.mpi.launchers import MPICH, OPEN_MPI, SLURM, Launch, cannot_begin, launch_in, mismatch, survives

STEP = {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4"}


@pytest.mark.parametrize(
    ("environment", "launch"),
    [
        ({}, None),
        ({"PMI_SIZE": "4", "PMI_RANK": "0"}, Launch(MPICH, 4, "PMI")),
        ({"OMPI_COMM_WORLD_SIZE": "2", "PMIX_RANK": "0"}, Launch(OPEN_MPI, 2, "PMIx")),
        ({"PMIX_RANK": "0"}, Launch(OPEN_MPI, 0, "PMIx")),
        (STEP, Launch(SLURM, 4, "")),
        ({**STEP, "PMI_SIZE": "4"}, Launch(SLURM, 4, "PMI")),
        ({**STEP, "PMIX_RANK": "0"}, Launch(SLURM, 4, "PMIx")),
        ({**STEP, "SLURM_STEP_NUM_TASKS": "1"}, None),
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4"}, None),
        ({"PMI_SIZE": "many"}, Launch(MPICH, 0, "PMI")),
    ],
)
def test_each_launcher_is_known_by_its_variables(environment: dict[str, str], launch: Launch | None) -> None:
    assert launch_in(environment) == launch


@pytest.mark.parametrize(
    ("launch", "library", "text"),
    [
        (Launch(SLURM, 4, ""), "MPICH Version: 5.0.2", "no --mpi that it understands; start with srun --mpi=pmi2"),
        (Launch(SLURM, 4, "PMI"), "Open MPI v5.0.11", "given --mpi with PMI; start with srun --mpi=pmix"),
        (Launch(MPICH, 2, "PMI"), "Open MPI v5.0.11", "MPICH has started 2 ranks, and to Open MPI v5.0.11 each"),
        (Launch(MPICH, 2, "PMI"), "Open MPI v5.0.11", "two MPIs are mixed. Start with the mpiexec of the environment"),
        (Launch(OPEN_MPI, 0, "PMIx"), "MPICH Version: 5.0.2", "Open MPI has started several ranks"),
        (Launch(MPICH, 2, "PMI"), "MPICH Version: 5.0.2", "one of them has started this program, which is no rank"),
    ],
)
def test_what_to_do_is_told_for_each_launcher(launch: Launch, library: str, text: str) -> None:
    assert text in mismatch(launch, library)


def test_only_mpich_under_the_launcher_of_open_mpi_would_end_before_it_can_say_why() -> None:
    assert cannot_begin(Launch(OPEN_MPI, 2, "PMIx"), "MPICH Version: 5.0.2")
    assert not cannot_begin(Launch(OPEN_MPI, 2, "PMIx"), "Open MPI v5.0.11")
    assert not cannot_begin(Launch(SLURM, 2, "PMIx"), "MPICH Version: 5.0.2")
    assert not cannot_begin(Launch(MPICH, 2, "PMI"), "Open MPI v5.0.11")


def test_ranks_survive_a_death_under_open_mpi_with_ulfm_alone() -> None:
    assert survives({"OMPI_MCA_mpi_ft_enable": "1"}, "Open MPI v5.0.11")
    assert not survives({}, "Open MPI v5.0.11")
    assert not survives({"OMPI_MCA_mpi_ft_enable": "1"}, "MPICH Version: 5.0.2")
