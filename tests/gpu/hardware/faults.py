"""A kernel that faults on a node for its device: how soon that is seen, and its actor back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from .faulting import IMAGE, SEEN
from .figures import Run

PROGRAM = Path(__file__).with_name("faulting.py")
ROOT = Path(__file__).resolve().parents[3]
#: Seconds for one run of the program.
PATIENCE = 60.0


def faults(run: Run, times: int, image: Path | None) -> None:
    """The worst of some runs, each in processes of its own."""
    found = [_once(image) for _ in range(times)]
    run.details["a kernel that faults"] = [{name: round(each[name], 3) for name in each} for each in found]
    run.add("a sticky error is seen after", max(each["seen_ms"] for each in found), "ms", 50)
    run.add("the actor has computed again after", max(each["back_s"] for each in found), "s", 2)


def _once(image: Path | None) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        more = {SEEN: str(Path(folder, "seen")), "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
        if image is not None:
            more[IMAGE] = str(image.resolve())
        command = [sys.executable, "-m", "actorpar", "run", str(PROGRAM), "--gpus", "all"]
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **more}, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise RuntimeError(f"{' '.join(command[1:])} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    told: dict[str, float] = json.loads(lines[-1])
    return told
