"""`actorpar run` on ranks of MPI, as users start it, on MPICH and on Open MPI."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actorpar.channels import env
from tests.mpi.lanes import LANES, ROOT, Lane

PROGRAM = "tests/mpi/program.py"
#: Seconds that a job may take.
LIMIT = 30.0
#: Seconds in which the processes of a job are gone, once its launcher is.
GONE = 5.0


def _code(code: int, errors: str) -> int:
    """The exit code of a job. MPICH's launcher tells 9 now and then for a job that a rank has ended with another code:
    when it sees first the end of a rank that it has killed for that. What it prints is the code of the rank."""
    asked = re.search(r"application called MPI_Abort\(comm=\w+, (\d+)\)", errors)
    return int(asked[1]) if code == 9 and asked is not None else code


class Jobs:
    """Starts jobs whose processes can be found, and whose temporary folder is their own."""

    def __init__(self, lane: Lane, folder: Path) -> None:
        lane.require()
        self.lane = lane
        self.folder = folder
        self.mark = f"MARK={env.new_id()}"

    def environment(self, **more: str) -> dict[str, str]:
        name, _, value = self.mark.partition("=")
        return {**self.lane.environment(), "TMPDIR": str(self.folder), name: value, **more}

    def start(self, command: list[str], **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command, env=self.environment(**more), cwd=ROOT, text=True, errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def finish(self, job: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
        """Its end, which comes in time and leaves no process."""
        try:
            out, errors = job.communicate(timeout=LIMIT)
        finally:
            job.kill()
            alive = self.alive()
            for process in alive:
                os.kill(process, signal.SIGKILL)
        assert alive == [], "processes of the job are left"
        return subprocess.CompletedProcess(job.args, _code(job.returncode, errors), out, errors)

    def run(self, ranks: int, function: str, *options: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a function of the program on so many ranks."""
        return self.finish(self.start(self.of_program(ranks, function, *options), **more))

    def of_program(self, ranks: int, function: str, *options: str) -> list[str]:
        return self.lane.command(ranks, "-m", "actorpar", "run", f"{PROGRAM}:{function}", *options)

    def alone(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """`actorpar` in one process of this MPI's Python."""
        return self.finish(self.start([str(self.lane.python), "-m", "actorpar", *words], **more))

    def alive(self) -> list[int]:
        """The processes of these jobs that do not end."""
        return [process for process in list(self._processes()) if not _ends(process)]

    def _processes(self) -> Iterator[int]:
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if self.mark.encode() in path.read_bytes().split(b"\0"):
                    yield int(path.parent.name)
            except OSError:  # it has ended just now, or is of another user
                continue

    def leftovers(self) -> list[str]:
        """What is left of ours in the folder for temporary files."""
        return [path.name for path in self.folder.iterdir() if path.name.startswith("actorpar")]


def _ends(process: int) -> bool:
    try:
        watched = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([watched], [], [], GONE)[0])
    finally:
        os.close(watched)


@pytest.fixture(params=LANES)
def jobs(request: pytest.FixtureRequest, tmp_path: Path) -> Jobs:
    return Jobs(LANES[request.param], tmp_path)


@pytest.fixture
def mpich(tmp_path: Path) -> Jobs:
    return Jobs(LANES["mpich"], tmp_path)


@pytest.fixture
def openmpi(tmp_path: Path) -> Jobs:
    return Jobs(LANES["openmpi"], tmp_path)


def cores() -> int:
    return len(os.sched_getaffinity(0))


# -- what ranks do


@pytest.mark.parametrize("ranks", [2, 4])
def test_actors_processes_and_channels_work_between_ranks_by_the_best_route(jobs: Jobs, ranks: int) -> None:
    done = jobs.run(ranks, "main")
    assert done.returncode == 0, done.stderr
    route = "pipe" if ranks > cores() else "mpi"
    others = [f"rank-{rank}" for rank in range(1, ranks)]
    counted = [f"(4950, {rank})" for rank in range(1, ranks)]
    assert done.stdout.splitlines() == [f"linked by {route} {others}", f"counted {' '.join(counted)}"]
    assert jobs.leftovers() == []


def test_a_route_can_be_chosen(mpich: Jobs) -> None:
    for route, medium in (("mpi", "mpi"), ("socket", "pipe")):
        done = mpich.run(3, "main", ACTORPAR_MPI_ROUTE=route)
        assert done.stdout.startswith(f"linked by {medium} "), done.stderr


