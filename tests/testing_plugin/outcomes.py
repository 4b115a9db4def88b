"""Runs a suite in a pytest of its own, and tells how each of its tests came out."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
TIME_LIMIT = 60.0


class Outcome(NamedTuple):
    """How a test came out: `failed` in its own phase, `error` in a fixture; both are empty for one that passed."""

    failed: str
    error: str


def outcomes(folder: Path, text: str, ini: str, *options: str) -> dict[str, Outcome]:
    """Run `text` as a suite in a folder of its own; each test's outcome by its name."""
    (folder / "pytest.ini").write_text(f"[pytest]\n{ini}", "utf-8")
    (folder / "test_suite.py").write_text(text, "utf-8")
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *options]
    here = {**os.environ, "PYTHONPATH": str(ROOT)}  # the library of this tree, whichever is installed
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIME_LIMIT, env=here)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, Outcome] = {}
    for case in ET.parse(report).iter("testcase"):
        said = {kind: "\n".join(_text(element) for element in case.iter(kind)) for kind in ("failure", "error")}
        before = found.get(case.attrib["name"], Outcome("", ""))
        found[case.attrib["name"]] = Outcome(before.failed + said["failure"], before.error + said["error"])
    return found


def _text(element: ET.Element) -> str:
    return f"{element.attrib.get('message', '')}\n{element.text or ''}"
