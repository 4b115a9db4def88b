"""The types hold: mypy and pyright infer what ok.py states, and refuse what bad.py does, line by line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OK, BAD = Path(__file__).with_name("ok.py"), Path(__file__).with_name("bad.py")
MARK = "  # type: ignore"

Refused = dict[str, dict[int, str]]


def mypy(files: list[Path]) -> Refused:
    """The lines that `mypy --strict` refuses, with its reasons, by file."""
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context", *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: Refused = {}
    for path, line, reason in re.findall(r"^(.+?):(\d+): error: (.+)$", done.stdout, re.MULTILINE):
        found.setdefault(Path(path).name, {}).setdefault(int(line), reason)
    return found


def pyright(files: list[Path]) -> Refused:
    """The lines that pyright refuses, with its reasons, by file."""
    options = ["--outputjson", "--pythonpath", sys.executable, "--pythonversion", "3.11"]
    command = [sys.executable, "-m", "pyright", *options, *map(str, files)]
    done = subprocess.run(command, cwd=files[0].parent, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: Refused = {}
    for diagnostic in json.loads(done.stdout)["generalDiagnostics"]:
        if diagnostic["severity"] == "error":
            line = diagnostic["range"]["start"]["line"] + 1
            found.setdefault(Path(diagnostic["file"]).name, {}).setdefault(line, diagnostic["message"])
    return found


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Refused]:
    """What each checker refuses in ok.py and in bad.py without its marks; each runs once."""
    folder = tmp_path_factory.mktemp("typing")
    (folder / OK.name).write_text(OK.read_text("utf-8"), "utf-8")
    (folder / BAD.name).write_text(BAD.read_text("utf-8").replace(MARK, ""), "utf-8")
    (folder / "pyrightconfig.json").write_text(json.dumps({"extraPaths": [str(ROOT)], "typeCheckingMode": "standard"}))
    files = [folder / OK.name, folder / BAD.name]
    return {"mypy": mypy(files), "pyright": pyright(files)}


CHECKERS = pytest.mark.parametrize("checker", ["mypy", "pyright"])


@CHECKERS
def test_every_type_is_inferred_as_stated(refused: dict[str, Refused], checker: str) -> None:
    assert refused[checker].get(OK.name, {}) == {}


@CHECKERS
def test_every_misuse_is_refused_and_nothing_else(refused: dict[str, Refused], checker: str) -> None:
    lines = BAD.read_text("utf-8").splitlines()
    marked = {number: line.strip() for number, line in enumerate(lines, 1) if line.endswith(MARK)}
    reasons = refused[checker].get(BAD.name, {})
    accepted = {number: line for number, line in marked.items() if number not in reasons}
    unexpected = {number: reason for number, reason in reasons.items() if number not in marked}
    assert len(marked) > 50
    assert accepted == {}
    assert unexpected == {}
