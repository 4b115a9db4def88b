"""What cannot be used is refused with words that say what to do, before anything is opened."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from actorpar.cli import main

from .answers import file
from .running import fetch, names
from .site import Site


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "url", ["http://", "http:///path", "http://[::1", "http://host:99999/", "http://host:port/", "::"]
)
def test_a_url_that_cannot_be_parsed_is_named_in_the_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    assert main(["fetch", url, "--json", "-"]) == 28

    (record,) = json.loads(capsys.readouterr().out)["files"]
    assert record["error"]["kind"] == "url"
    assert url in record["error"]["message"]
    assert names(tmp_path) == set()


@pytest.mark.parametrize("url", ["ftp://host/file", "file:///etc/passwd", "gopher://host/", "data:text/plain,hi"])
def test_an_unknown_scheme_is_named_in_the_error(tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str) -> None:
    assert main(["fetch", url, "--json", "-"]) == 28

    (record,) = json.loads(capsys.readouterr().out)["files"]
    assert record["error"]["kind"] == "scheme"
    assert url.partition(":")[0] in record["error"]["message"]
    assert names(tmp_path) == set()


async def test_a_url_that_cannot_be_used_does_not_keep_the_others_from_coming(site: Site, tmp_path: Path) -> None:
    run = await fetch("ftp://host/file", site.serve("/good", file(b"body")), cwd=tmp_path)

    assert run.code == 28
    assert names(tmp_path) == {"good"}


URL = "http://127.0.0.1/x"
WRONG = [
    (),
    ("--no-such-option", URL),
    ("-c", "0", URL),
    ("-p", "-1", URL),
    ("-t", "0", URL),
    ("-t", "many", URL),
    ("--max-rate", "fast", URL),
    ("--max-size", "-5", URL),
    ("--timeout", "-1", URL),
    ("--timeout", "nan", URL),
    ("--checksum", "sha256:zz", URL),
    ("--checksum", "crc:00", URL),
    ("--existing", "perhaps", URL),
    ("--proxy", "nowhere", URL),
    ("-H", "no colon", URL),
    ("-H", "X: a\r\nY: b", URL),
    ("-O", "name", URL, URL),
    ("--mirror", "ftp://host/x", URL),
]


@pytest.mark.parametrize("arguments", WRONG, ids=lambda arguments: " ".join(arguments[:2]) or "nothing")
def test_a_wrong_command_line_is_refused_with_usage_and_a_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["fetch", *arguments])

    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    usage, _, reason = err.partition("error: ")
    assert usage.startswith("usage: actorpar")
    assert reason.strip()
    assert names(tmp_path) == set()


@pytest.mark.parametrize("option", ["-i", "--retry-from"])
def test_a_list_that_is_not_there_is_named_in_the_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["fetch", option, "no-such-file"])

    assert ended.value.code == 2
    assert "no-such-file" in capsys.readouterr().err
    assert names(tmp_path) == set()
