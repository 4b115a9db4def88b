"""The heat program as people start it, and what it has to print."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from examples.heat import plate

ROOT = Path(__file__).resolve().parents[2]
APP = "examples/heat/app.py"
ACTORPAR = [sys.executable, "-W", "error", "-m", "actorpar"]
#: Seconds that a run may take.
LIMIT = 60.0


def asked(**options: object) -> dict[str, str]:
    """The environment of a run with these options."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HEAT_")}
    return clean | {f"HEAT_{name.upper()}": str(value) for name, value in options.items()}


def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, env=asked(**options), capture_output=True, text=True, timeout=LIMIT)


def expected(rows: int, columns: int, steps: int) -> str:
    """What a run prints of the serial result, every bit of which is in the digest."""
    field = plate.solve(plate.initial(rows, columns), steps)
    digest = hashlib.sha256(field.tobytes()).hexdigest()
    return f"{rows} x {columns} cells after {steps} steps: mean {field.mean():.6f}, {digest}\n"


class Run:
    """A run that tells how far it is."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pids: dict[str, int] = {}
        self.told: list[str] = []

    def until(self, pattern: str) -> re.Match[str]:
        """Read what it tells until a line begins like this."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.told.append(line)
            if re.match(r"\d+ x \d+ tiles from", line):
                self.pids = {name: int(pid) for name, pid in re.findall(r"(\S+) \(pid (\d+)\)", line)}
            if found := re.match(pattern, line):
                return found
        raise AssertionError(f"it never told {pattern!r}: {''.join(self.told)}")

    def kill(self, node: str) -> None:
        os.kill(self.pids[node], signal.SIGKILL)

    def result(self) -> str:
        """What it prints, once it has ended well."""
        printed, told = self._process.communicate(timeout=LIMIT)
        self.told += told.splitlines(keepends=True)
        assert self._process.returncode == 0, "".join(self.told)
        return printed


@contextmanager
def running(command: list[str], **options: object) -> Iterator[Run]:
    """A run under way; what is left of it at the end is killed."""
    with subprocess.Popen(
        command, cwd=ROOT, env=asked(**options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Run(process)
        finally:
            process.kill()