def test_run_starts_the_ranks_itself_with_what_its_mpi_needs(jobs: Jobs) -> None:
    needs = [name for name in jobs.lane.environment() if name.startswith(("OMPI_", "PRTE_"))]
    command = [str(jobs.lane.python), "-m", "actorpar", "run", "--mpi", "4", f"{PROGRAM}:main"]
    done = jobs.finish(jobs.start(["env", *(f"-u{name}" for name in needs), *command]))
    assert done.returncode == 0, done.stderr
    assert "counted (4950, 1) (4950, 2) (4950, 3)" in done.stdout


def test_with_spmd_every_rank_runs_main_and_what_comes_before_its_system_waits_for_it(jobs: Jobs) -> None:
    done = jobs.run(2, "each_meets_the_next", "--spmd")
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == ["rank 0 has counted 1 at 1", "rank 1 has counted 1 at 0"]


def test_the_program_s_own_calls_of_mpi4py_go_on_beside_ours(jobs: Jobs) -> None:
    done = jobs.run(2, "beside_mpi4py", "--spmd")
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        "rank 0 has counted 1225 at 1, of 2",
        "rank 1 has counted 1225 at 0, of 2",
    ]


def test_mpi_that_was_begun_before_is_used_and_left_to_who_has_begun_it(mpich: Jobs) -> None:
    begin = "import sys; from mpi4py import MPI; from actorpar import cli; code = cli.main(sys.argv[1:])"
    then = "assert not MPI.Is_finalized(); print('code', code, 'of', MPI.COMM_WORLD.allreduce(1))"
    command = mpich.lane.command(2, "-c", f"{begin}; {then}", "run", f"{PROGRAM}:main")
    done = mpich.finish(mpich.start(command))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["code 0 of 2", "code 0 of 2"]


# -- how they end

#: How a rank fails -> the exit codes under MPICH and Open MPI, and what the job says. Of a rank that just leaves
#: MPICH's launcher tells the code, or 9, if it sees first the end of the other one, which it has killed for that.
DEATHS = {
    "killed": ({9}, {137}, ""),
    "left": ({3, 9}, {3}, ""),
    "asked": ({5}, {5}, "has called sys.exit(5), and the job ends"),
    "raises": ({1}, {1}, "ValueError: of the program, at rank"),
}


@pytest.mark.parametrize("fault", DEATHS)
def test_a_rank_that_fails_ends_the_job_with_its_exit_code(jobs: Jobs, fault: str) -> None:
    under_mpich, under_openmpi, text = DEATHS[fault]
    for rank in (0, 1) if jobs.lane.name == "mpich" else (1,):  # Open MPI takes its time
        done = jobs.run(2, "one_fails", "--spmd", FAULT=fault, RANK=str(rank))
        assert f"rank {rank} fails" in done.stdout
        assert done.returncode in (under_mpich if jobs.lane.name == "mpich" else under_openmpi), done.stderr
        assert text in done.stderr
        assert ("Traceback" in done.stderr) is (fault == "raises")


@pytest.mark.parametrize("fault", ["import", "thread"])
def test_so_does_one_that_fails_on_import_or_has_a_thread_that_never_ends(jobs: Jobs, fault: str) -> None:
    done = jobs.run(2, "one_fails", "--spmd", FAULT=fault, RANK="1")
    assert done.returncode == 1
    assert "ValueError: of the program, at rank 1" in done.stderr
    assert "actorpar: rank 1 of 2 has failed, and the job ends" in done.stderr


def test_sys_exit_counts_wherever_it_is_called(jobs: Jobs) -> None:
    for rank in (0, 1) if jobs.lane.name == "mpich" else (0,):
        done = jobs.run(2, "fails", FAULT="asked", RANK=str(rank))
        assert done.returncode == 5, done.stderr
        assert f"rank {rank} of 2 has called sys.exit(5), and the job ends" in done.stderr


def test_a_worker_that_dies_ends_a_job_that_waits_for_another_one(mpich: Jobs) -> None:
    done = mpich.run(4, "fails", FAULT="killed", RANK="3")
    assert done.returncode in (1, 9), done.stderr  # the launcher has seen it first, or rank 0 has


def test_a_rank_that_returns_while_another_one_asks_it_gives_that_an_error(mpich: Jobs) -> None:
    done = mpich.run(2, "one_returns", "--spmd")
    assert "rank 1 waits" in done.stdout
    assert done.returncode == 1
    assert "actorpar: rank 1 of 2 has failed, and the job ends" in done.stderr


