"""A test that runs over the fake driver in another process counts here as it has gone there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.gpu.fake.lane import ROOT, Lane

TESTS = """
import os, sys
import pytest

pytestmark = pytest.mark.over_fake_cuda

def test_passes():
    assert "pycuda" in sys.prefix

@pytest.mark.parametrize("word", ["one", "two words"])
def test_is_skipped(word):
    pytest.skip(f"because of {word}")

def test_fails(cuda):
    assert cuda.Device.count() == 5

@pytest.fixture
def broken():
    yield
    raise OSError("in its teardown")

def test_fails_in_its_teardown(broken):
    pass

def test_ends_its_process():
    print("last words", file=sys.stderr, flush=True)
    os._exit(7)

def test_does_not_begin():
    pass
"""


def test_what_became_of_each_test_is_told_where_it_was_asked_for(fake_cuda: Lane, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.gpu.conftest import *\n")
    (tmp_path / "test_sample.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", "test_sample.py"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True, check=False)
    assert "4 failed, 1 passed, 2 skipped" in done.stdout
    for line in (
        "PASSED test_sample.py::test_passes",
        "because of two words",
        "assert 2 == 5",
        "OSError: in its teardown",
        "FAILED test_sample.py::test_ends_its_process",
        "the process over the fake driver ended with 7 before this test",
        "FAILED test_sample.py::test_does_not_begin",
    ):
        assert line in done.stdout
