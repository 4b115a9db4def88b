"""kill -9 at any moment: no file stands half-written under its name, and the next run completes what was begun."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from pathlib import Path

import pytest

from .answers import content, every, file
from .running import fetch, finished, grown, names, started
from .site import Site

MIB = 1024 * 1024
BODIES = {f"/file-{n}.bin": content(size, seed=n) for n, size in enumerate([0, 999, 300_000, MIB, 6 * MIB])}
#: The program with a journal every 20 ms in place of every second, so that many kills come while one is written.
HASTY = """
import sys
import actorpar.fetch.partfile as partfile
partfile.JOURNAL_SECONDS = 0.02
from actorpar.cli import main
sys.exit(main())
"""


async def _kill(site: Site, folder: Path, moment: float | None) -> bool:
    """Kill a run so many seconds after its first request, or once it has a journal; was it still running?"""
    arguments = [*map(site.url, BODIES), "-o", "got", "--min-split", "256K", "-q"]
    before = len(site.requests)
    async with started("-c", HASTY, "fetch", *arguments, cwd=folder) as process:
        await site.until(lambda: len(site.requests) > before or process.returncode is not None)
        if moment is None:
            await grown(folder / "got/file-4.bin.part.json")
            moment = 0.0
        try:
            await asyncio.wait_for(process.wait(), moment)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):  # it ended at this very moment
                process.kill()
        return (await finished(process)).code == -signal.SIGKILL


async def _kill_again_and_again(site: Site, tmp_path: Path, runs: int) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    killed = resumed = 0
    for number in range(runs):
        folder = tmp_path / str(number)
        folder.mkdir()
        for path, body in BODIES.items():
            site.serve(path, file(body, pace=every(0.01)))
        moments = [chance.uniform(0.0, 0.4) for _ in range(chance.randint(1, 2))]
        for moment in moments if number else [None]:  # the first one surely in the middle
            killed += await _kill(site, folder, moment)
            assert _half_written(folder / "got") == []
        for path, body in BODIES.items():
            site.serve(path, file(body))
        run = await fetch(*map(site.url, BODIES), "-o", "got", cwd=folder)
        assert run.code == 0, run.err
        assert set(names(folder / "got")) == {path[1:] for path in BODIES}
        assert _half_written(folder / "got") == []
        resumed += run.report["summary"]["resumed"]
    assert killed > runs / 2, "most of the kills came in the middle"
    assert resumed > 0, "the last runs went on where the killed ones were"


def _half_written(folder: Path) -> list[Path]:
    finals = {folder / path[1:]: body for path, body in BODIES.items()}
    return [final for final, body in finals.items() if final.exists() and final.read_bytes() != body]


async def test_after_kill_9_at_five_random_moments_a_second_run_completes_identical(site: Site, tmp_path: Path) -> None:
    await _kill_again_and_again(site, tmp_path, runs=5)


@pytest.mark.slow
async def test_after_kill_9_at_fifty_random_moments_a_second_run_completes_identical(
    site: Site, tmp_path: Path
) -> None:
    await _kill_again_and_again(site, tmp_path, runs=50)
