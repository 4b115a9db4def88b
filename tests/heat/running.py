"""The heat program as people start it, and what it has to print."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
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
