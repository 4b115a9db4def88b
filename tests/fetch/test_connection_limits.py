"""What the server sees of the limits: connections of one host, of all hosts, and bytes per second."""

from __future__ import annotations

from pathlib import Path

import pytest

from .answers import content, every, file
from .running import fetch
from .site import Site

MIB = 1024 * 1024
BODY = content(256 * 1024)


@pytest.mark.parametrize("limit", [1, 3])
async def test_no_host_sees_more_connections_than_told_and_each_sees_so_many(
    site: Site, tmp_path: Path, limit: int
) -> None:
    site.serve_everything(file(BODY, pace=every(0.01)))
    urls = [site.url(f"/{number}", host) for number in range(8) for host in ("127.0.0.1", "localhost")]

    run = await fetch(*urls, "-p", str(limit), "-c", "16", cwd=tmp_path)

    assert run.code == 0, run.err
    assert site.peak_busy == {f"127.0.0.1:{site.port}": limit, f"localhost:{site.port}": limit}


async def test_all_hosts_together_see_no_more_connections_than_told(site: Site, tmp_path: Path) -> None:
    site.serve_everything(file(BODY, pace=every(0.01)))
    urls = [site.url(f"/{number}", host) for number in range(8) for host in ("127.0.0.1", "localhost")]

    run = await fetch(*urls, "-p", "4", "-c", "5", cwd=tmp_path)

    assert run.code == 0, run.err
    assert site.peak_busy_in_all == 5


async def test_segments_of_one_file_count_as_connections_of_its_host(site: Site, tmp_path: Path) -> None:
    site.serve_everything(file(content(4 * MIB), pace=every(0.01)))
    urls = [site.url(f"/{number}") for number in range(2)]

    run = await fetch(*urls, "-p", "3", "--split", "8", "--min-split", "128K", cwd=tmp_path)

    assert run.code == 0, run.err
    assert site.peak_busy == {f"127.0.0.1:{site.port}": 3}


@pytest.mark.parametrize("option", ["--max-rate", "--host-rate"])
async def test_a_rate_is_kept_over_all_connections_together(site: Site, tmp_path: Path, option: str) -> None:
    site.serve_everything(file(content(MIB)))
    urls = [site.url(f"/{number}") for number in range(4)]

    run = await fetch(*urls, option, "4M", cwd=tmp_path)

    assert run.code == 0, run.err
    seconds = run.report["summary"]["seconds"]
    assert 0.5 <= seconds <= 8.0, "4 MiB at 4 MiB/s take 1 s, less a burst"


async def test_the_rate_of_a_host_is_its_own(site: Site, tmp_path: Path) -> None:
    site.serve_everything(file(content(MIB)))
    urls = [site.url(f"/{number}", host) for number in range(2) for host in ("127.0.0.1", "localhost")]

    run = await fetch(*urls, "--host-rate", "1M", cwd=tmp_path)

    assert run.code == 0, run.err
    assert run.report["summary"]["seconds"] <= 3.5, "2 MiB of each of two hosts at 1 MiB/s, at the same time"


async def test_connections_are_used_again(site: Site, tmp_path: Path) -> None:
    site.serve_everything(file(b"small"))

    run = await fetch(*[site.url(f"/{number}") for number in range(200)], "-p", "4", cwd=tmp_path)

    assert run.code == 0, run.err
    assert site.accepted <= 16
