"""Build the fake driver: `python tests/gpu/fake/build.py FOLDER INCLUDE` leaves libcuda.so.1 and libcuda.so in FOLDER.

INCLUDE is where cuda.h and cudaProfiler.h are. Every function that they declare is there: what none of the C files here
defines answers CUDA_ERROR_NOT_SUPPORTED (801). PyCUDA is linked against it, too: with a library in which names were
missing, it would load nowhere.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
HEADERS = ("cuda.h", "cudaProfiler.h")
FLAGS = ("-std=gnu11", "-O1", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fPIC")
LINK = ("-shared", "-Wl,-soname,libcuda.so.1", "-pthread")


def stubs(include: Path) -> str:
    """C text with a weak function for every name in the headers that looks like one of the driver."""
    names: set[str] = set()
    for header in HEADERS:
        names.update(re.findall(r"\bcu[A-Z]\w*", (include / header).read_text("utf-8")))
    return "".join(f"__attribute__((weak)) int {name}(void) {{ return 801; }}\n" for name in sorted(names))


def build(folder: Path, include: Path) -> str:
    """Build it into the folder, and return what the compiler says. Raises CalledProcessError if it does not build, and
    FileNotFoundError where there is no compiler, or no headers."""
    folder.mkdir(parents=True, exist_ok=True)
    rest, library, beside = folder / "stubs.c", folder / "libcuda.so.1", folder / "libcuda.so"
    rest.write_text(stubs(include))
    files = [*sorted(HERE.glob("*.c")), rest]
    command = ["gcc", *FLAGS, f"-I{include}", *map(str, files), *LINK, "-o", str(library)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    rest.unlink()
    beside.unlink(missing_ok=True)
    beside.symlink_to(library.name)
    return done.stderr


if __name__ == "__main__":
    try:
        sys.stderr.write(build(Path(sys.argv[1]), Path(sys.argv[2])))
    except subprocess.CalledProcessError as failed:
        sys.exit(failed.stderr)
