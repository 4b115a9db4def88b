"""Plants one bug in a copy of the tree, and runs the tests of its rule there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from .mutant import Mutant

ROOT = Path(__file__).resolve().parents[2]

#: Seconds after which the tests of one mutant are taken to hang. Unmutated they need a few.
LIMIT = 60.0

#: What the tests of the channels need, of the whole tree.
_COPIED = ("actorpar", "channels", "nodes", "tests", "pyproject.toml")
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "fetch", "bench", ".*")


@dataclass(frozen=True)
class Verdict:
    """How the tests of a rule ended: the test that failed, "" if none did, or that they hung."""

    mutant: Mutant
    killed_by: str
    hung: bool
    seconds: float

    @property
    def killed(self) -> bool:
        """True if the bug was found."""
        return bool(self.killed_by) or self.hung


class Broken(Exception):
    """The table or the tree is at fault, not the tests: nothing can be concluded."""


def copy_tree(to: Path) -> None:
    """Copy what the tests need, links as links."""
    to.mkdir(parents=True)
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, symlinks=True, ignore=_LEFT_OUT)
        else:
            shutil.copy2(source, to / name)
    (to / "actorpar" / "fetch").mkdir(exist_ok=True)


def find(mutant: Mutant, tree: Path) -> str:
    """The text of the mutant's file; Broken unless the snippet stands in it exactly once."""
    text = (tree / mutant.file).read_text()
    found = text.count(mutant.old)
    if found != 1:
        raise Broken(f"{mutant.rule}: {mutant.file} holds {found} times, not once:\n{mutant.old}\n({mutant.bug})")
    return text


def plant(mutant: Mutant, tree: Path) -> None:
    """Put the bug into the tree."""
    text = find(mutant, tree)
    (tree / mutant.file).write_text(text.replace(mutant.old, mutant.new))


def try_tests(mutant: Mutant, tree: Path) -> Verdict:
    """Run the tests of the mutant's rule in the tree, up to the first that fails."""
    start = time.perf_counter()
    code, output = run_pytest(tree, [mutant.rule])
    seconds = time.perf_counter() - start
    if code is None:
        return Verdict(mutant, "", True, seconds)
    if code not in (0, 1):
        raise Broken(f"{mutant.rule}: pytest ended with {code} ({mutant.bug}):\n{output[-3000:]}")
    names = re.findall(r"^(?:FAILED|ERROR) \S*?::(.+?)(?: - .*)?$", output, re.MULTILINE)
    return Verdict(mutant, names[0] if names else "", False, seconds)


def run_pytest(tree: Path, rules: list[str]) -> tuple[int | None, str]:
    """The exit code and output of pytest over the tests named after the rules; None for a run that hung."""
    keys = [f"{rule.lower().replace('-', '')}_" for rule in rules]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-k", " or ".join(keys)]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONHASHSEED": "0"}
    try:
        done = subprocess.run(
            [*command, *files_with(keys, tree)],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT * len(rules),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, ""
    return done.returncode, done.stdout + done.stderr


def files_with(keys: list[str], tree: Path) -> list[str]:
    """The files that hold tests with these keys in their names; the conformance kit, whose checks cite rules, last."""
    kit = tree / "tests" / "channels" / "test_conformance.py"
    texts = {path: path.read_text() for path in sorted((tree / "tests").rglob("test_*.py")) if path != kit}
    files = [path for path, text in texts.items() if any(f"def test_{key}" in text for key in keys)]
    if any(key.startswith("ch") for key in keys):
        files.append(kit)
    return [str(path.relative_to(tree)) for path in files]
