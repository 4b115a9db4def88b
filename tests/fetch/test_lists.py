"""Lines of lists and reports, URLs that can be used, and links of pages."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorpar.fetch.errors import ConnectFailure, FetchError, InvalidOption, InvalidUrl, UnknownScheme
from actorpar.fetch.job import Checksum, Job, Outcome, host_of
from actorpar.fetch.links import Follower, is_page, links_of
from actorpar.fetch.lists import check_url, parse_checksum, parse_line, parse_list, parse_report
from actorpar.fetch.options import parse_header, parse_size
from actorpar.fetch.report import record_of

SHA = "a" * 64


def test_a_line_is_a_file_its_mirrors_and_what_is_known_of_it() -> None:
    assert parse_line(f"  https://a/x.iso\thttp://b:81/x sha256={SHA.upper()} out=d/my%20x.iso\r\n") == Job(
        ("https://a/x.iso", "http://b:81/x"), name="d/my x.iso", named=True, checksum=Checksum("sha256", SHA)
    )


@pytest.mark.parametrize("line", ["", "   \n", "# https://a/", "#"])
def test_empty_lines_and_comments_are_left_out(line: str) -> None:
    assert parse_line(line) is None


def test_a_line_that_cannot_be_used_is_given_with_its_error_and_the_others_go_on() -> None:
    lines = ["http://a/1", "nonsense", "ftp://a/2", "http://a/3 sha256=1", f"sha256={SHA}", "http://a/4"]
    entries = list(parse_list(lines))
    assert [entry.urls[0] if isinstance(entry, Job) else type(entry[1]) for entry in entries] == [
        "http://a/1", InvalidUrl, UnknownScheme, InvalidOption, InvalidUrl, "http://a/4",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "url",
    ["", "x", "//host/x", "http:", "http://", "http:///x", "http://[::1", "http://h:x/", "http://h:99999/", "http://h:0/",
     "https://a b/", "http://h/\x01", "localhost:8080/x", "http://" + "ä" * 70 + "/"],
)  # fmt: skip
def test_what_is_no_url_is_refused_with_advice(url: str) -> None:
    with pytest.raises(InvalidUrl):
        check_url(url)


@pytest.mark.parametrize(
    "url", ["ftp://h/x", "file:///etc/passwd", "magnet:?xt=x", "javascript:alert(1)", "data:text/plain,x"]
)
def test_another_scheme_is_named(url: str) -> None:
    with pytest.raises(UnknownScheme, match=url.partition(":")[0]):
        check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "http://h/",
        "HTTPS://H/x",
        "http://h:65535/x",
        "http://[::1]:80/x",
        "http://u:p@h/x?a=b&c=%20",
        "http://ä.example/ö",
    ],
)
def test_a_url_is_left_as_it_is(url: str) -> None:
    assert check_url(url) == url


def test_a_fragment_is_never_sent() -> None:
    assert check_url("http://h/x#y") == "http://h/x"


@given(st.text())
def test_any_line_gives_a_job_or_a_typed_error(line: str) -> None:
    for entry in parse_list([line]):
        assert isinstance(entry, Job) or isinstance(entry[1], FetchError)


@pytest.mark.parametrize(
    "text", ["sha256", "sha256:", f"sha256:{SHA}0", f"crc32:{SHA}", "sha256:" + "g" * 64, "md5:" + SHA]
)
def test_a_checksum_that_cannot_be_one_is_refused(text: str) -> None:
    with pytest.raises(InvalidOption):
        parse_checksum(text)


def test_a_checksum_is_read_in_any_case_and_spelling() -> None:
    assert str(parse_checksum(f"SHA-256:{SHA.upper()}")) == f"sha256:{SHA}"


def test_the_host_of_a_url_is_scheme_name_and_port() -> None:
    assert host_of("http://user:pw@Host:81/x") == "http://host:81"
    assert host_of("https://host/x") != host_of("http://host/x")


def test_a_job_survives_the_spill() -> None:
    job = Job(("http://a/x", "http://b/x"), name="n", named=True, checksum=Checksum("md5", "0" * 32))
    assert Job.unpack(job.pack()) == job


def test_turns_pass_over_mirrors_that_failed_for_good() -> None:
    job = Job(("http://a/", "http://b/", "http://c/"))
    assert job.next_mirror().url == "http://b/"
    assert job.host == "http://b"
    assert job.bar().url == "http://c/"
    assert job.usable == 2
    assert job.next_mirror().url == "http://a/"
    assert job.next_mirror().url == "http://c/"
    assert job.bar().url == "http://a/"
    assert job.next_mirror().url == "http://a/"
    assert job.host == "http://a"


def report_of(*outcomes: Outcome) -> list[str]:
    """Lines as the report writes them."""
    records = [json.dumps(record_of(outcome)) for outcome in outcomes]
    return ['{"version": 1, "files": [\n', *(f"{record},\n" for record in records[:-1]), records[-1] + "\n", "],\n"]


def test_what_failed_is_fetched_again_from_its_report_in_its_place() -> None:
    failed = Job(("http://a/x", "http://b/x"), checksum=Checksum("sha256", SHA))
    lines = report_of(
        Outcome(Job(("http://a/done",)), "done", path="/out/done"),
        Outcome(failed, "failed", path="/out/d/x.1", error=ConnectFailure("no")),
        Outcome(Job(("http://a/late",)), "interrupted", path="/elsewhere/late"),
    )
    assert list(parse_report(lines, "/out")) == [
        Job(("http://a/x", "http://b/x"), name="d/x.1", checksum=Checksum("sha256", SHA)),
        Job(("http://a/late",)),
    ]


@pytest.mark.parametrize("lines", [[], ["[]"], ["http://a/x\n"], ['{"files": []}']])
def test_a_file_that_is_no_report_is_refused(lines: list[str]) -> None:
    with pytest.raises(InvalidOption, match="report"):
        list(parse_report(lines, "/out"))


def test_links_are_absolute_unescaped_and_told_once() -> None:
    page = b"""<a href="x.zip">x</a> <A HREF='/y?a=1&amp;b=2'> <img src=z.png> <a class="q" href="x.zip#again">
        <a href="mailto:a@b"> <a href="ftp://h/"> <a data-href="no"> <a href="sp ace.txt"> <a href="">"""
    assert list(links_of(page, "http://h/d/index.html")) == [
        "http://h/d/x.zip",
        "http://h/y?a=1&b=2",
        "http://h/d/z.png",
        "http://h/d/sp%20ace.txt",
        "http://h/d/index.html",
    ]


def test_links_are_relative_to_the_base_of_the_page() -> None:
    assert list(links_of(b'<base href="//other/b/"><a href="x">', "http://h/d/")) == [
        "http://other/b/",
        "http://other/b/x",
    ]


@given(st.binary(max_size=300))
def test_no_page_breaks_the_search_for_links(page: bytes) -> None:
    assert all(
        url.startswith(("http://", "https://")) for url in links_of(b"<a href=" + page + b">", "http://h/").__iter__()
    )


def test_a_link_is_followed_once_and_only_if_a_pattern_fits_the_whole_of_it() -> None:
    follower = Follower(["http://h/*.zip", "*/deep/*"])
    assert follower.active
    assert follower.matches("http://h/a/x.zip")
    assert not follower.matches("http://h/x.zip?q")
    assert follower.matches("https://other/deep/x")
    assert follower.see("http://h/x.zip")
    assert not follower.see("http://h/x.zip")
    assert not Follower([]).active


def test_only_html_is_searched_for_links() -> None:
    assert is_page("text/html; charset=utf-8")
    assert is_page("Application/XHTML+XML")
    assert not is_page("text/plain")
    assert not is_page(None)


@pytest.mark.parametrize(
    ("text", "size"), [("1", 1), ("500K", 512_000), ("1.5MiB", 1_572_864), ("2g", 2 << 30), ("1 M/s", 1 << 20)]
)
def test_sizes_are_read_with_their_units(text: str, size: int) -> None:
    assert parse_size("--max-size", text) == size


@pytest.mark.parametrize("text", ["", "0", "-1", "x", "1X", "1e9", "0.0001", "nan", "inf"])
def test_what_is_no_size_is_refused_by_the_name_of_its_option(text: str) -> None:
    with pytest.raises(InvalidOption, match="--max-size"):
        parse_size("--max-size", text)


@pytest.mark.parametrize("text", ["no colon", ": x", "a b: c", "X: a\r\nY: b", "X\n: a"])
def test_a_header_that_would_break_the_request_is_refused(text: str) -> None:
    with pytest.raises(InvalidOption):
        parse_header(text)


def test_a_header_is_a_name_and_a_value() -> None:
    assert parse_header("Authorization: Bearer a:b ") == ("Authorization", "Bearer a:b")
