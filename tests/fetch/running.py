"""`actorpar fetch` as a person runs it: a process of its own, its exit code, what it printed, what it left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
COMMAND = ("-m", "actorpar")
#: Words of the interpreter that tell of a defect in the program, whatever its exit code.
DEFECTS = ("Traceback", "Exception ignored", "never retrieved", "never awaited", "ResourceWarning", "Unclosed ")


@dataclass(frozen=True)
class Run:
    """A finished run."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The JSON report on standard output."""
        report = json.loads(self.out)
        assert isinstance(report, dict)
        return report

    @property
    def files(self) -> list[dict[str, Any]]:
        """The report's record of every file."""
        files = self.report["files"]
        assert isinstance(files, list)
        return files

    @property
    def file(self) -> dict[str, Any]:
        """The record of the only file."""
        (record,) = self.files
        return record

    @property
    def kinds(self) -> dict[str, int]:
        """How many files failed, by kind of error."""
        kinds = self.report["summary"]["errors"]
        assert isinstance(kinds, dict)
        return kinds


@contextlib.asynccontextmanager
async def started(
    *command: str | Path, cwd: Path, env: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A running `python -W error …` with pipes; it is killed if the block leaves it running."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        *command,
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(cwd), **(env or {})},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()


async def finished(process: asyncio.subprocess.Process, stdin: bytes = b"", within: float = 60) -> Run:
    """Wait for the end of the process; fails the test when it complains of a defect of its own."""
    async with asyncio.timeout(within):
        out, err = await process.communicate(stdin)
    assert process.returncode is not None
    run = Run(process.returncode, out.decode(), err.decode())
    if run.code != -signal.SIGKILL:
        assert not [word for word in DEFECTS if word in run.err + run.out], run.err + run.out
    return run


async def fetch(*arguments: str | Path, cwd: Path, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Run:
    """Run `actorpar fetch` with these arguments in `cwd` to its end; its report goes to standard output."""
    async with started(*COMMAND, "fetch", "--json", "-", *arguments, cwd=cwd, env=env) as process:
        return await finished(process, stdin)


def names(folder: Path) -> set[str]:
    """Every file below `folder`, by its path within it."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


async def grown(path: Path, size: int = 0) -> None:
    """Wait until a file is there and has grown so far; a file tells nobody, so it is looked at again and again."""
    async with asyncio.timeout(30):
        while _size(path) < size:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1
