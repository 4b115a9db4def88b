"""What is there already: complete files are left alone, begun ones are continued, foreign ones are never harmed."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from .answers import content, file, held, refuse, reset_after
from .running import COMMAND, fetch, finished, names, started
from .site import Site

MIB = 1024 * 1024
OLD, NEW = content(2 * MIB, seed=1), content(2 * MIB, seed=2)
LATER = "Thu, 02 Jul 2026 10:00:00 GMT"
ONE_TRY = ("-t", "1", "--retry-wait", "0.01")


async def _begin(site: Site, tmp_path: Path, path: str = "/file.bin") -> str:
    """Leave 1 MiB of OLD in a .part with its journal."""
    url = site.serve(path, reset_after(OLD, MIB))
    run = await fetch(url, *ONE_TRY, cwd=tmp_path)
    assert run.code == 6
    return url


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with open(path, "rb+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


async def test_a_complete_file_is_not_fetched_again(site: Site, tmp_path: Path) -> None:
    url = site.serve("/file.bin", file(OLD))
    await fetch(url, cwd=tmp_path)

    run = await fetch(url, cwd=tmp_path)

    assert run.code == 0, run.err
    assert run.file["status"] == "skipped"
    assert run.file["bytes"] < 300_000
    assert names(tmp_path) == {"file.bin"}


async def test_a_file_with_the_right_checksum_is_skipped_without_a_request(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(OLD)
    url = site.serve("/file.bin", file(OLD))

    run = await fetch(url, "--checksum", f"sha256:{hashlib.sha256(OLD).hexdigest()}", cwd=tmp_path)

    assert run.code == 0, run.err
    assert run.file["status"] == "skipped"
    assert site.requests == []


async def test_another_file_of_the_same_name_is_kept_and_the_new_one_numbered(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(b"somebody else's")
    url = site.serve("/file.bin", file(NEW))

    run = await fetch(url, cwd=tmp_path)

    assert run.code == 0, run.err
    assert (tmp_path / "file.bin").read_bytes() == b"somebody else's"
    assert (tmp_path / "file.1.bin").read_bytes() == NEW
    assert run.file["path"] == str(tmp_path / "file.1.bin")


async def test_replace_swaps_the_old_file_for_the_new_only_at_the_end(site: Site, tmp_path: Path) -> None:
    gate = asyncio.Event()
    (tmp_path / "file.bin").write_bytes(OLD)
    url = site.serve("/file.bin", held(NEW, MIB, gate))
    async with started(*COMMAND, "fetch", url, "--existing", "replace", cwd=tmp_path) as process:
        await site.until(lambda: site.faults["held"] == 1)
        assert (tmp_path / "file.bin").read_bytes() == OLD
        gate.set()
        run = await finished(process)

    assert run.code == 0, run.err
    assert (tmp_path / "file.bin").read_bytes() == NEW
    assert names(tmp_path) == {"file.bin"}


async def test_skip_trusts_any_file_that_is_there(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(b"trusted")
    url = site.serve("/file.bin", file(NEW))

    run = await fetch(url, "--existing", "skip", cwd=tmp_path)

    assert run.code == 0, run.err
    assert (tmp_path / "file.bin").read_bytes() == b"trusted"
    assert site.requests == []


async def test_a_failed_transfer_keeps_what_came_and_the_next_run_continues_it(site: Site, tmp_path: Path) -> None:
    url = await _begin(site, tmp_path)
    assert names(tmp_path) == {"file.bin.part", "file.bin.part.json"}
    site.serve("/file.bin", file(OLD))

    run = await fetch(url, cwd=tmp_path)

    assert run.code == 0, run.err
    assert (tmp_path / "file.bin").read_bytes() == OLD
    assert names(tmp_path) == {"file.bin"}
    asked = site.gets()[-1].range
    assert asked is not None
    assert asked[0] == run.file["resumed"] > 0
    assert run.file["bytes"] + run.file["resumed"] == len(OLD)


async def test_a_begun_file_that_has_changed_since_is_begun_afresh(site: Site, tmp_path: Path) -> None:
    url = await _begin(site, tmp_path)
    site.serve("/file.bin", file(NEW, etag='"v2"', modified=LATER))

    run = await fetch(url, cwd=tmp_path)

    assert run.code == 0, run.err
    assert site.gets()[1].headers["if-range"] == '"v1"'
    assert (tmp_path / "file.bin").read_bytes() == NEW


async def test_a_begun_file_that_has_shrunk_below_the_resumed_byte_is_begun_afresh(site: Site, tmp_path: Path) -> None:
    url = await _begin(site, tmp_path)
    site.serve("/file.bin", refuse(416, content_range="bytes */1000"), file(NEW[:1000], etag='"v2"'))

    run = await fetch(url, "--retry-wait", "0.01", cwd=tmp_path)

    assert run.code == 0, run.err
    assert site.faults["416"] == 1
    assert (tmp_path / "file.bin").read_bytes() == NEW[:1000]


async def test_parts_without_a_usable_journal_are_begun_afresh(site: Site, tmp_path: Path) -> None:
    journals = {
        "empty": b"",
        "cut": b"{",
        "list": b"[]",
        "future": b'{"version": 99}',
        "binary": b"\xff\x00",
        "none": None,
    }
    urls = [site.serve(f"/{name}", reset_after(OLD, MIB)) for name in journals]
    begun = await fetch(*urls, *ONE_TRY, cwd=tmp_path)
    assert begun.code == 6
    for name, journal in journals.items():
        path = tmp_path / f"{name}.part.json"
        assert path.exists()
        path.unlink()
        if journal is not None:
            path.write_bytes(journal)
        site.serve(f"/{name}", file(NEW))

    run = await fetch(*urls, cwd=tmp_path)

    assert run.code == 0, run.err
    assert names(tmp_path) == journals.keys()
    assert all((tmp_path / name).read_bytes() == NEW for name in journals)


async def test_a_journal_that_lies_about_the_ranges_is_not_believed_beyond_the_file(site: Site, tmp_path: Path) -> None:
    url = await _begin(site, tmp_path)
    (tmp_path / "file.bin.part").write_bytes(b"")
    site.serve("/file.bin", file(OLD))

    run = await fetch(url, cwd=tmp_path)

    assert run.code == 0, run.err
    assert (tmp_path / "file.bin").read_bytes() == OLD


async def test_a_journal_that_a_kill_cut_off_is_cleared_away(site: Site, tmp_path: Path) -> None:
    url = await _begin(site, tmp_path)
    (tmp_path / "file.bin.part.json.new").write_bytes(b'{"vers')
    site.serve("/file.bin", file(OLD))

    run = await fetch(url, cwd=tmp_path)

    assert run.code == 0, run.err
    assert (tmp_path / "file.bin").read_bytes() == OLD
    assert names(tmp_path) == {"file.bin"}


async def test_a_part_that_another_process_writes_is_left_to_it(site: Site, tmp_path: Path) -> None:
    url = await _begin(site, tmp_path)
    before = len(site.requests)
    with _locked(tmp_path / "file.bin.part"):
        run = await fetch(url, *ONE_TRY, cwd=tmp_path)

    assert run.code == 11
    assert run.kinds == {"busy": 1}
    assert len(site.requests) - before <= 1
    assert "file.bin" not in names(tmp_path)


async def test_a_report_replaces_the_old_one_only_when_it_is_complete(site: Site, tmp_path: Path) -> None:
    gate = asyncio.Event()
    report = tmp_path / "report.json"
    report.write_text("the old one")
    url = site.serve("/file.bin", held(OLD, MIB, gate))
    async with started(*COMMAND, "fetch", url, "--json", str(report), cwd=tmp_path) as process:
        await site.until(lambda: site.faults["held"] == 1)
        assert report.read_text() == "the old one"
        gate.set()
        assert (await finished(process)).code == 0

    assert json.loads(report.read_text())["summary"]["done"] == 1
    assert names(tmp_path) == {"file.bin", "report.json"}
