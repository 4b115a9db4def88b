"""What cannot be used is refused with words that say what to do, before anything is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from .answers import file
from .running import COMMAND, fetch, finished, names, started
from .site import Site


@pytest.mark.parametrize(
    "url", ["http://", "http:///path", "http://[::1", "http://host:99999/", "http://host:port/", "::"]
)
async def test_a_url_that_cannot_be_parsed_is_named_in_the_error(tmp_path: Path, url: str) -> None:
    run = await fetch(url, cwd=tmp_path)

    assert run.code == 28
    assert sum(run.kinds.values()) == 1
    assert url in run.file["error"]["message"] or url in run.err
    assert names(tmp_path) == set()


@pytest.mark.parametrize("url", ["ftp://host/file", "file:///etc/passwd", "gopher://host/", "data:text/plain,hi"])
async def test_an_unknown_scheme_is_named_in_the_error(tmp_path: Path, url: str) -> None:
    run = await fetch(url, cwd=tmp_path)

    assert run.code == 28
    assert run.kinds == {"scheme": 1}
    assert url.partition(":")[0] in run.file["error"]["message"]
    assert names(tmp_path) == set()


async def test_a_url_that_cannot_be_used_does_not_keep_the_others_from_coming(site: Site, tmp_path: Path) -> None:
    run = await fetch("ftp://host/file", site.serve("/good", file(b"body")), cwd=tmp_path)

    assert run.code == 28
    assert names(tmp_path) == {"good"}


URL = "http://127.0.0.1/x"
WRONG = [
    (),
    ("-c", "0", URL),
    ("-p", "-1", URL),
    ("-t", "0", URL),
    ("--max-rate", "fast", URL),
    ("--max-size", "-5", URL),
    ("--timeout", "-1", URL),
    ("--timeout", "nan", URL),
    ("--checksum", "sha256:zz", URL),
    ("--checksum", "crc:00", URL),
    ("--proxy", "nowhere", URL),
    ("-H", "no colon", URL),
    ("-H", "X: a\r\nY: b", URL),
    ("-O", "name", URL, URL),
    ("--mirror", "ftp://host/x", URL),
]


@pytest.mark.parametrize("arguments", WRONG, ids=lambda arguments: " ".join(arguments[:2]) or "nothing")
async def test_an_option_that_makes_no_sense_is_named_in_the_error(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    async with started(*COMMAND, "fetch", *arguments, cwd=tmp_path) as process:
        run = await finished(process)

    assert run.code == 28
    assert run.out == ""
    assert len(run.err.splitlines()) == 1
    wrong = arguments[1].partition(":")[0].split("\r")[0] if arguments else "URL"
    assert wrong in run.err or arguments[0] in run.err
    assert names(tmp_path) == set()


@pytest.mark.parametrize(
    "arguments", [("--no-such-option", URL), ("-t", "many", URL), ("--existing", "perhaps", URL)], ids=lambda a: a[0]
)
async def test_a_command_line_that_cannot_be_parsed_is_refused_with_usage(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    async with started(*COMMAND, "fetch", *arguments, cwd=tmp_path) as process:
        run = await finished(process)

    assert run.code == 2
    assert run.out == ""
    assert "usage:" in run.err
    assert names(tmp_path) == set()


@pytest.mark.parametrize("option", ["-i", "--retry-from"])
async def test_a_list_that_is_not_there_is_named_in_the_error(tmp_path: Path, option: str) -> None:
    async with started(*COMMAND, "fetch", option, "no-such-file", cwd=tmp_path) as process:
        run = await finished(process)

    assert run.code not in (0, 1)
    assert "no-such-file" in run.err
    assert names(tmp_path) == set()
