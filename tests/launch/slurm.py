"""Slurm on this host, for the tests: its daemons in a temporary folder, and two nodes, `one` and `two`, both here.

It touches nothing of a Slurm that this host may have: configuration, state, sockets, ports and the key of MUNGE are its
own, and the daemons run as whoever runs the tests. To Slurm, and to an MPICH that it starts, the nodes are two hosts:
ranks of both talk over the network, ranks of one through memory.
"""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NODES = ("one", "two")
#: Tasks that run on a node at a time, however many cores there are.
TASKS = 4
#: Seconds until both nodes take jobs, and until a daemon that was told to end has ended.
PATIENCE = 20.0
#: What is needed of Debian; the last is for `--mpi=pmix` alone, whose plugin asks for the name libpmix.so.
PACKAGES = "munge slurmctld slurmd slurm-client libpmix-dev"

#: Job ids begin anywhere below. MPICH names what the ranks of a node share by the id of their job, and an aborted job
#: leaves that in /dev/shm: a job of another run with the same id would find it, and fail in MPI_Init.
_JOB_IDS = 60_000_000

#: Debian has the daemons where only root's PATH leads.
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])

_CONFIGURATION = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
StateSaveLocation={folder}
SlurmdSpoolDir={folder}/%n
TmpFS={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
FirstJobId={first}
SchedulerParameters=batch_sched_delay=0
SlurmdParameters=config_overrides
KillWait=2
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 Port={one} CPUs={tasks}
NodeName=two NodeHostname={host} NodeAddr=127.0.0.1 Port={two} CPUs={tasks}
PartitionName=all Nodes=one,two Default=YES MaxTime=10 State=UP
"""


class CannotStart(Exception):
    """Slurm does not run here; the text says why."""


class Slurm:
    """A running cluster. All that it starts has `SLURM_CONF` in its environment, a path that nobody else has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.configuration = folder / "slurm.conf"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "PMI", "OMPI"))}
        mine = {"SLURM_CONF": str(self.configuration), "PATH": _PATH, "PYTHONPATH": str(ROOT)}
        self.environment = kept | mine

    def call(self, *words: str, seconds: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Run a command of Slurm in the folder. One that takes longer is ended with its job, and fails the test."""
        pipe = subprocess.PIPE
        command = subprocess.Popen(
            words, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
        )
        try:
            out, err = command.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            command.terminate()  # srun takes its job with it
            out, err = command.communicate(timeout=PATIENCE)
            raise AssertionError(f"{' '.join(words)} took more than {seconds:g} s\n{out}{err}") from None
        return subprocess.CompletedProcess(words, command.returncode, out, err)

    def srun(self, *words: str, seconds: float = 30.0) -> subprocess.CompletedProcess[str]:
        """`srun --quiet --kill-on-bad-exit …`: a job whose first task that fails ends the others."""
        return self.call("srun", "--quiet", "--kill-on-bad-exit", *words, seconds=seconds)

    def sbatch(self, script: str) -> str:
        """Submit a script of the folder; what its job printed. AssertionError with that unless it ends with 0.

        Whether it has ended is told by a job that waits for it: `sbatch --wait` looks only every few seconds.
        """
        job = self.call("sbatch", "--parsable", f"--output={script}.out", script).stdout.strip()
        self.srun(f"--dependency=afterany:{job}", "true")
        said = (self.folder / f"{script}.out").read_text()
        state = self.call("scontrol", "--oneliner", "show", "job", job).stdout
        assert " ExitCode=0:0 " in state, state + said
        return said

    def is_idle(self) -> bool:
        """True if every node takes jobs."""
        seen = self.call("sinfo", "--noheader", "--Node", "--format=%N %T").stdout.splitlines()
        return sorted(seen) == [f"{node} idle" for node in NODES]

    def survivors(self) -> list[int]:
        """The processes that this cluster has started and that live."""
        mark = f"SLURM_CONF={self.configuration}".encode()
        return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if mark in _read(path)]


@contextmanager
def running_slurm(folder: Path) -> Iterator[Slurm]:
    """Slurm with its files in `folder`, until the block ends, and its jobs with it. CannotStart where it cannot run."""
    missing = [name for name in ("munged", "slurmctld", "slurmd", "srun") if shutil.which(name, path=_PATH) is None]
    if missing:
        raise CannotStart(f"Slurm is not installed: no {', '.join(missing)} (apt-get install {PACKAGES})")
    slurm = Slurm(folder)
    _configure(slurm)
    with ExitStack() as stack:

        def start(name: str, *words: str) -> None:
            daemons[name] = stack.enter_context(_daemon(slurm, name, *words))

        daemons: dict[str, subprocess.Popen[bytes]] = {}
        start("munge", *_munge(folder))
        _wait(slurm, daemons, (folder / "munge.sock").exists)
        start("controller", "slurmctld", "-D", "-i")
        for node in NODES:
            start(node, "slurmd", "-D", "-N", node)
        _wait(slurm, daemons, slurm.is_idle)
        yield slurm
        slurm.call("scancel", "--full", f"--user={getpass.getuser()}")
    left = slurm.survivors()
    for process in left:
        os.kill(process, signal.SIGKILL)
    assert not left, f"processes outlived Slurm: {left}"


def _munge(folder: Path) -> list[str]:
    """How MUNGE is started; forced, for it wants a folder that all users can enter, and there is only one here."""
    paths = {"socket": "munge.sock", "key-file": "munge.key", "pid-file": "munge.pid", "seed-file": "munge.seed"}
    named = [f"--{option}={folder / name}" for option, name in paths.items()]
    return ["munged", "--foreground", "--force", "--num-threads=10", f"--log-file={folder / 'munge.log'}", *named]


def _configure(slurm: Slurm) -> None:
    """Write the configuration and the key."""
    controller, one, two = free_ports(3)
    text = _CONFIGURATION.format(
        folder=slurm.folder,
        host=socket.gethostname().partition(".")[0],
        user=getpass.getuser(),
        tasks=TASKS,
        first=secrets.randbelow(_JOB_IDS) + 1,
        controller=controller,
        one=one,
        two=two,
    )
    slurm.configuration.write_text(text)
    key = slurm.folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(1024))


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    with ExitStack() as taken:
        sockets = [taken.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def _daemon(slurm: Slurm, name: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon in the foreground, which writes what it does to the file `name`.out; it ends with the block."""
    with (slurm.folder / f"{name}.out").open("wb") as output:
        process = subprocess.Popen(words, env=slurm.environment, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(slurm: Slurm, daemons: dict[str, subprocess.Popen[bytes]], is_ready: Callable[[], bool]) -> None:
    """Return when it is ready; raise CannotStart with their words if a daemon ends instead, or it takes too long."""
    end = time.monotonic() + PATIENCE
    while not is_ready():
        ended = [name for name, process in daemons.items() if process.poll() is not None]
        if ended or time.monotonic() > end:
            what = f"{ended[0]} ended" if ended else f"it was not ready after {PATIENCE:g} s"
            said = [f"{name}: {_last_words(slurm.folder / f'{name}.out')}" for name in ended or daemons]
            raise CannotStart(f"Slurm does not start here: {what}. {' | '.join(said)}")
        time.sleep(0.05)


def _last_words(output: Path) -> str:
    """The last lines that tell of an error, or else the last line."""
    lines = output.read_text(errors="replace").splitlines()
    return "; ".join([line for line in lines if "rror" in line][-3:] or lines[-1:] or ["nothing"])


def _read(path: Path) -> bytes:
    """What a file of another process holds; nothing if it has ended or is not ours."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
