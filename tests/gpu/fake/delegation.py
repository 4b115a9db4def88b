"""Tests that are marked `over_fake_cuda` run in another process, over the fake driver; all of a file in one.

Here each is an item that tells what became of it there. So the process of the other tests has no CUDA driver, and the
tests are written as all others are.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.gpu.fake.lane import ROOT, Lane, MissingError, lane

MARK = "over_fake_cuda"
#: Names the file that a process over the fake driver tells its results to.
RESULTS = "ACTORPAR_FAKE_CUDA_RESULTS"
#: Seconds for all such tests of a file; after some of them the process tells where its threads are.
LIMIT, DUMP = 180.0, 120.0


def is_there() -> bool:
    """True in a process that runs over the fake driver."""
    return RESULTS in os.environ


def tell(**result: str) -> None:
    """Add a line to the results."""
    with open(os.environ[RESULTS], "a", encoding="utf-8") as file:
        file.write(json.dumps(result) + "\n")


class Elsewhere:
    """What became of the tests of one file, which run when the first of them is asked for."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._told: dict[str, list[dict[str, str]]] | None = None
        self._end = ""

    def results(self, test: str, folder: Path) -> list[dict[str, str]]:
        """What was told of a test: for setup, call and teardown."""
        if self._told is None:
            self._run(lane(), folder / "results")
        assert self._told is not None
        told = self._told.get(test, [])
        if not told or told[-1]["when"] != "teardown":
            return [*told, {"when": "end", "outcome": "failed", "text": self._end}]
        return told

    def _run(self, where: Lane, file: Path) -> None:
        self._told = defaultdict(list)
        file.touch()
        words = ["-m", "pytest", "-q", "--no-header", "-m", "", "-p", "no:cacheprovider"]
        words += ["-o", f"faulthandler_timeout={DUMP}"]
        more = {RESULTS: str(file), "FAKE_CUDA_DEVICES": "2"}
        program = subprocess.Popen(
            [str(where.python), *words, *self.ids], env=where.environment(**more), cwd=ROOT, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            out, _ = program.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(program.pid, signal.SIGKILL)
            out, _ = program.communicate()
        self._end = f"the process over the fake driver ended with {program.returncode} before this test\n{out[-6000:]}"
        for line in file.read_text("utf-8").splitlines():
            result = json.loads(line)
            self._told[result["test"]].append(result)


class FailedElsewhereError(Exception):
    """A test has failed in the other process; the text is what pytest said there."""


class Delegated(pytest.Item):
    """Stands for a test that runs elsewhere."""

    def __init__(self, *, elsewhere: Elsewhere, test: str, **rest: Any) -> None:
        super().__init__(**rest)
        self._elsewhere = elsewhere
        self._test = test

    @classmethod
    def of(cls, item: pytest.Item, elsewhere: Elsewhere) -> Delegated:
        made = cls.from_parent(item.parent, name=item.name, elsewhere=elsewhere, test=item.nodeid)
        made.own_markers = item.own_markers
        made._where = item.reportinfo()
        elsewhere.ids.append(item.nodeid)
        return made

    _where: tuple[Any, int | None, str]

    def reportinfo(self) -> tuple[Any, int | None, str]:
        return self._where

    def runtest(self) -> None:
        folder = self.config._tmp_path_factory.mktemp("fake-cuda")  # type: ignore[attr-defined]
        try:
            results = self._elsewhere.results(self._test, folder)
        except MissingError as missing:
            pytest.skip(str(missing))
        for result in results:
            if result["outcome"] == "skipped":
                pytest.skip(result["text"].removeprefix("Skipped: "))
            if result["outcome"] == "failed":
                raise FailedElsewhereError(result["text"])

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, FailedElsewhereError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)


def delegate(items: list[pytest.Item]) -> None:
    """Put in the place of each marked test one that runs elsewhere."""
    files: dict[Path, Elsewhere] = defaultdict(Elsewhere)
    for place, item in enumerate(items):
        if item.get_closest_marker(MARK) is not None:
            items[place] = Delegated.of(item, files[item.path])
