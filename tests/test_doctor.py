"""`actorpar doctor` tells what is there, without importing it, and fails only for what actorpar needs."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from actorpar import cli, doctor
from actorpar.channels import env, runqueue
from actorpar.gpu import looking


def report(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, str]]:
    """Run the command: its exit code, and what it tells about each subject."""
    status = cli.main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    return status, {subject: text for subject, _, text in (line.partition(": ") for line in lines)}


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The packages that seem to be installed; change them at will."""
    versions = {
        "uvloop": "0.99",
        "aiohttp": "3.99",
        "msgpack": "1.99",
        "msgspec": "0.99",
        "prometheus-client": "0.99",
        "rich": "13.99",
    }

    def version(name: str) -> str:
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    return versions


def test_a_complete_installation_is_healthy(packages: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    status, told = report(capsys)
    assert status == 0
    assert told["loop"] == "uvloop 0.99"
    assert told["run queue"] == "active"
    assert told["python"].startswith(".".join(map(str, sys.version_info[:3])))
    assert told["aiohttp"] == "3.99"
    assert told["mpi4py"] == "not installed (ranks of MPI as nodes, actorpar[mpi])"


@pytest.mark.parametrize("name", ["aiohttp", "msgpack", "msgspec", "prometheus-client", "rich"])
def test_a_missing_requirement_is_an_error(
    packages: dict[str, str], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    del packages[name]
    status, told = report(capsys)
    assert status == 1
    assert told[name].startswith("not installed")
    assert told[name].endswith("[missing]")


def test_without_uvloop_it_says_why_and_stays_healthy(
    packages: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    del packages["uvloop"]
    status, told = report(capsys)
    assert status == 0
    assert told["loop"] == "asyncio's own: uvloop is not installed (pip install uvloop) [note]"
    monkeypatch.setattr(sys, "platform", "win32")
    assert "Windows" in doctor.event_loop().text


def test_the_versions_of_extras_are_told(packages: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    packages.update(mpi4py="4.0", pyopencl="2025.1")
    _, told = report(capsys)
    assert (told["mpi4py"], told["pyopencl"]) == ("4.0", "2025.1")


def test_a_fallback_of_the_run_queue_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "plain_tasks", True)
    assert "env.plain_tasks" in doctor.run_queue().text
    monkeypatch.setattr(runqueue, "is_active", lambda: False)
    assert doctor.run_queue().text.startswith("fallback to asyncio tasks: Python")
    assert doctor.run_queue().status == "note"


def test_on_a_terminal_the_report_is_a_table(
    packages: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    assert cli.main(["doctor"]) == 0
    table = capsys.readouterr().out
    assert "run queue" in table
    assert "active" in table
    assert "run queue: active" not in table
    assert cli.main(["doctor", "--plain"]) == 0
    assert "run queue: active" in capsys.readouterr().out


def test_the_command_works_as_a_program_and_imports_none_of_what_it_looks_at() -> None:
    program = (
        "import sys; from actorpar import cli; status = cli.main(['doctor']); "
        "known = {'aiohttp', 'msgpack', 'msgspec', 'prometheus_client', 'rich', 'uvloop', 'cryptography', 'pyopencl'}; "
        "print(*known & set(sys.modules), file=sys.stderr); "
        "sys.exit(status)"
    )
    done: Any = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert "run queue: active" in done.stdout.splitlines()
    assert (done.stderr.split(), done.returncode) == ([], 0)


def test_a_driver_that_hangs_is_told_and_hangs_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "look.py").write_text("import signal; signal.pause()")
    monkeypatch.setattr(looking, "__file__", str(tmp_path / "look.py"))
    monkeypatch.setattr(doctor, "PATIENCE", 0.3)
    status, told = report(capsys)
    assert status == 0
    assert told["cuda"].startswith("the driver has not answered for 0.3 s")
    assert told["opencl"].startswith("the driver has not answered for 0.3 s")
