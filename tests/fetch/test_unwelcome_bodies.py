"""Bodies that are not what anybody wants on the disk: bombs, damage, unknown encodings, sheer size."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from .answers import chunked, content, file, gzip_bomb, without_ranges
from .running import fetch, names
from .site import Answer, Site

MIB = 1024 * 1024
QUICK = ("--retry-wait", "0.01")
BODY = content(2 * MIB)


async def test_a_compressed_bomb_is_refused_before_it_fills_the_disk(site: Site, tmp_path: Path) -> None:
    url = site.serve("/bomb", gzip_bomb(16 * MIB))

    run = await fetch(url, *QUICK, cwd=tmp_path)

    assert site.faults["bomb"] >= 1
    assert run.code == 13
    assert run.kinds == {"too-large": 1}
    assert "bomb" not in names(tmp_path)
    assert sum((tmp_path / name).stat().st_blocks * 512 for name in names(tmp_path)) < 4 * MIB


async def test_a_compressed_body_that_is_damaged_fails(site: Site, tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(BODY[:100_000], mtime=0))
    packed[len(packed) // 2] ^= 0xFF
    url = site.serve("/text", without_ranges(bytes(packed), headers={"Content-Encoding": "gzip"}))

    run = await fetch(url, "-t", "2", *QUICK, cwd=tmp_path)

    assert run.code in (6, 22)
    assert len(site.gets()) == 2
    assert "text" not in names(tmp_path)


async def test_an_encoding_nobody_asked_for_and_nobody_knows_is_refused(site: Site, tmp_path: Path) -> None:
    url = site.serve("/text", without_ranges(b"\x01\x02", headers={"Content-Encoding": "rot13"}))

    run = await fetch(url, "-t", "2", *QUICK, cwd=tmp_path)

    assert run.code == 22
    assert names(tmp_path) == set()


@pytest.mark.parametrize("answer", [file(BODY), chunked(BODY)], ids=["told by its length", "found out as it comes"])
async def test_a_file_over_the_size_allowed_is_refused(site: Site, tmp_path: Path, answer: Answer) -> None:
    url = site.serve("/file.bin", answer)

    run = await fetch(url, "--max-size", "1M", *QUICK, cwd=tmp_path)

    assert run.code == 13
    assert run.kinds == {"too-large": 1}
    assert len(site.gets()) == 1
    assert "file.bin" not in names(tmp_path)
