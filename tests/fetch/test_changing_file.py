"""A file that becomes another one while it comes: the result is one of the two, never a mixture."""

from __future__ import annotations

import asyncio
from pathlib import Path

from .answers import content, file, held, range_of_another, reset_after
from .running import fetch, names
from .site import Site

MIB = 1024 * 1024
QUICK = ("--retry-wait", "0.01")
OLD, NEW = content(2 * MIB, seed=1), content(2 * MIB, seed=2)
V2 = '"v2"'


async def test_a_file_that_changes_between_its_segments_comes_whole_in_its_new_form(site: Site, tmp_path: Path) -> None:
    gate = asyncio.Event()
    url = site.serve("/file.bin", held(OLD, 300_000, gate), file(NEW, etag=V2))

    async def open_gate() -> None:
        await site.until(lambda: len(site.gets()) >= 2)
        gate.set()

    run, _ = await asyncio.gather(fetch(url, "--min-split", "128K", *QUICK, cwd=tmp_path), open_gate())

    assert run.code == 0, run.err
    assert site.gets()[1].headers["if-range"] == '"v1"'
    assert (tmp_path / "file.bin").read_bytes() == NEW
    assert names(tmp_path) == {"file.bin"}


async def test_a_file_that_changes_before_it_is_resumed_comes_whole_in_its_new_form(site: Site, tmp_path: Path) -> None:
    url = site.serve("/file.bin", reset_after(OLD, MIB), file(NEW[: MIB + 5], etag=V2))

    run = await fetch(url, *QUICK, cwd=tmp_path)

    assert run.code == 0, run.err
    assert site.faults["reset"] == 1
    assert (tmp_path / "file.bin").read_bytes() == NEW[: MIB + 5]


async def test_a_range_of_another_file_is_refused_although_the_server_heeds_no_condition(
    site: Site, tmp_path: Path
) -> None:
    url = site.serve("/file.bin", reset_after(OLD, MIB), range_of_another(NEW, V2), file(NEW, etag=V2))

    run = await fetch(url, *QUICK, cwd=tmp_path)

    assert run.code == 0, run.err
    assert site.faults["range of another file"] == 1
    assert (tmp_path / "file.bin").read_bytes() == NEW


async def test_a_range_whose_total_differs_is_refused(site: Site, tmp_path: Path) -> None:
    url = site.serve("/file.bin", reset_after(OLD, MIB), range_of_another(OLD + b"more", '"v1"'), file(OLD + b"more"))

    run = await fetch(url, *QUICK, cwd=tmp_path)

    assert run.code == 0, run.err
    assert site.faults["range of another file"] >= 1
    assert (tmp_path / "file.bin").read_bytes() == OLD + b"more"


async def test_a_file_that_changes_at_every_attempt_is_given_up_as_changed(site: Site, tmp_path: Path) -> None:
    versions = [reset_after(content(2 * MIB, seed=n), MIB, etag=f'"v{n}"', modified=None) for n in range(1, 30)]
    url = site.serve("/file.bin", *versions)

    run = await fetch(url, "-t", "3", *QUICK, cwd=tmp_path)

    assert (run.code, run.kinds) == (8, {"changed": 1})
    assert 3 <= site.faults["reset"] <= 8
    assert "file.bin" not in names(tmp_path)


async def test_a_file_with_no_validator_is_begun_afresh_rather_than_resumed(site: Site, tmp_path: Path) -> None:
    url = site.serve("/file.bin", reset_after(OLD, MIB, etag=None, modified=None), file(NEW, etag=None, modified=None))

    run = await fetch(url, *QUICK, cwd=tmp_path)

    assert run.code == 0, run.err
    asked = site.gets()[-1]
    assert asked.range is None or asked.range[0] == 0
    assert "if-range" not in asked.headers
    assert (tmp_path / "file.bin").read_bytes() == NEW
