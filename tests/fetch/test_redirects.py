"""Redirects are followed as far as is safe, and no further."""

from __future__ import annotations

from pathlib import Path

import pytest

from .answers import content, file, redirect
from .running import fetch, names
from .site import Site


async def test_redirects_of_every_kind_are_followed_and_the_final_address_reported(site: Site, tmp_path: Path) -> None:
    target = site.serve("/final/there.bin", file(content(1000)))
    statuses = ("301", "302", "303", "307", "308")
    urls = [site.serve(f"/{status}", redirect("/final/there.bin", int(status))) for status in statuses]

    run = await fetch(*urls, cwd=tmp_path)

    assert run.code == 0, run.err
    assert site.faults["redirect"] == len(statuses)
    assert names(tmp_path) == set(statuses)
    assert all((tmp_path / status).read_bytes() == content(1000) for status in statuses)
    assert {record["final_url"] for record in run.files} == {target}


async def test_segments_of_a_file_behind_a_redirect_are_identical(site: Site, tmp_path: Path) -> None:
    body = content(4 * 1024 * 1024)
    site.serve("/there.bin", file(body))
    url = site.serve("/here.bin", redirect("/there.bin"))

    run = await fetch(url, "--min-split", "256K", cwd=tmp_path)

    assert run.code == 0, run.err
    assert (tmp_path / "here.bin").read_bytes() == body


@pytest.mark.parametrize("limit", ["3", "10"])
async def test_a_loop_of_redirects_ends_at_the_limit(site: Site, tmp_path: Path, limit: str) -> None:
    url = site.serve("/a", redirect("/b"))
    site.serve("/b", redirect("/a"))

    run = await fetch(url, "--max-redirects", limit, cwd=tmp_path)

    assert run.code == 23
    assert run.kinds == {"redirect": 1}
    assert site.faults["redirect"] == int(limit) + 1
    assert names(tmp_path) == set()


async def test_redirects_to_anything_but_http_are_refused(site: Site, tmp_path: Path) -> None:
    targets = ["ftp://127.0.0.1/file", "file:///etc/passwd", "javascript:alert(1)", "data:text/plain,hi"]
    urls = [site.serve(f"/{number}", redirect(target)) for number, target in enumerate(targets)]

    run = await fetch(*urls, cwd=tmp_path)

    assert run.code == 23
    assert run.kinds == {"redirect": len(targets)}
    assert len(site.requests) == len(targets)
    assert names(tmp_path) == set()


PRIVATE = [
    "http://127.0.0.1/secret",
    "http://10.1.2.3/secret",
    "http://192.168.0.1/secret",
    "http://169.254.169.254/latest/meta-data",
    "http://[::1]/secret",
    "http://[fe80::1]/secret",
    "http://[::ffff:127.0.0.1]/secret",
    "http://0.0.0.0/secret",
]


async def test_a_redirect_from_a_public_to_a_private_address_is_refused(site: Site, tmp_path: Path) -> None:
    urls = [f"http://93.184.216.34/{number}" for number in range(len(PRIVATE))]
    for number, target in enumerate(PRIVATE):
        site.serve(f"/{number}", redirect(target))
    site.serve_everything(file(b"secret"))

    run = await fetch(*urls, "--proxy", site.url(""), cwd=tmp_path)

    assert run.code == 23
    assert run.kinds == {"redirect": len(PRIVATE)}
    assert len(site.requests) == len(PRIVATE)
    assert names(tmp_path) == set()


async def test_a_redirect_to_a_private_address_is_followed_where_that_is_allowed(site: Site, tmp_path: Path) -> None:
    site.serve("/a", redirect("http://10.1.2.3/secret"))
    site.serve("/secret", file(b"mine"))

    run = await fetch("http://93.184.216.34/a", "--proxy", site.url(""), "--allow-private", cwd=tmp_path)

    assert run.code == 0, run.err
    assert (tmp_path / "a").read_bytes() == b"mine"


async def test_headers_and_passwords_stay_with_the_host_they_were_given_for(site: Site, tmp_path: Path) -> None:
    site.serve("/here", redirect("/still/here"))
    site.serve("/still/here", redirect(site.url("/elsewhere", host="localhost")))
    site.serve("/elsewhere", file(b"body"))
    url = site.url("/here").replace("http://", "http://user:secret@")

    run = await fetch(url, "-H", "X-Token: seven", cwd=tmp_path)

    assert run.code == 0, run.err
    here, still_here, elsewhere = site.requests
    assert here.headers["x-token"] == still_here.headers["x-token"] == "seven"
    assert here.headers["authorization"] == still_here.headers["authorization"] == "Basic dXNlcjpzZWNyZXQ="
    assert "x-token" not in elsewhere.headers
    assert "authorization" not in elsewhere.headers