def test_no_folder_is_left_after_the_next_job_whatever_the_last_one_has_died_of(mpich: Jobs) -> None:
    for fault in ("killed", "raises"):
        mpich.run(2, "one_fails", "--spmd", FAULT=fault)
    mpich.run(2, "main")
    assert mpich.leftovers() == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_to_the_launcher_ends_all_ranks(jobs: Jobs, number: signal.Signals, code: int) -> None:
    job = jobs.start(jobs.of_program(2, "each_waits", "--spmd"))
    assert job.stdout is not None
    told = sorted([job.stdout.readline(), job.stdout.readline()])
    assert told == ["here 0\n", "here 1\n"]
    job.send_signal(number)
    done = jobs.finish(job)
    if jobs.lane.name == "mpich":
        assert {"ended 0", "ended 1"} <= set(done.stdout.splitlines()), "the blocks have ended"
        assert done.returncode == code
    else:  # it ends the ranks as it likes, and says 1
        assert done.returncode != 0


# -- supervised


def test_under_open_mpi_a_rank_may_die_and_the_others_go_on(openmpi: Jobs) -> None:
    run = ("run", "--mpi", "3", "--supervised", f"{PROGRAM}:goes_on")
    done = openmpi.alone(*run, FAULT="killed", RANK="1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "rank 1 fails",
        "told app:die: rank-1 is down: its process has ended",
        "ActorDead of a counter",
        "counted 0 2",
        "events lost rank-1",
    ]
    assert openmpi.leftovers() == []


def test_supervised_ranks_that_all_live_end_in_peace(openmpi: Jobs) -> None:
    done = openmpi.alone("run", "--mpi", "2", "--supervised", f"{PROGRAM}:main")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["linked by pipe ['rank-1']", "counted (4950, 1)"]
    assert openmpi.leftovers() == []


def test_supervised_is_refused_where_a_rank_that_dies_ends_the_job(mpich: Jobs, openmpi: Jobs) -> None:
    for done in (
        mpich.alone("run", "--mpi", "2", "--supervised", PROGRAM),
        mpich.run(2, "main", "--supervised"),
        openmpi.run(2, "main", "--supervised"),
    ):
        assert done.returncode == 1
        assert "MpiError: --supervised needs Open MPI" in done.stderr


# -- what cannot work


def test_two_mpis_that_are_mixed_are_told_with_the_way_out(mpich: Jobs, openmpi: Jobs) -> None:
    for launched, python in ((mpich, openmpi), (openmpi, mpich)):
        words = [str(launched.lane.mpiexec), "-n", "2", str(python.lane.python), "-m", "actorpar", "run", PROGRAM]
        done = launched.finish(launched.start(words))
        assert done.returncode != 0
        assert "WrongLauncher" in done.stderr
        assert "two MPIs are mixed. Start with the mpiexec of the environment that mpi4py is in," in done.stderr


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ({"PMI_SIZE": "4", "PMI_RANK": "0"}, "MPICH has started 4 ranks, and to MPICH"),
        ({"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4"}, "start with srun --mpi=pmi2"),
    ],
)
def test_a_rank_that_is_alone_though_several_were_started_says_so(mpich: Jobs, told: dict[str, str], text: str) -> None:
    done = mpich.alone("run", PROGRAM, **told)
    assert done.returncode == 1
    assert re.search(rf"WrongLauncher: .*{re.escape(text)}", done.stderr)


def test_without_mpi4py_the_line_that_brings_it_is_told(mpich: Jobs, tmp_path: Path) -> None:
    hidden = tmp_path / "mpi4py.py"
    hidden.write_text("raise ModuleNotFoundError(\"No module named 'mpi4py'\")")
    done = mpich.run(2, "main", PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert done.returncode == 1
    assert "MpiMissing: MPI cannot be loaded: No module named 'mpi4py'" in done.stderr
    assert "pip install 'actorpar[mpi]'" in done.stderr


def test_without_a_launcher_the_line_that_brings_one_is_told(mpich: Jobs, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    words = "import sys; from actorpar import cli; sys.executable = sys.argv.pop(1); sys.exit(cli.main(sys.argv[1:]))"
    run = [str(mpich.lane.python), "-c", words, str(python), "run", "--mpi", "2", PROGRAM]
    done = mpich.finish(mpich.start(run, PATH=str(tmp_path)))
    assert done.returncode == 1
    assert "MpiError: there is no mpiexec beside" in done.stderr
    assert "pip install 'actorpar[mpi]'" in done.stderr


def test_options_that_the_launcher_has_decided_are_refused_and_so_is_an_unknown_route(mpich: Jobs) -> None:
    done = mpich.run(2, "main", "--nodes", "3", "--join", "tcp://127.0.0.1:1")
    assert done.returncode == 1
    assert "MpiError: --join, --nodes cannot be given to ranks of MPI" in done.stderr
    done = mpich.run(2, "main", ACTORPAR_MPI_ROUTE="fast")
    assert done.returncode == 1
    assert "'fast' is no route of ranks: ACTORPAR_MPI_ROUTE is one of auto, mpi, socket" in done.stderr
