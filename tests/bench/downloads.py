"""`actorpar fetch` against plain aiohttp with a semaphore: the same files from the same server, in the same run.

The figure is the processor time of the whole client process, its start and imports included, per file. Every file is
compared with the served one after the clock has stopped.
"""

import filecmp
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .cases import DEFAULT, NO_LOOP, ROOT, UVLOOP, Case, Group, LoopFactory
from .file_server import serving
from .measure import Sample, expect

KIB = 1024


class Site:
    """The served files of one group, and the list of their URLs; and how many connections every client may use."""

    def __init__(self, size: int, connections: int) -> None:
        self.size = size
        self.connections = str(connections)

    @contextmanager
    def up(self, count: int) -> Iterator[None]:
        """Make `count` files and serve them while the block runs."""
        with tempfile.TemporaryDirectory(prefix="bench-downloads-", dir=_memory()) as scratch:
            self.scratch = Path(scratch)
            self.folder = self.scratch / "served"
            self.folder.mkdir()
            names = [f"file-{number:05d}.bin" for number in range(count)]
            for name in names:
                (self.folder / name).write_bytes(random.randbytes(self.size))
            with serving(self.folder) as base:
                self.urls = self.scratch / "urls.txt"
                self.urls.write_text("\n".join(f"{base}/{name}" for name in names) + "\n")
                yield

    def check(self, target: Path) -> None:
        """Raise WrongCount unless the target holds every served file, byte for byte."""
        names = sorted(os.listdir(self.folder))
        same, different, missing = filecmp.cmpfiles(self.folder, target, names, shallow=False)
        expect("files that differ or are missing", different + missing, [])
        expect("files", sorted(same), names)


def _memory() -> str | None:
    """A file system in memory where there is one with room: a disk's moods would be most of the figure."""
    folder = "/dev/shm"
    return folder if os.path.isdir(folder) and shutil.disk_usage(folder).free > 2**30 else None


def _client(name: str, site: Site, arguments: Callable[[Site, Path], list[str]], needs: tuple[str, ...]) -> Case:
    def trial(items: int, loop_factory: LoopFactory) -> Sample:
        with tempfile.TemporaryDirectory(prefix="target-", dir=site.scratch) as target:
            command = [sys.executable, "-m", *arguments(site, Path(target))]
            log = site.scratch / "log"
            with log.open("wb") as output:
                started = time.perf_counter()
                client = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
                _, status, used = os.wait4(client.pid, 0)
                wall = time.perf_counter() - started
            client.returncode = os.waitstatus_to_exitcode(status)
            if client.returncode:
                raise RuntimeError(f"exit status {client.returncode}: {log.read_text()[-500:]}")
            site.check(Path(target))
        cpu = used.ru_utime + used.ru_stime
        return Sample(items, cpu, wall, cpu / items)

    return Case(name, trial, needs)


def _plain(kind: str) -> Callable[[Site, Path], list[str]]:
    return lambda site, target: ["tests.bench.plain_client", str(site.urls), str(target), site.connections, kind]


def _fetch(site: Site, target: Path) -> list[str]:
    limits = ["-c", site.connections, "-p", site.connections]
    return ["actorpar", "fetch", "-q", *limits, "-i", str(site.urls), "-o", str(target)]


def _group(name: str, size: int, items: int, connections: int) -> Group:
    site = Site(size, connections)
    return Group(
        name,
        f"processor time of the whole client per file of {size // KIB} KiB, {connections} connections, loopback",
        items,
        (
            _client("aiohttp + semaphore, uvloop", site, _plain(UVLOOP), ("aiohttp", "uvloop")),
            _client("aiohttp + semaphore, default loop", site, _plain(DEFAULT), ("aiohttp",)),
            _client("actorpar fetch", site, _fetch, ("aiohttp",)),
        ),
        unit="ms",
        loops=(NO_LOOP,),
        around=site.up,
    )


def groups() -> list[Group]:
    return [
        _group("downloads, small files", 10 * KIB, 2000, 32),
        _group("downloads, large files", 16 * KIB * KIB, 20, 8),
    ]
