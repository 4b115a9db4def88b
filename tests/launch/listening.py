"""At which addresses processes listen, by `ss`, as whoever suspects them would look."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable

import pytest

needs_ss = pytest.mark.skipif(shutil.which("ss") is None, reason="needs ss, of iproute2")


def listeners(pids: Iterable[int]) -> list[str]:
    """The addresses of TCP and UDP at which any of the processes listens, with their ports."""
    told = subprocess.run(["ss", "-Hltunp"], capture_output=True, text=True, check=True, timeout=30).stdout
    wanted = set(pids)
    return [
        line.split()[4] for line in told.splitlines() if wanted & {int(pid) for pid in re.findall(r"pid=(\d+)", line)}
    ]


def is_loopback(address: str) -> bool:
    """True if only this host can reach it."""
    return address.startswith(("127.", "[::1]:"))
