"""A server that misbehaves once is survived; one that always does is reported as what it is, and leaves no file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from .answers import (
    GRACE,
    chunked,
    claims_length,
    content,
    every,
    file,
    held,
    raw,
    refuse,
    reset_after,
    short_by,
    whole_despite_range,
    wrong_range,
)
from .running import fetch, names
from .site import Exchange, Site

MIB = 1024 * 1024
QUICK = ("--retry-wait", "0.01")
BODY = content(2 * MIB)


async def test_a_reset_in_mid_body_is_resumed_at_the_byte_that_is_missing(site: Site, tmp_path: Path) -> None:
    url = site.serve("/file.bin", reset_after(BODY, MIB), file(BODY))

    run = await fetch(url, *QUICK, cwd=tmp_path)

    assert run.code == 0, run.err
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert site.faults["reset"] == 1
    again = site.gets()[1]
    assert again.range is not None
    assert 0 < again.range[0] <= MIB
    assert again.headers["if-range"] == '"v1"'
    assert run.file["attempts"] == 2


async def test_a_small_file_whose_connection_is_reset_comes_again(site: Site, tmp_path: Path) -> None:
    url = site.serve("/file.bin", reset_after(BODY[:9000], 5000), reset_after(BODY[:9000], 0), file(BODY[:9000]))

    run = await fetch(url, *QUICK, cwd=tmp_path)

    assert run.code == 0, run.err
    assert (tmp_path / "file.bin").read_bytes() == BODY[:9000]
    assert site.faults["reset"] == 2


async def test_resets_of_every_connection_of_a_segmented_file_lose_nothing(site: Site, tmp_path: Path) -> None:
    url = site.serve("/file.bin", file(BODY, pace=every(0.01)), *[reset_after(BODY, 100_000)] * 6, file(BODY))

    run = await fetch(url, "--min-split", "256K", *QUICK, cwd=tmp_path)

    assert run.code == 0, run.err
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert site.faults["reset"] >= 3


async def test_a_server_that_always_resets_is_given_up_after_the_tries_told(site: Site, tmp_path: Path) -> None:
    url = site.serve("/file.bin", reset_after(BODY, 1000))

    run = await fetch(url, "-t", "3", *QUICK, cwd=tmp_path)

    assert run.code == 6
    assert sum(run.kinds.values()) == 1
    assert site.faults["reset"] == 3
    assert "file.bin" not in names(tmp_path)


@pytest.mark.parametrize("size", [9000, 2 * MIB])
async def test_a_short_body_is_never_taken_for_the_whole(site: Site, tmp_path: Path, size: int) -> None:
    url = site.serve("/file.bin", short_by(BODY[:size], 777), file(BODY[:size]))

    run = await fetch(url, *QUICK, cwd=tmp_path)

    assert run.code == 0, run.err
    assert (tmp_path / "file.bin").read_bytes() == BODY[:size]
    assert site.faults["short"] == 1


async def test_a_body_that_is_always_short_fails_and_leaves_no_file_under_its_name(site: Site, tmp_path: Path) -> None:
    url = site.serve("/file.bin", short_by(BODY, 777))

    run = await fetch(url, "-t", "3", *QUICK, cwd=tmp_path)

    assert run.code == 6
    assert run.kinds == {"short-body": 1}
    assert site.faults["short"] >= 3
    assert "file.bin" not in names(tmp_path)


async def test_a_length_that_promises_too_much_fails(site: Site, tmp_path: Path) -> None:
    url = site.serve("/file.bin", claims_length(BODY[:50_000], 60_000))

    run = await fetch(url, "-t", "2", *QUICK, cwd=tmp_path)

    assert run.code == 6
    assert site.faults["wrong length"] == 2
    assert "file.bin" not in names(tmp_path)


async def test_a_length_that_promises_too_little_is_found_out_by_the_checksum(site: Site, tmp_path: Path) -> None:
    url = site.serve("/file.bin", claims_length(BODY[:50_000], 40_000))

    run = await fetch(url, "--checksum", f"sha256:{'0' * 64}", "-t", "2", *QUICK, cwd=tmp_path)

    assert run.code in (22, 32), "the bytes too many are noticed on the line, or else the checksum tells"
    assert site.faults["wrong length"] >= 1
    assert "file.bin" not in names(tmp_path)


async def test_a_chunked_body_that_ends_early_is_never_taken_for_the_whole(site: Site, tmp_path: Path) -> None:
    url = site.serve("/file.bin", chunked(BODY, unfinished=True), chunked(BODY))

    run = await fetch(url, *QUICK, cwd=tmp_path)

    assert run.code == 0, run.err
    assert site.faults["chunked"] == 2
    assert (tmp_path / "file.bin").read_bytes() == BODY


async def test_a_whole_answer_in_place_of_a_range_falls_back_to_one_stream(site: Site, tmp_path: Path) -> None:
    gate = asyncio.Event()
    url = site.serve("/file.bin", held(BODY, 300_000, gate), whole_despite_range(BODY))

    async def open_gate() -> None:
        await site.until(lambda: site.faults["200 for 206"] > 0)
        gate.set()

    run, _ = await asyncio.gather(fetch(url, "--min-split", "128K", *QUICK, cwd=tmp_path), open_gate())

    assert run.code == 0, run.err
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert len(site.gets()) <= 1 + 3 + 2, "the first, three helpers, one more range, the whole: not again and again"


async def test_a_helper_that_fails_while_the_owner_runs_on_mixes_no_bytes(site: Site, tmp_path: Path) -> None:
    async def fail_late(exchange: Exchange) -> None:
        await asyncio.sleep(3 * GRACE)  # by then the first stream has come to where the helper's range begins
        await refuse(500)(exchange)

    body = BODY[:-12_345]  # no multiple of anything: ranges begin within what is read at once
    url = site.serve("/file.bin", file(body, pace=every(0.001)), fail_late, fail_late, fail_late, file(body))

    run = await fetch(url, "--min-split", "128K", *QUICK, cwd=tmp_path)

    assert run.code == 0, run.err
    assert site.faults["500"] == 3
    assert (tmp_path / "file.bin").read_bytes() == body


async def test_a_range_other_than_the_one_asked_for_is_never_written_as_if_it_were(site: Site, tmp_path: Path) -> None:
    url = site.serve("/file.bin", reset_after(BODY, MIB), wrong_range(BODY, 4096), file(BODY))

    run = await fetch(url, *QUICK, cwd=tmp_path)

    assert site.faults["wrong range"] == 1
    assert run.code == 0, run.err
    assert (tmp_path / "file.bin").read_bytes() == BODY


NONSENSE = {
    "nothing": b"",
    "no http": b"220 mail.example ESMTP\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "an endless header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nhello",
    "a chunk of no size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    "a part nobody asked for": b"HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\n"
    b"Content-Range: bytes 0-4/9\r\n\r\nhello",
    "a redirect to nowhere": b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
}


async def test_answers_that_make_no_sense_are_typed_failures_after_the_tries_told(site: Site, tmp_path: Path) -> None:
    urls = {site.serve(f"/{number}", raw(NONSENSE[name], name)): name for number, name in enumerate(NONSENSE)}

    run = await fetch(*urls, "-t", "2", *QUICK, cwd=tmp_path)

    failed = {urls[record["url"]]: record["error"]["kind"] for record in run.files}
    assert failed.keys() == NONSENSE.keys()
    assert set(failed.values()) <= {"network", "short-body", "protocol", "redirect", "http"}
    assert set(site.faults) == set(NONSENSE)
    assert max(site.faults.values()) <= 4, "two tries, each repeated once by the HTTP library when nothing was answered"
    assert names(tmp_path) == set()


async def test_an_answer_that_makes_no_sense_once_is_survived(site: Site, tmp_path: Path) -> None:
    url = site.serve("/file.bin", raw(NONSENSE["no http"], "nonsense"), file(BODY))

    run = await fetch(url, *QUICK, cwd=tmp_path)

    assert run.code == 0, run.err
    assert site.faults["nonsense"] == 1
    assert (tmp_path / "file.bin").read_bytes() == BODY


async def test_a_connection_that_falls_silent_is_left_and_the_file_resumed(site: Site, tmp_path: Path) -> None:
    url = site.serve("/file.bin", held(BODY, MIB, asyncio.Event()), file(BODY))

    run = await fetch(url, "--timeout", "0.5", *QUICK, cwd=tmp_path)

    assert run.code == 0, run.err
    assert site.faults["held"] == 1
    assert (tmp_path / "file.bin").read_bytes() == BODY


async def test_a_server_that_stays_silent_is_a_timeout(site: Site, tmp_path: Path) -> None:
    url = site.serve("/file.bin", held(BODY, 0, asyncio.Event()))

    run = await fetch(url, "--timeout", "0.3", "-t", "2", *QUICK, cwd=tmp_path)

    assert run.code == 2
    assert run.kinds == {"timeout": 1}
    assert site.faults["held"] == 2
    assert "file.bin" not in names(tmp_path)


async def test_a_slow_server_that_stays_alive_is_not_given_up(site: Site, tmp_path: Path) -> None:
    body = content(512 * 1024)
    url = site.serve("/file.bin", file(body, pace=every(0.15)))

    run = await fetch(url, "--timeout", "1", cwd=tmp_path)

    assert run.code == 0, run.err
    assert (tmp_path / "file.bin").read_bytes() == body
    assert len(site.gets()) == 1, "the whole took longer than the timeout, which is about silence"


@pytest.mark.slow
async def test_a_server_under_the_least_rate_told_is_given_up(site: Site, tmp_path: Path) -> None:
    url = site.serve("/file.bin", file(content(8 * MIB), pace=every(1.0)))

    run = await fetch(url, "--min-rate", "1M", "-t", "1", cwd=tmp_path)

    assert run.code == 5
    assert run.kinds == {"too-slow": 1}
    assert "file.bin" not in names(tmp_path)


async def test_a_host_that_refuses_connections_fails_alone(site: Site, tmp_path: Path, unused_tcp_port: int) -> None:
    dead = [f"http://127.0.0.1:{unused_tcp_port}/{number}" for number in range(40)]
    good = [site.serve(f"/good-{number}", file(b"body")) for number in range(5)]

    run = await fetch(*dead, *good, "-t", "2", *QUICK, cwd=tmp_path)

    assert run.code == 6
    assert run.kinds == {"network": 40}
    assert names(tmp_path) == {f"good-{number}" for number in range(5)}


async def test_a_name_that_does_not_resolve_stalls_no_other_host(site: Site, tmp_path: Path) -> None:
    lost = [f"http://no-such-host.invalid/{number}" for number in range(40)]
    good = [site.serve(f"/good-{number}", file(b"body")) for number in range(5)]

    run = await fetch(*lost, *good, "-t", "2", *QUICK, cwd=tmp_path)

    assert run.code == 19
    assert run.kinds == {"dns": 40}
    assert names(tmp_path) == {f"good-{number}" for number in range(5)}
