"""CUDA source compiled by nvcc, in another process, and kept: compiling takes seconds, and a restart should not."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from ..channels import env
from .errors import CompileError

#: Seconds that a compiler may take.
PATIENCE: Final = 120.0


async def compile_cuda(source: str, architecture: str) -> bytes:
    """The fatbin of a source for an architecture such as "sm_90". CompileError has what nvcc printed.

    nvcc is that of NVCC, of CUDA_HOME, or the first on PATH. What it made is kept below XDG_CACHE_HOME (~/.cache), by
    source, architecture and compiler. Cancelling it ends the compiler.
    """
    nvcc = find_nvcc()
    version = await _run(nvcc, "--version")
    digest = hashlib.sha256("\0".join((version, architecture, source)).encode()).hexdigest()
    kept = cache_folder() / f"{digest}.fatbin"
    found = await env.run_in_thread(_read, kept)
    if found is not None:
        return found
    with tempfile.TemporaryDirectory(prefix="actorpar-nvcc-") as folder:
        text, image = Path(folder, "program.cu"), Path(folder, "program.fatbin")
        await env.run_in_thread(text.write_text, source, "utf-8")
        await _run(nvcc, "-fatbin", f"-arch={architecture}", "-o", str(image), str(text))
        return await env.run_in_thread(_keep, image, kept)


def find_nvcc() -> str:
    """The compiler. CompileError: there is none."""
    home = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    asked = os.environ.get("NVCC") or (str(Path(home, "bin", "nvcc")) if home else "nvcc")
    found = shutil.which(asked)
    if found is None:
        raise CompileError(
            f"{asked} was not found: CUDA source is compiled by nvcc, of the CUDA toolkit; or give the program as "
            "bytes, a fatbin, cubin or PTX that was compiled before"
        )
    return found


def cache_folder() -> Path:
    """Where compiled programs are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "actorpar", "kernels")


def _read(kept: Path) -> bytes | None:
    try:
        return kept.read_bytes()
    except OSError:
        return None


def _keep(image: Path, kept: Path) -> bytes:
    """Put it into its place in one step; a folder that cannot be written to costs a compilation each time, no more."""
    made = image.read_bytes()
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        beside = kept.with_suffix(f".{os.getpid()}")
        beside.write_bytes(made)
        beside.replace(kept)
    except OSError:
        pass
    return made


async def _run(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(PATIENCE):
            out, _ = await process.communicate()
    except TimeoutError:
        raise CompileError(f"{command[0]} has not ended in {PATIENCE:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = out.decode("utf-8", "replace").strip()
    if process.returncode:
        raise CompileError(f"{Path(command[0]).name} has ended with {process.returncode}:\n{text}")
    return text
