"""CUDA source is compiled in another process, once; nvcc is a script of the test, or the real one if there is one."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest

from actorpar import gpu
from actorpar.gpu.compiling import cache_folder, compile_cuda
from tests.gpu.devices import CUDA, turn_until

SCRIPT = f"""#!{sys.executable}
import os, sys, pathlib
if "--version" in sys.argv:
    print("nvcc of a test, release", os.environ.get("RELEASE", "1"))
    raise SystemExit
source = pathlib.Path(sys.argv[-1]).read_text()
with open({{log!r}}, "a") as log:
    print(os.getpid(), *sys.argv[1:-1], file=log)
if "#error" in source:
    print("program.cu(1): error: this is wrong", file=sys.stderr)
    raise SystemExit(2)
if "// forever" in source:
    import signal
    signal.pause()
pathlib.Path(sys.argv[sys.argv.index("-o") + 1]).write_bytes(b"image of " + source.encode())
"""


class Compiler:
    """The script, and what it was called with."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "log"
        self.path = folder / "nvcc"
        self.path.write_text(SCRIPT.replace("{log!r}", repr(str(self._log))))
        self.path.chmod(0o755)

    def calls(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []


@pytest.fixture
def nvcc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compiler:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    compiler = Compiler(tmp_path)
    monkeypatch.setenv("NVCC", str(compiler.path))
    return compiler


async def test_a_source_is_compiled_once_for_each_architecture_and_compiler(
    nvcc: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        assert await compile_cuda("source", "sm_90") == b"image of source"
    (call,) = nvcc.calls()
    assert "-arch=sm_90" in call
    await compile_cuda("source", "sm_80")
    monkeypatch.setenv("RELEASE", "2")
    await compile_cuda("source", "sm_90")
    assert len(nvcc.calls()) == 3


async def test_a_folder_that_cannot_be_written_to_costs_compilations_and_nothing_else(
    nvcc: Compiler, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("no folder")
    for _ in range(2):
        assert await compile_cuda("source", "sm_90") == b"image of source"
    assert len(nvcc.calls()) == 2


async def test_what_the_compiler_says_is_in_the_error_and_nothing_is_kept(nvcc: Compiler) -> None:
    with pytest.raises(gpu.CompileError, match=r"(?s)nvcc has ended with 2:.*program\.cu\(1\): error: this is wrong"):
        await compile_cuda("#error", "sm_90")
    assert not cache_folder().exists()


async def test_cancelling_it_ends_the_compiler(nvcc: Compiler) -> None:
    compiling = asyncio.ensure_future(compile_cuda("// forever", "sm_90"))
    await turn_until(nvcc.calls)
    process = int(nvcc.calls()[0].split()[0])
    compiling.cancel()
    await asyncio.wait([compiling])
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


async def test_a_compiler_that_does_not_end_is_ended(nvcc: Compiler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actorpar.gpu.compiling.PATIENCE", 0.2)
    with pytest.raises(gpu.CompileError, match=r"has not ended in 0\.2 s"):
        await compile_cuda("// forever", "sm_90")


async def test_without_a_compiler_it_says_how_to_do_without(nvcc: Compiler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVCC", "nvcc-that-is-not-there")
    with pytest.raises(gpu.CompileError, match="or give the program as bytes"):
        await compile_cuda("source", "sm_90")


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="no nvcc here")
async def test_the_kernels_of_the_tests_compile_with_the_real_compiler(
    nvcc: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NVCC")
    assert len(await compile_cuda(CUDA, "sm_90")) > 1000
