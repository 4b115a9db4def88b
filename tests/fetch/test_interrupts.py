"""Ctrl-C drains: what came is kept and resumed. Twice kills. kill -9 at any moment loses no finished byte."""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path

import pytest

from .answers import content, every, file, held
from .running import COMMAND, fetch, finished, names, started
from .site import Site

MIB = 1024 * 1024
LARGE = content(4 * MIB, seed=1)


async def _exists(path: Path, size: int = 0) -> None:
    """Wait until a file is there and has grown so far; a file tells nobody, so it is looked at again and again."""
    async with asyncio.timeout(30):
        while _size(path) < size:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
async def test_one_signal_drains_and_the_next_run_continues(site: Site, tmp_path: Path, sign: signal.Signals) -> None:
    small = site.serve("/small.bin", file(b"small"))
    url = site.serve("/large.bin", held(LARGE, 3 * MIB, asyncio.Event()))
    arguments = [*COMMAND, "fetch", small, url, "--json", "-", "--split", "1", "--no-preallocate"]
    async with started(*arguments, cwd=tmp_path) as process:
        await _exists(tmp_path / "small.bin")
        await _exists(tmp_path / "large.bin.part", MIB)
        process.send_signal(sign)
        run = await finished(process, within=10)

    assert run.code == 7
    assert "large.bin" not in names(tmp_path)
    assert {record["url"]: record["status"] for record in run.files}[url] == "interrupted"
    site.serve("/large.bin", file(LARGE))
    async with started(*arguments, cwd=tmp_path) as process:
        again = await finished(process)

    assert again.code == 0, again.err
    assert names(tmp_path) == {"small.bin", "large.bin"}
    assert (tmp_path / "large.bin").read_bytes() == LARGE
    assert (tmp_path / "small.bin").read_bytes() == b"small"
    asked = site.gets("/large.bin")[-1].range
    assert asked is not None
    assert 0 < asked[0] <= 3 * MIB


async def test_a_list_still_being_read_is_no_reason_to_stay_after_a_signal(site: Site, tmp_path: Path) -> None:
    url = site.serve("/large.bin", held(LARGE, MIB, asyncio.Event()))
    async with started(*COMMAND, "fetch", "-", "--json", "-", cwd=tmp_path) as process:
        assert process.stdin is not None
        process.stdin.write(f"{url}\n".encode())
        await process.stdin.drain()
        await site.until(lambda: site.faults["held"] == 1)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(10):
            code = await process.wait()
        run = await finished(process)

    assert code == 7
    assert run.file["status"] == "interrupted"


HUNG_DISK = """
import os, sys, time
def hang(*arguments):
    print("hangs", file=sys.stderr, flush=True)
    time.sleep(3600)
os.pwritev = hang
from actorpar.cli import main
sys.exit(main())
"""


async def test_a_second_signal_kills_a_run_that_cannot_drain_because_its_disk_hangs(site: Site, tmp_path: Path) -> None:
    url = site.serve("/large.bin", file(LARGE))
    async with started("-c", HUNG_DISK, "fetch", url, "-q", cwd=tmp_path) as process:
        assert process.stderr is not None
        assert await process.stderr.readline() == b"hangs\n"
        process.send_signal(signal.SIGINT)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process.wait(), 0.5)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(5):
            code = await process.wait()

    assert code != 0
    assert "large.bin" not in names(tmp_path)


async def _run_and_kill(site: Site, tmp_path: Path, urls: list[str], moment: float) -> bool:
    """Kill a run at `moment` seconds after its first request; tells whether it was still running."""
    before = len(site.requests)
    async with started(*COMMAND, "fetch", *urls, "-o", "got", "--min-split", "256K", cwd=tmp_path) as process:
        await site.until(lambda: len(site.requests) > before or process.returncode is not None)
        try:
            await asyncio.wait_for(process.wait(), moment)
        except TimeoutError:
            process.kill()
        return (await finished(process)).code == -signal.SIGKILL


async def _kill_again_and_again(site: Site, tmp_path: Path, runs: int, seed: int) -> None:
    chance = random.Random(seed)
    print(f"seed {seed}")
    bodies = {f"/file-{n}.bin": content(size, seed=n) for n, size in enumerate([0, 999, 300_000, MIB, 4 * MIB])}
    urls = [site.url(path) for path in bodies]
    killed = 0
    for number in range(runs):
        folder = tmp_path / str(number)
        folder.mkdir()
        for path, body in bodies.items():
            site.serve(path, file(body, pace=every(0.01)))
        for _ in range(chance.randint(1, 2)):
            killed += await _run_and_kill(site, folder, urls, chance.uniform(0.0, 0.3))
            _only_whole_files(folder / "got", bodies)
        for path, body in bodies.items():
            site.serve(path, file(body))
        run = await fetch(*urls, "-o", "got", cwd=folder)
        assert run.code == 0, run.err
        assert names(folder / "got") == {path[1:] for path in bodies}
        _only_whole_files(folder / "got", bodies)
    assert killed >= runs / 2, "most of the kills came in the middle"
    assert any(get.range and get.range[0] > 0 and "if-range" in get.headers for get in site.gets())


def _only_whole_files(folder: Path, bodies: dict[str, bytes]) -> None:
    for path, body in bodies.items():
        final = folder / path[1:]
        assert not final.exists() or final.read_bytes() == body, final


async def test_after_kill_9_at_five_random_moments_a_second_run_completes_identical(site: Site, tmp_path: Path) -> None:
    await _kill_again_and_again(site, tmp_path, runs=5, seed=random.randrange(2**32))


@pytest.mark.slow
async def test_after_kill_9_at_fifty_random_moments_a_second_run_completes_identical(
    site: Site, tmp_path: Path
) -> None:
    await _kill_again_and_again(site, tmp_path, runs=50, seed=random.randrange(2**32))
