"""The limit of what goes over a socket: a loop in C, compiled here. Not to be imported where there is no compiler."""

import functools
import math
import shutil
import subprocess
import tempfile
from pathlib import Path

from .cases import LoopFactory, Trial
from .measure import Sample

COMPILER = shutil.which("cc")
if COMPILER is None:
    raise ImportError("no C compiler (cc)")


@functools.cache
def _built() -> "tempfile.TemporaryDirectory[str]":
    """A folder with the program in it, which stays for as long as this process."""
    folder = tempfile.TemporaryDirectory(prefix="actorpar-bench-")
    source = Path(__file__).with_name("socket_loop.c")
    subprocess.run([str(COMPILER), "-O2", "-o", f"{folder.name}/socket_loop", str(source)], check=True)
    return folder


def sockets(size: int, *, acknowledged: bool, tcp: bool) -> Trial:
    """So many bytes an item, each answered with one byte if told so; over loopback, or two Unix sockets."""

    def trial(items: int, _: LoopFactory) -> Sample:
        words = [f"{_built().name}/socket_loop", str(items), str(size), str(int(acknowledged)), str(int(tcp))]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        seconds = float(done.stdout)
        return Sample(items, math.nan, seconds, seconds / items)

    return trial
