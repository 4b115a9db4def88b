"""Lists are read as they come, and a line that cannot be used harms no other."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from .answers import file, refuse
from .running import COMMAND, fetch, finished, names, started
from .site import Exchange, Site


async def echo_path(exchange: Exchange) -> None:
    """A body of its own for every path."""
    await file(exchange.request.path.encode())(exchange)


async def test_a_list_names_files_mirrors_checksums_and_names(site: Site, tmp_path: Path) -> None:
    site.serve_everything(echo_path)
    site.serve("/gone", refuse(404))
    digest = hashlib.sha256(b"/checked").hexdigest()
    (tmp_path / "list.txt").write_text(
        "# a comment\n\n"
        f"{site.url('/plain')}\n"
        f"{site.url('/gone')} {site.url('/mirror')}\n"
        f"{site.url('/checked')} sha256={digest}\r\n"
        f"   {site.url('/renamed')}   out=sub/new%20name  \n"
        f"{site.url('/last')}"
    )

    run = await fetch("-i", "list.txt", "-o", "got", cwd=tmp_path)

    assert run.code == 0, run.err
    got = {name: (tmp_path / "got" / name).read_bytes() for name in names(tmp_path / "got")}
    assert got == {
        "plain": b"/plain",
        "gone": b"/mirror",
        "checked": b"/checked",
        "sub/new name": b"/renamed",
        "last": b"/last",
    }


async def test_lines_that_cannot_be_used_are_reported_and_the_others_arrive(site: Site, tmp_path: Path) -> None:
    site.serve_everything(echo_path)
    lines = [
        site.url("/one"),
        "http://",
        "ftp://127.0.0.1/file",
        "no url at all",
        f"{site.url('/bad-digest')} sha256=xyz",
        f"{site.url('/bad-field')} colour=red",
        "http://[::1",
        "http://host:99999/",
        "\x00\xff\xfe",
        site.url("/two"),
    ]
    (tmp_path / "list.txt").write_bytes("\n".join(lines).encode("latin-1"))

    run = await fetch("-i", "list.txt", "-o", "got", cwd=tmp_path)

    assert run.code == 28
    assert names(tmp_path / "got") == {"one", "two"}
    assert run.report["summary"]["failed"] == len(lines) - 2
    assert run.report["summary"]["done"] == 2
    assert all(record["error"]["message"] for record in run.files if record["status"] == "failed")


async def test_the_first_files_come_while_the_list_is_still_being_written(site: Site, tmp_path: Path) -> None:
    site.serve_everything(echo_path)
    async with started(*COMMAND, "fetch", "-", "-o", "got", "--json", "-", cwd=tmp_path) as process:
        assert process.stdin is not None
        process.stdin.write(f"{site.url('/early')}\n".encode())
        await process.stdin.drain()
        await site.until(lambda: len(site.gets("/early")) == 1)
        run = await finished(process, f"{site.url('/late')}\n".encode())

    assert run.code == 0, run.err
    assert names(tmp_path / "got") == {"early", "late"}


async def test_a_list_of_three_thousand_files_comes_over_the_few_connections_allowed(
    site: Site, tmp_path: Path
) -> None:
    site.serve_everything(echo_path)
    paths = [f"/{number % 13}/{number:04}" for number in range(3000)]
    urls = "".join(site.url(path) + "\n" for path in paths)

    run = await fetch("--tree", "-o", "got", "-c", "8", "-p", "8", "-", cwd=tmp_path, stdin=urls.encode())

    assert run.code == 0, run.err
    assert site.peak_busy_in_all <= 8
    (host,) = (tmp_path / "got").iterdir()
    assert {f"/{name}": (host / name).read_bytes() for name in names(host)} == {path: path.encode() for path in paths}
    assert run.report["summary"]["done"] == 3000


async def test_a_list_far_longer_than_every_queue_waits_outside_while_the_server_holds(
    site: Site, tmp_path: Path
) -> None:
    gate = asyncio.Event()

    async def hold(exchange: Exchange) -> None:
        await gate.wait()
        await echo_path(exchange)

    site.serve_everything(hold)
    urls = "".join(site.url(f"/{number}") + "\n" for number in range(20_000)).encode()
    async with started(*COMMAND, "fetch", "-", "-o", "got", "-p", "4", "-q", cwd=tmp_path) as process:
        assert process.stdin is not None
        feeding = asyncio.create_task(_feed(process.stdin, urls))
        await site.until(lambda: len(site.busy()) == 4)
        await asyncio.wait_for(feeding, 30)
        assert len(site.requests) == 4
        gate.set()
        await site.until(lambda: len(site.requests) >= 400)
        process.kill()
        await finished(process)

    assert site.peak_busy_in_all == 4


async def _feed(stdin: asyncio.StreamWriter, data: bytes) -> None:
    stdin.write(data)
    await stdin.drain()


async def test_what_failed_is_fetched_again_from_the_report(site: Site, tmp_path: Path) -> None:
    site.serve("/flaky", refuse(404), file(b"flaky"))
    site.serve("/good", file(b"good"))
    await fetch(site.url("/flaky"), site.url("/good"), "--json", "report.json", cwd=tmp_path)

    run = await fetch("--retry-from", "report.json", cwd=tmp_path)

    assert run.code == 0, run.err
    assert names(tmp_path) == {"flaky", "good", "report.json"}
    assert (tmp_path / "flaky").read_bytes() == b"flaky"
    assert len(site.gets("/good")) == 1
    assert [record["url"] for record in run.files] == [site.url("/flaky")]
