"""`actorpar demo`: one command that shows files come down, and proves that they did."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from actorpar.fetch.demo_server import BLOCK, demo_files

from .running import COMMAND, finished, names, started


def test_the_site_of_a_seed_is_always_the_same_and_no_two_blocks_are_alike() -> None:
    files = demo_files(seed=3, mib=4)
    blocks = [block for file in files for block in file.read() if len(block) == BLOCK]

    assert files == demo_files(seed=3, mib=4)
    assert sum(file.size for file in files) == 4 * 1024 * 1024
    assert len({file.path for file in files}) == len(files)
    assert len(set(blocks)) == len(blocks)
    assert files[5].sha256() != demo_files(seed=4, mib=4)[5].sha256()


def test_any_range_of_a_file_is_that_part_of_the_whole() -> None:
    file = demo_files(seed=3, mib=4)[5]
    whole = b"".join(file.read())

    assert len(whole) == file.size
    for start, stop in [(0, 1), (BLOCK - 1, BLOCK + 1), (100_000, 300_001), (file.size - 1, file.size + 5)]:
        assert b"".join(file.read(start, stop)) == whole[start:stop]


async def test_the_demo_fetches_and_verifies_and_cleans_up(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    environment = {"TMPDIR": str(tmp_path / "tmp")}
    async with started(*COMMAND, "demo", "--mib", "16", cwd=tmp_path, env=environment) as process:
        run = await finished(process)

    assert run.code == 0, run.err
    assert "identical" in run.out
    assert names(tmp_path) == set()
    assert os.listdir(tmp_path / "tmp") == []


async def test_the_demo_keeps_the_files_where_it_is_told_to(tmp_path: Path) -> None:
    async with started(*COMMAND, "demo", "--mib", "4", "--keep", "kept", cwd=tmp_path) as process:
        run = await finished(process)

    assert run.code == 0, run.err
    kept = sorted(path.stat().st_size for path in (tmp_path / "kept").rglob("*") if path.is_file())
    assert kept == sorted(file.size for file in demo_files(seed=1, mib=4))


async def test_the_server_of_the_demo_ends_with_the_program_that_started_it(tmp_path: Path) -> None:
    async with started("-m", "actorpar.fetch.demo_server", "1", "4", cwd=tmp_path) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        assert int(await server.stdout.readline()) > 0
        server.stdin.close()
        async with asyncio.timeout(10):
            assert await server.wait() == 0
