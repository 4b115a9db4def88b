"""Ctrl-C drains: what came is kept and resumed. Twice kills."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from .answers import content, file, held
from .running import COMMAND, finished, grown, names, started
from .site import Site

MIB = 1024 * 1024
LARGE = content(4 * MIB, seed=1)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
async def test_one_signal_drains_and_the_next_run_continues(site: Site, tmp_path: Path, sign: signal.Signals) -> None:
    small = site.serve("/small.bin", file(b"small"))
    url = site.serve("/large.bin", held(LARGE, 3 * MIB, asyncio.Event()))
    arguments = [*COMMAND, "fetch", small, url, "--json", "-", "--split", "1", "--no-preallocate"]
    async with started(*arguments, cwd=tmp_path) as process:
        await grown(tmp_path / "small.bin")
        await grown(tmp_path / "large.bin.part", MIB)
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
