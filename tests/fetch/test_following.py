"""Pages may add URLs: the run ends when nothing is left to ask for, and never because a channel is full."""

from __future__ import annotations

from pathlib import Path

from .answers import file, page, redirect
from .running import fetch, names
from .site import Site


async def test_a_cycle_of_links_ends_with_every_page_fetched_once(site: Site, tmp_path: Path) -> None:
    site.serve("/a.html", page("b.html", "/a.html"))
    site.serve("/b.html", page("./c.html", site.url("/a.html")))
    site.serve("/c.html", page("a.html#top", "b.html#bottom"))

    run = await fetch(site.url("/a.html"), "--follow", site.url("/*"), cwd=tmp_path)

    assert run.code == 0, run.err
    assert sorted(get.path for get in site.gets()) == ["/a.html", "/b.html", "/c.html"]
    assert names(tmp_path) == {"a.html", "b.html", "c.html"}


async def test_only_links_that_match_are_followed(site: Site, tmp_path: Path) -> None:
    site.serve("/index.html", page("data/1.csv", "data/2.csv", "data/readme.txt", "ftp://x/3.csv", "mailto:a@b.c"))
    site.serve_everything(file(b"1,2\n"))

    run = await fetch(site.url("/index.html"), "--follow", "*.csv", cwd=tmp_path)

    assert run.code == 0, run.err
    assert names(tmp_path) == {"index.html", "1.csv", "2.csv"}


async def test_links_are_not_looked_for_unless_asked(site: Site, tmp_path: Path) -> None:
    site.serve("/index.html", page("a.html"))

    await fetch(site.url("/index.html"), cwd=tmp_path)

    assert len(site.gets()) == 1


async def test_pages_that_add_more_links_than_any_channel_holds_end_all_the_same(site: Site, tmp_path: Path) -> None:
    leaves = [f"/leaf/{number}" for number in range(600)]
    branches = [f"/branch/{number}.html" for number in range(12)]
    site.serve("/root.html", page(*branches))
    for branch in branches:
        site.serve(branch, page(*leaves, *branches, "/root.html"))
    site.serve_everything(file(b"leaf"))

    run = await fetch(site.url("/root.html"), "--follow", "*", "--tree", cwd=tmp_path)

    assert run.code == 0, run.err
    paths = [get.path for get in site.gets()]
    assert len(paths) == len(set(paths)), "no page twice"
    assert set(paths) == {"/root.html", *branches, *leaves}
    assert run.report["summary"]["done"] == len(paths)


async def test_links_of_a_page_behind_a_redirect_are_relative_to_where_it_was_found(site: Site, tmp_path: Path) -> None:
    site.serve("/start", redirect("/deep/down/page.html"))
    site.serve("/deep/down/page.html", page("next.csv"))
    site.serve("/deep/down/next.csv", file(b"1"))

    run = await fetch(site.url("/start"), "--follow", "*.csv", cwd=tmp_path)

    assert run.code == 0, run.err
    assert len(site.gets("/deep/down/next.csv")) == 1
