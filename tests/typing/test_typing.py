"""The types hold: mypy and pyright infer what the ok files state, and refuse what the bad ones do, line by line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
OK = ["ok.py", "ok_actors.py", "ok_supervision.py"]
#: Files of misuses, and how many of them there are at least.
BAD = {"bad.py": 55, "bad_actors.py": 120, "bad_supervision.py": 37}
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
    """What each checker refuses in the ok files, and in the bad ones without their marks; each runs once."""
    folder = tmp_path_factory.mktemp("typing")
    files = [folder / name for name in (*OK, *BAD)]
    for file in files:
        text = (HERE / file.name).read_text("utf-8")
        file.write_text(text.replace(MARK, "") if file.name in BAD else text, "utf-8")
    (folder / "pyrightconfig.json").write_text(json.dumps({"extraPaths": [str(ROOT)], "typeCheckingMode": "standard"}))
    return {"mypy": mypy(files), "pyright": pyright(files)}


CHECKERS = pytest.mark.parametrize("checker", ["mypy", "pyright"])


@CHECKERS
@pytest.mark.parametrize("name", OK)
def test_every_type_is_inferred_as_stated(refused: dict[str, Refused], checker: str, name: str) -> None:
    assert refused[checker].get(name, {}) == {}


@CHECKERS
@pytest.mark.parametrize("name", BAD)
def test_every_misuse_is_refused_and_nothing_else(refused: dict[str, Refused], checker: str, name: str) -> None:
    lines = (HERE / name).read_text("utf-8").splitlines()
    marked = {number: line.strip() for number, line in enumerate(lines, 1) if line.endswith(MARK)}
    reasons = refused[checker].get(name, {})
    accepted = {number: line for number, line in marked.items() if number not in reasons}
    unexpected = {number: reason for number, reason in reasons.items() if number not in marked}
    assert len(marked) >= BAD[name]
    assert accepted == {}
    assert unexpected == {}
