"""Names that servers and URLs propose: safe whatever they say, and unique within a run."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorpar.fetch.job import Job
from actorpar.fetch.listing import Listing
from actorpar.fetch.names import (
    DEFAULT_NAME,
    JOURNAL,
    MAX_BYTES,
    PART,
    Claims,
    name_from_disposition,
    name_from_url,
    numbered,
    safe_name,
    safe_path,
    tree_from_url,
)
from actorpar.fetch.options import Options
from actorpar.fetch.resume import Version
from actorpar.fetch.run import Run


@given(st.text())
def test_a_safe_name_is_one_visible_component_of_bounded_length(proposal: str) -> None:
    name = safe_name(proposal)
    assert name not in ("", ".", "..")
    assert not set(name) & set('/\\\0:*?"<>|\r\n\t')
    assert not name.startswith(".")
    assert not name.endswith((" ", ".", PART, JOURNAL))
    assert len(name.encode()) <= MAX_BYTES + 1
    assert os.path.basename(name) == name


@given(st.text())
def test_a_safe_name_is_left_as_it_is(proposal: str) -> None:
    assert safe_name(safe_name(proposal)) == safe_name(proposal)


@pytest.mark.parametrize(
    ("proposal", "name"),
    [
        ("report.pdf", "report.pdf"),
        ("a/b\\c", "a_b_c"),
        ("..", DEFAULT_NAME),
        (".bashrc", "_bashrc"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("com1.tar.gz", "_com1.tar.gz"),
        ("console.txt", "console.txt"),
        ("trailing. . ", "trailing"),
        ("", DEFAULT_NAME),
        ("x.part", "x.part_"),
        ("x.part.json", "x.part.json_"),
        ("evil\u202egpj.exe", "evil_gpj.exe"),
        ("e\u0301.txt", "\u00e9.txt"),
    ],
)
def test_what_systems_reserve_is_replaced(proposal: str, name: str) -> None:
    assert safe_name(proposal) == name


def test_a_long_name_is_cut_and_keeps_its_extension() -> None:
    assert safe_name("é" * 300 + ".tar.gz").endswith(".tar.gz")
    assert len(safe_name("é" * 300 + ".tar.gz").encode()) <= MAX_BYTES


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://h/a/b.iso", "b.iso"),
        ("https://h/a/", DEFAULT_NAME),
        ("https://h", DEFAULT_NAME),
        ("https://h/a%20b.txt?x=1#f", "a b.txt"),
        ("https://h/..%2f..%2fetc%2fpasswd", "_._.._etc_passwd"),
        ("https://h/%2e%2e", DEFAULT_NAME),
        ("https://h/%E2%82%AC.txt", "€.txt"),
        ("https://h/%FF.txt", "\ufffd.txt"),
    ],
)
def test_the_last_segment_of_the_path_names_the_file(url: str, name: str) -> None:
    assert name_from_url(url) == name


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://Host:8080/a/b/c.txt", "host_8080/a/b/c.txt"),
        ("https://u:p@h/a/../b//c.txt", "h/a/b/c.txt"),
        ("https://h/%2e%2e/%2e%2e/x", "h/x"),
        ("https://h/a%2fb/x", "h/a_b/x"),
    ],
)
def test_a_tree_never_leaves_its_host(url: str, path: str) -> None:
    assert tree_from_url(url) == path


@given(st.text())
def test_a_chosen_path_stays_below_the_directory(proposal: str) -> None:
    path = os.path.normpath(os.path.join("/out", safe_path(proposal)))
    assert path.startswith("/out/")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="report.pdf"', "report.pdf"),
        ("attachment; filename=report.pdf", "report.pdf"),
        ('ATTACHMENT; FileName="a\\"b.txt"', "a_b.txt"),
        ("attachment; filename*=UTF-8''%e2%82%ac%20rates.txt", "€ rates.txt"),
        ("attachment; filename=\"EURO.txt\"; filename*=utf-8''%e2%82%ac.txt", "€.txt"),
        ("attachment; filename*=iso-8859-1'en'%A3.txt; filename=x.txt", "£.txt"),
        ("attachment; filename*=nonsense''x; filename=fallback.txt", "fallback.txt"),
        ("attachment; filename*=UTF-8''%FF; filename=fallback.txt", "fallback.txt"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\\\temp\\\\x.exe"', "x.exe"),
        ('attachment; filename=".."', None),
        ('attachment; filename=""', None),
        ("attachment", None),
        ("inline; name=x", None),
        ('attachment; note="filename=evil.txt"', None),
        ("filename=only.txt", None),
        ('attachment; filename="a%20b.txt"', "a b.txt"),
        ("attachment; filename=a b.txt", "a b.txt"),
        ("attachment; filename=\u00c3\u00a9.txt".encode("latin-1").decode("utf-8", "surrogateescape"), "é.txt"),
    ],
)
def test_content_disposition_is_read_by_rfc_6266(header: str, name: str | None) -> None:
    assert name_from_disposition(header) == name


@given(st.text())
def test_no_content_disposition_gives_an_unsafe_name(text: str) -> None:
    for header in (text, f'attachment; filename="{text}"', f"attachment; filename*=UTF-8''{text}"):
        name = name_from_disposition(header)
        assert name is None or name == safe_name(name)


def test_numbers_go_before_the_extension() -> None:
    assert list(islice(numbered("d/x.tar.gz"), 3)) == ["d/x.tar.gz", "d/x.1.tar.gz", "d/x.2.tar.gz"]
    assert list(islice(numbered("README"), 2)) == ["README", "README.1"]


def test_equal_names_are_numbered_in_order_and_a_second_run_numbers_alike() -> None:
    wishes = ["x", "x", "y", "x", "x.1", "x"]
    first, second = Claims(), Claims()
    given_first = [first.claim(wish) for wish in wishes]
    assert given_first == ["x", "x.1", "y", "x.2", "x.1.1", "x.3"] or len(set(given_first)) == len(wishes)
    assert [second.claim(wish) for wish in wishes] == given_first


def test_a_name_given_back_is_given_again() -> None:
    claims = Claims()
    claims.claim("x")
    claims.release("x")
    assert claims.claim("x") == "x"


@given(st.lists(st.sampled_from(["a", "b.txt", "a.1", "b.1.txt"]), max_size=30))
def test_no_name_is_given_twice(wishes: list[str]) -> None:
    claims = Claims()
    names = [claims.claim(wish) for wish in wishes]
    assert len(set(names)) == len(names)


def place_in(folder: Path, run: Run, proposal: str | None, job: Job | None = None) -> str:
    """Where a file that the server names so is put."""
    job = job or Job(("http://h/x",))
    job.name = job.name or run.promise(job)
    placement = run.place(job, proposal, Version())
    assert not placement.complete
    return os.path.relpath(placement.path, folder)


def run_in(folder: Path) -> Run:
    """A run that only gives names."""
    nothing: Any = None
    return Run(Options(directory=str(folder)), nothing, nothing, nothing, print, Listing(str(folder)))


def test_a_file_that_is_tried_again_keeps_the_name_it_was_given(tmp_path: Path) -> None:
    run, job = run_in(tmp_path), Job(("http://h/x",))
    assert [place_in(tmp_path, run, "report.pdf", job) for _ in range(3)] == ["report.pdf"] * 3
    assert place_in(tmp_path, run, "report.pdf") == "report.1.pdf"


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"mine")
    (tmp_path / "x.1").mkdir()
    assert place_in(tmp_path, run_in(tmp_path), None) == "x.2"


def test_a_name_the_user_chose_is_not_changed_by_the_server(tmp_path: Path) -> None:
    assert (
        place_in(tmp_path, run_in(tmp_path), "server.txt", Job(("http://h/x",), name="d/mine", named=True)) == "d/mine"
    )
