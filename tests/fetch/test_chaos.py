"""Every fault at once, at random: whatever the server does, what arrives in the end is identical."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from .answers import chunked, content, file, refuse, reset_after, short_by, whole_despite_range, wrong_range
from .running import fetch, names
from .site import Answer, Exchange, Site

MIB = 1024 * 1024


def unreliable(body: bytes, chance: random.Random, share: float) -> Answer:
    """Misbehave, in one way or another, at this share of the requests."""

    async def answer(exchange: Exchange) -> None:
        faults = [
            reset_after(body, chance.randrange(len(body) + 1)),
            short_by(body, chance.randrange(1, len(body) + 1)),
            refuse(503, retry_after=0),
            refuse(500),
            whole_despite_range(body),
            wrong_range(body, chance.randrange(1, 4096)),
            chunked(body, unfinished=True),
        ]
        chosen = chance.choice(faults) if chance.random() < share else file(body)
        await chosen(exchange)

    return answer


def _bodies(files: int, chance: random.Random) -> dict[str, bytes]:
    sizes = [chance.choice([0, 5_000, 270_000, 600_000, MIB]) + chance.randrange(1, 5_000) for _ in range(files)]
    pool = content(2 * MIB)
    return {f"file-{number}": pool[number * 499 : number * 499 + size] for number, size in enumerate(sizes)}


def _differing(folder: Path, bodies: dict[str, bytes]) -> list[str]:
    return [name for name, body in bodies.items() if (folder / name).read_bytes() != body]


async def _survive(site: Site, tmp_path: Path, files: int, share: float, least_faults: int) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    bodies = await asyncio.to_thread(_bodies, files, chance)
    urls = [site.serve(f"/{name}", unreliable(body, chance, share)) for name, body in bodies.items()]
    (tmp_path / "list").write_text("\n".join(urls))
    arguments = ["-t", "60", "--retry-wait", "0.001", "--retry-wait-max", "0.01", "--min-split", "128K", "-p", "16"]

    run = await fetch("-i", "list", "-o", "got", *arguments, cwd=tmp_path)

    assert run.code == 0, run.err
    assert names(tmp_path / "got") == bodies.keys()
    assert await asyncio.to_thread(_differing, tmp_path / "got", bodies) == []
    assert site.faults.total() >= least_faults, site.faults


async def test_forty_files_from_a_server_that_fails_every_other_time_arrive_identical(
    site: Site, tmp_path: Path
) -> None:
    await _survive(site, tmp_path, files=40, share=0.5, least_faults=8)


@pytest.mark.slow
async def test_a_thousand_faults_cost_not_one_byte(site: Site, tmp_path: Path) -> None:
    await _survive(site, tmp_path, files=1000, share=0.7, least_faults=1000)
