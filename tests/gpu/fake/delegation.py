"""Tests that are marked `over_fake_cuda` run in another process, over the fake driver; all of a file in one.

Here each is an item that tells what became of it there. So the process of the other tests has no CUDA driver, and the
tests are written as all others are. In the process over the driver this module is a plugin, which tells the results.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.gpu.fake.lane import Lane, MissingError, lane

MARK = "over_fake_cuda"
#: Names the file that a process over the fake driver tells its results to.
RESULTS = "ACTORPAR_FAKE_CUDA_RESULTS"
#: Seconds for all such tests of a file; after some of them the process tells where its threads are.
LIMIT, DUMP = 180.0, 120.0


def is_there() -> bool:
    """True in a process that runs over the fake driver."""
    return RESULTS in os.environ


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add a line to the results."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
    result = {"test": report.nodeid, "when": report.when, "outcome": report.outcome, "text": text}
    with open(os.environ[RESULTS], "a", encoding="utf-8") as file:
        file.write(json.dumps(result) + "\n")


class Elsewhere:
    """What became of the tests of one file, which run when the first of them is asked for."""

    def __init__(self, root: Path) -> None:
        self.ids: list[str] = []
        self._root = root
        self._told: defaultdict[str, list[dict[str, str]]] | None = None
        self._end = ""

    def results(self, test: str) -> list[dict[str, str]]:
        """What was told of a test: for setup, call and teardown. Raises MissingError where there is no fake driver."""
        if self._told is None:
            where = lane()
            with tempfile.TemporaryDirectory() as folder:
                self._told = self._run(where, Path(folder))
        told = self._told[test]
        if not told or told[-1]["when"] != "teardown":
            return [*told, {"when": "end", "outcome": "failed", "text": self._end}]
        return told

    def _run(self, where: Lane, folder: Path) -> defaultdict[str, list[dict[str, str]]]:
        results, printed = folder / "results", folder / "printed"
        results.touch()
        words = ["-m", "pytest", "-q", "--no-header", "-m", "", "-p", __name__, "-p", "no:cacheprovider"]
        words += ["-o", f"faulthandler_timeout={DUMP}"]
        environment = where.environment(FAKE_CUDA_DEVICES="2", **{RESULTS: str(results)})
        with open(printed, "wb") as out:
            program = subprocess.Popen(
                [str(where.python), *words, *self.ids], env=environment, cwd=self._root,
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            program.wait(LIMIT)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)  # and whatever it has started
        said = printed.read_text("utf-8", "replace")[-6000:]
        self._end = f"the process over the fake driver ended with {program.wait()} before this test\n{said}"
        told = defaultdict(list)
        for line in results.read_text("utf-8").splitlines():
            result = json.loads(line)
            told[result["test"]].append(result)
        return told


class FailedElsewhereError(Exception):
    """A test has failed in the other process; the text is what pytest said there."""


class Delegated(pytest.Item):
    """Stands for a test that runs elsewhere."""

    def __init__(self, *, test: pytest.Item, elsewhere: Elsewhere, **rest: Any) -> None:
        super().__init__(**rest)
        self._test = test
        self._elsewhere = elsewhere
        elsewhere.ids.append(test.nodeid)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        return self._test.reportinfo()

    def runtest(self) -> None:
        try:
            results = self._elsewhere.results(self._test.nodeid)
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
    files: dict[Path, Elsewhere] = {}
    for place, item in enumerate(items):
        if item.parent is not None and item.get_closest_marker(MARK) is not None:
            elsewhere = files.setdefault(item.path, Elsewhere(item.config.rootpath))
            items[place] = Delegated.from_parent(item.parent, name=item.name, test=item, elsewhere=elsewhere)
