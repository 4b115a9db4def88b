"""Where PyCUDA over the fake driver is: a Python, and the environment in which it finds the driver."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.gpu.fake.build import build

ROOT = Path(__file__).resolve().parents[3]
#: Where `.ci/pycuda` has put PyCUDA, unless a variable says otherwise.
HOME = Path(os.environ.get("ACTORPAR_PYCUDA", Path(sys.prefix) / "pycuda"))
#: Seconds that a program may take.
LIMIT = 60.0
#: What other variables begin with that decide which devices there are.
DECIDING = ("CUDA_", "FAKE_CUDA_", "NVIDIA_")


class MissingError(Exception):
    """There is no such lane here; the text says why."""


@dataclass(frozen=True)
class Lane:
    """PyCUDA over the fake driver, for programs that tests start."""

    python: Path
    folder: Path

    def environment(self, **more: str) -> dict[str, str]:
        """With one device of 1 GiB; FAKE_CUDA_DEVICES and others in devices.c say it differently."""
        others = {name: value for name, value in os.environ.items() if not name.startswith(DECIDING)}
        libraries = f"{self.folder}:{others['LD_LIBRARY_PATH']}" if "LD_LIBRARY_PATH" in others else str(self.folder)
        path = f"{self.folder}:{self.python.parent}:{others['PATH']}"
        fixed = {"XDG_CACHE_HOME": str(self.folder / "cache"), "PYTHONPATH": str(ROOT)}
        return {**others, **fixed, "LD_LIBRARY_PATH": libraries, "PATH": path, **more}

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Start a Python program that a test talks to over its pipes."""
        return subprocess.Popen(
            [str(self.python), *arguments], env=self.environment(**more), cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a Python program; it ends in time, or this fails."""
        return subprocess.run(
            [str(self.python), *arguments], env=self.environment(**more), cwd=ROOT, text=True,
            capture_output=True, timeout=LIMIT, check=False,
        )  # fmt: skip


#: Folders that are removed when this process ends.
_KEPT: list[tempfile.TemporaryDirectory[str]] = []


@functools.cache
def _found() -> Lane | str:
    """The lane, or why there is none; the driver is kept for as long as this process lives."""
    python = HOME / "bin" / "python"
    includes = sorted(HOME.glob("lib/python3*/site-packages/nvidia/cu*/include"))
    if not python.exists() or not includes or not list(HOME.glob("lib/python3*/site-packages/pycuda")):
        return f"PyCUDA was not built: `bash .ci/pycuda` puts it into {HOME}"
    kept = tempfile.TemporaryDirectory(prefix="actorpar-fake-cuda-")
    _KEPT.append(kept)
    folder = Path(kept.name)
    try:
        build(folder, includes[-1])
    except FileNotFoundError as missing:
        return f"the fake driver was not built: {missing}"
    except subprocess.CalledProcessError as failed:
        raise AssertionError(f"the fake driver does not compile\n{failed.stderr}") from failed
    compiler = folder / "nvcc"
    compiler.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT}/tests/gpu/fake/compiler.py "$@"\n')
    compiler.chmod(0o755)
    return Lane(python, folder)


def lane() -> Lane:
    """The lane of this machine. Raises MissingError, which says why there is none."""
    found = _found()
    if isinstance(found, str):
        raise MissingError(found)
    return found
