"""`actorpar run --mpi N`: become the mpiexec that belongs to this Python's MPI, with what that needs to start N ranks.

Every MPI's ranks must be started by its own launcher. In an environment that has an MPI from a wheel it lies beside the
interpreter; otherwise the one on PATH is taken, as a cluster's module has put it there.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ..nodes.errors import MpiError
from . import cores

#: Seconds in which a launcher tells what it is.
TELL: Final = 10.0


def start_ranks(options: argparse.Namespace) -> int:
    """Start the ranks, in the place of this process. It returns only where there is no launcher: the exit code."""
    try:
        command, environment = command_for(options, sys.argv[1:], os.environ)
    except MpiError as error:
        print(f"actorpar: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    sys.stdout.flush()
    return os.execve(command[0], command, environment)


def command_for(
    options: argparse.Namespace, arguments: list[str], environment: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """The command that starts the ranks, and its environment. MpiError."""
    if options.gpus:
        raise MpiError(
            "--gpus cannot be given with --mpi: what it starts are no ranks. Have the launcher give each rank its "
            "device, by CUDA_VISIBLE_DEVICES, as srun --gpus-per-task=1 does"
        )
    launcher = find(environment)
    kind = ask(launcher)
    needs = dict(environment)
    flags: list[str] = []
    if "Open MPI" in kind or "prte" in kind.lower():
        needs.update(open_mpi_needs(options.mpi, environment))
        flags = ["--with-ft", "ulfm"] if options.supervised else []
    elif options.supervised:
        raise MpiError(f"--supervised needs Open MPI with ULFM, and {launcher} is {kind}: with it a rank ends the job")
    return [str(launcher), *flags, "-n", str(options.mpi), sys.executable, "-m", "actorpar", *arguments], needs


def find(environment: Mapping[str, str]) -> Path:
    """The launcher of this Python's MPI. MpiError."""
    beside = Path(sys.executable).parent / "mpiexec"
    if os.access(beside, os.X_OK):
        return beside
    found = shutil.which("mpiexec", path=environment.get("PATH"))
    if found is None:
        raise MpiError(
            f"there is no mpiexec beside {sys.executable} and none on PATH: pip install 'actorpar[mpi]' brings one, "
            "and on a cluster its module does"
        )
    return Path(found)


def ask(launcher: Path) -> str:
    """What a launcher says that it is: the first lines of its version. MpiError."""
    try:
        told = subprocess.run(
            [str(launcher), "--version"], capture_output=True, text=True, timeout=TELL, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MpiError(f"{launcher} does not say what it is: {error}") from error
    lines = [" ".join(line.split()) for line in told.splitlines() if line.strip()]
    return "; ".join(lines[:2]) or "an unknown launcher"


def open_mpi_needs(ranks: int, environment: Mapping[str, str]) -> dict[str, str]:
    """What Open MPI asks of root, and of more ranks than cores; what the user has set stays."""
    needs: dict[str, str] = {}
    if os.geteuid() == 0:
        needs |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    if ranks > cores.usable():
        needs["PRTE_MCA_rmaps_default_mapping_policy"] = ":oversubscribe"
    return {name: value for name, value in needs.items() if name not in environment}
