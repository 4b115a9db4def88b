"""A disk that is full, forbidden or slow: a typed error, no half file under a final name, no memory filled."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .answers import chunked, content, file
from .running import fetch, finished, names, started
from .site import Answer, Exchange, Site

MIB = 1024 * 1024
BODY = content(2 * MIB)


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """A file system of 1 MiB at `folder`; skips where one cannot be mounted."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a small tmpfs cannot be mounted here, which needs root on Linux: {error}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True, capture_output=True)


@pytest.mark.parametrize("answer", [file(BODY), chunked(BODY)], ids=["length known", "length not known"])
@pytest.mark.parametrize("options", [(), ("--no-preallocate",)], ids=["reserved", "not reserved"])
async def test_a_full_disk_is_told_as_such_and_files_that_fit_arrive(
    site: Site, tmp_path: Path, answer: Answer, options: tuple[str, ...]
) -> None:
    large, small = site.serve("/large.bin", answer), site.serve("/small.bin", file(b"small"))
    with _small_disk(tmp_path / "disk"):
        run = await fetch(small, large, "-o", "disk", *options, cwd=tmp_path)
        left = names(tmp_path / "disk")

        assert run.code == 9
        assert run.kinds == {"disk-full": 1}
        assert "large.bin" not in left
        assert (tmp_path / "disk/small.bin").read_bytes() == b"small"
    assert len(site.gets("/large.bin")) == 1, "a full disk is no reason to ask again"


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
from actorpar.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize("options", [(), ("--no-preallocate",)], ids=["reserved", "not reserved"])
async def test_a_write_the_system_refuses_is_an_error_of_that_file_alone(
    site: Site, tmp_path: Path, options: tuple[str, ...]
) -> None:
    large, small = site.serve("/large.bin", file(BODY)), site.serve("/small.bin", file(b"small"))
    arguments = ["-c", LIMITED, "fetch", large, small, "-o", "got", "--json", "-", *options]
    async with started(*arguments, cwd=tmp_path) as process:
        run = await finished(process)

    assert run.code in (9, 16)
    assert run.report["summary"]["failed"] == 1
    assert (tmp_path / "got/small.bin").read_bytes() == b"small"
    assert "large.bin" not in names(tmp_path / "got")


async def test_an_output_directory_that_cannot_be_made_is_told_before_any_request(site: Site, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")

    run = await fetch(site.serve("/file.bin", file(BODY)), "-o", "taken/below", cwd=tmp_path)

    assert run.code == 16
    assert "taken" in run.err
    assert site.requests == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere; the test above covers the same error")
async def test_an_output_directory_without_write_permission_is_told_before_any_request(
    site: Site, tmp_path: Path
) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)

    run = await fetch(site.serve("/file.bin", file(BODY)), "-o", "locked", cwd=tmp_path)

    assert run.code == 16
    assert "locked" in run.err
    assert site.requests == []


async def test_a_directory_in_the_place_of_the_file_is_not_replaced(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.bin").mkdir()

    run = await fetch(site.serve("/file.bin", file(b"body")), "--existing", "replace", cwd=tmp_path)

    assert (tmp_path / "file.bin").is_dir()
    assert run.code in (0, 16)
    assert run.code == 16 or (tmp_path / "file.1.bin").read_bytes() == b"body"


MEASURED = """
import sys
from actorpar.cli import main
code = main()
with open("/proc/self/status") as status:
    print(next(line.split()[1] for line in status if line.startswith("VmHWM")), file=sys.stderr)
sys.exit(code)
"""


def endless(size: int) -> Answer:
    """Serve `size` bytes that no test keeps: the same 64 KiB again and again."""
    block = content(64 * 1024)

    async def answer(exchange: Exchange) -> None:
        first, last = exchange.request.range or (0, None)
        stop = size if last is None else last + 1
        span = {"Content-Range": f"bytes {first}-{stop - 1}/{size}"} if exchange.request.range else {}
        headers = {"Content-Length": stop - first, "ETag": '"v1"', "Accept-Ranges": "bytes"}
        await exchange.head(206 if span else 200, headers | span)
        while first < stop:
            piece = block[first % len(block) :][: stop - first]
            await exchange.write(piece)
            first += len(piece)

    return answer


def _is_endless(path: Path, size: int) -> bool:
    block = content(64 * 1024)
    with open(path, "rb") as stream:
        return path.stat().st_size == size and all(
            stream.read(len(block)) == block[: size - start] for start in range(0, size, len(block))
        )


async def _slow_disk(site: Site, tmp_path: Path, size: int, rate: str, within: float) -> int:
    """Peak resident memory in KiB of one download onto a disk of that rate."""
    url = site.serve("/large.bin", endless(size))
    arguments = ["-c", MEASURED, "fetch", url, "--disk-rate", rate, "--stats", "--json", "report.json", "-q"]
    async with started(*arguments, cwd=tmp_path) as process:
        run = await finished(process, within=within)
    assert run.code == 0, run.err
    assert await asyncio.to_thread(_is_endless, tmp_path / "large.bin", size)
    channels = json.loads((tmp_path / "report.json").read_text())["summary"]["channels"]
    assert channels
    assert all(channel["peak"] <= channel["capacity"] for channel in channels)
    assert max(channel["sender_blocked"] for channel in channels) > 1, "back-pressure ran through a channel"
    peak = int(run.err.split()[-1])
    print(f"peak resident memory {peak / 1024:.0f} MiB, the server stalled for {site.stalled:.0f} s")
    return peak


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
async def test_a_slow_disk_stalls_the_sockets_and_fills_no_memory(site: Site, tmp_path: Path) -> None:
    peak = await _slow_disk(site, tmp_path, size=96 * MIB, rate="48M", within=40)

    assert peak < 120 * 1024
    assert site.stalled > 1, "the server waited for the client, the client for its disk"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
async def test_two_gib_onto_a_disk_of_five_mib_per_second_stay_under_120_mib(site: Site, tmp_path: Path) -> None:
    peak = await _slow_disk(site, tmp_path, size=2048 * MIB, rate="5M", within=600)

    assert peak < 120 * 1024
    assert site.stalled > 300
