"""What a status says: try again, and when; or never again; and the exit code that tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from .answers import every, file, refuse
from .running import fetch, names
from .site import Site

QUICK = ("--retry-wait", "0.01")


async def test_unavailable_with_retry_after_is_asked_again_no_sooner(site: Site, tmp_path: Path) -> None:
    url = site.serve("/file.bin", refuse(503, retry_after=1), file(b"body"))

    run = await fetch(url, *QUICK, cwd=tmp_path)

    assert run.code == 0, run.err
    first, second = site.gets()
    assert second.at - first.at >= 0.99
    assert (tmp_path / "file.bin").read_bytes() == b"body"


async def test_retry_after_of_one_file_holds_for_the_other_files_of_its_host(site: Site, tmp_path: Path) -> None:
    refused = site.serve("/refused", refuse(429, retry_after=1), file(b"body"))
    others = [site.serve(f"/other/{number}", file(b"body", pace=every(0.05))) for number in range(6)]

    run = await fetch(refused, *others, "-p", "1", cwd=tmp_path)

    assert run.code == 0, run.err
    assert site.faults["429"] == 1
    assert site.requests[0].path == "/refused"
    assert site.requests[1].at - site.requests[0].at >= 0.99


async def test_retry_after_beyond_the_patience_told_gives_up_at_once(site: Site, tmp_path: Path) -> None:
    url = site.serve("/file.bin", refuse(503, retry_after=3600))

    run = await fetch(url, "--retry-wait-max", "5", cwd=tmp_path)

    assert run.code == 29
    assert run.kinds == {"overloaded": 1}
    assert site.faults["503"] == 1


@pytest.mark.parametrize(
    ("status", "code", "kind"), [(503, 29, "overloaded"), (429, 29, "overloaded"), (500, 22, "http")]
)
async def test_a_status_that_may_pass_is_tried_as_often_as_told(
    site: Site, tmp_path: Path, status: int, code: int, kind: str
) -> None:
    url = site.serve("/file.bin", refuse(status))

    run = await fetch(url, "-t", "3", *QUICK, cwd=tmp_path)

    assert run.code == code
    assert run.kinds == {kind: 1}
    assert site.faults[str(status)] == 3
    assert run.file["error"]["status"] == status
    assert names(tmp_path) == set()


async def test_statuses_that_will_not_pass_are_asked_once(site: Site, tmp_path: Path) -> None:
    kinds = {404: "not-found", 410: "not-found", 401: "auth", 403: "auth", 400: "http", 501: "http", 505: "http"}
    urls = [site.serve(f"/{status}", refuse(status)) for status in kinds]

    run = await fetch(*urls, cwd=tmp_path)

    assert run.code == 1, "failures of several kinds"
    assert {record["error"]["status"]: record["error"]["kind"] for record in run.files} == kinds
    assert len(site.requests) == len(kinds)
    assert names(tmp_path) == set()


@pytest.mark.parametrize(("status", "code"), [(404, 3), (401, 24), (400, 22)])
async def test_failures_of_one_kind_give_the_exit_code_of_the_kind(
    site: Site, tmp_path: Path, status: int, code: int
) -> None:
    run = await fetch(site.serve("/1", refuse(status)), site.serve("/2", refuse(status)), cwd=tmp_path)

    assert run.code == code
    assert sum(run.kinds.values()) == 2


async def test_failures_of_several_kinds_give_one_and_the_other_files_arrive(site: Site, tmp_path: Path) -> None:
    urls = [site.serve("/gone", refuse(404)), site.serve("/secret", refuse(403)), site.serve("/good", file(b"body"))]

    run = await fetch(*urls, cwd=tmp_path)

    assert run.code == 1
    assert run.kinds == {"not-found": 1, "auth": 1}
    assert names(tmp_path) == {"good"}
    assert (tmp_path / "good").read_bytes() == b"body"
