"""What an honest server serves arrives byte for byte, under a good name, in as many pieces as are allowed."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
from email.utils import parsedate_to_datetime
from pathlib import Path

from .answers import CHUNK, MODIFIED, chunked, content, every, file, refuse, until_close, without_ranges
from .running import fetch, names
from .site import Request, Site

MIB = 1024 * 1024


async def test_files_of_any_size_arrive_and_nothing_else_is_left(site: Site, tmp_path: Path) -> None:
    bodies = {f"file-{size}": content(size) for size in (0, 1, CHUNK, 300_000, 3 * MIB + 1)}
    urls = [site.serve(f"/some/{name}", file(body)) for name, body in bodies.items()]

    run = await fetch(*urls, "-o", "got", cwd=tmp_path)

    assert run.code == 0, run.err
    assert names(tmp_path / "got") == bodies.keys()
    assert all((tmp_path / "got" / name).read_bytes() == body for name, body in bodies.items())
    for record in run.files:
        path = Path(record["path"])
        assert path.parent == tmp_path / "got"
        assert (record["status"], record["bytes"], record["total"]) == ("done", *[len(bodies[path.name])] * 2)


async def test_a_large_file_comes_in_segments_over_several_connections_at_once(site: Site, tmp_path: Path) -> None:
    body = content(8 * MIB)
    url = site.serve("/large.bin", file(body, pace=every(0.01)))

    run = await fetch(url, "--split", "4", "--min-split", "512K", cwd=tmp_path)

    assert run.code == 0, run.err
    assert (tmp_path / "large.bin").read_bytes() == body
    assert names(tmp_path) == {"large.bin"}
    assert 2 <= site.peak_busy[f"127.0.0.1:{site.port}"] <= 4
    assert run.file["segments"] == site.peak_busy[f"127.0.0.1:{site.port}"]


async def test_a_file_with_fewer_bytes_than_two_ranges_comes_over_one_connection(site: Site, tmp_path: Path) -> None:
    body = content(2 * MIB)
    url = site.serve("/file.bin", file(body, pace=every(0.005)))

    run = await fetch(url, "--split", "4", "--min-split", "1025K", cwd=tmp_path)

    assert run.code == 0, run.err
    assert len(site.gets()) == 1


async def test_bodies_whose_servers_promise_little_arrive_too(site: Site, tmp_path: Path) -> None:
    body = content(700_000)
    urls = [
        site.serve("/1", chunked(body)),
        site.serve("/2", until_close(body)),
        site.serve("/3", without_ranges(body)),
    ]

    run = await fetch(*urls, "--min-split", "64K", cwd=tmp_path)

    assert run.code == 0, run.err
    assert names(tmp_path) == {"1", "2", "3"}
    assert all((tmp_path / name).read_bytes() == body for name in "123")
    assert site.faults["chunked"] == site.faults["until close"] == 1


async def test_a_body_compressed_without_being_asked_is_stored_unpacked(site: Site, tmp_path: Path) -> None:
    body = b"a text that packs well. " * 20_000
    url = site.serve("/text", without_ranges(gzip.compress(body, mtime=0), headers={"Content-Encoding": "gzip"}))

    run = await fetch(url, cwd=tmp_path)

    assert run.code == 0, run.err
    assert site.gets()[0].headers.get("accept-encoding", "identity") == "identity"
    assert (tmp_path / "text").read_bytes() == body


async def test_a_finished_file_carries_the_time_of_the_servers(site: Site, tmp_path: Path) -> None:
    await fetch(site.serve("/file.bin", file(b"body")), cwd=tmp_path)

    assert os.stat(tmp_path / "file.bin").st_mtime == parsedate_to_datetime(MODIFIED).timestamp()


async def test_two_urls_of_one_name_get_numbered_names_in_the_order_of_the_list(site: Site, tmp_path: Path) -> None:
    first_may_go = asyncio.Event()

    async def after_the_others(_: Request) -> None:
        await first_may_go.wait()

    urls = [
        site.serve("/a/x.tar.gz", file(b"first", pace=after_the_others)),
        site.serve("/b/x.tar.gz", file(b"second")),
        site.serve("/c/x.tar.gz", file(b"third")),
    ]

    async def release() -> None:
        await site.until(lambda: len(site.gets()) == 3 and len(site.busy()) == 1)
        first_may_go.set()

    run, _ = await asyncio.gather(fetch(*urls, cwd=tmp_path), release())

    assert run.code == 0, run.err
    assert names(tmp_path) == {"x.tar.gz", "x.1.tar.gz", "x.2.tar.gz"}
    got = [(tmp_path / name).read_bytes() for name in ("x.tar.gz", "x.1.tar.gz", "x.2.tar.gz")]
    assert got == [b"first", b"second", b"third"]


async def test_with_tree_the_folders_of_the_server_keep_equal_names_apart(site: Site, tmp_path: Path) -> None:
    urls = [site.serve("/a/x.txt", file(b"first")), site.serve("/b/c/x.txt", file(b"second"))]

    run = await fetch("--tree", *urls, "-o", "got", cwd=tmp_path)

    assert run.code == 0, run.err
    (host,) = (tmp_path / "got").iterdir()
    assert (host / "a/x.txt").read_bytes() == b"first"
    assert (host / "b/c/x.txt").read_bytes() == b"second"


HOSTILE = [
    'attachment; filename="../../evil"',
    'attachment; filename="/etc/passwd"',
    r'attachment; filename="..\\..\\evil.exe"',
    "attachment; filename*=UTF-8''..%2F..%2Fevil",
    "attachment; filename*=UTF-8''%2e%2e",
    'attachment; filename=".."',
    'attachment; filename=".bashrc"',
    'attachment; filename="a/../../b"',
    "attachment; filename*=UTF-8''nul%00byte%0A",
    'attachment; filename="CON"',
    'attachment; filename=""',
    f'attachment; filename="{"x" * 4000}"',
]


async def test_a_name_the_server_gives_never_leaves_the_output_directory(site: Site, tmp_path: Path) -> None:
    urls = [
        site.serve(f"/download-{number}", file(b"%d" % number, headers={"Content-Disposition": disposition}))
        for number, disposition in enumerate(HOSTILE)
    ]

    run = await fetch(*urls, "-o", "a/b/c", cwd=tmp_path)

    assert run.code == 0, run.err
    left = names(tmp_path)
    assert {(tmp_path / name).read_bytes() for name in left} == {b"%d" % number for number in range(len(HOSTILE))}
    for name in left:
        folder, _, last = name.rpartition("/")
        assert folder == "a/b/c"
        assert not last.startswith(".")
        assert last.isprintable()
        assert "\\" not in last
        assert last != "CON"
        assert len(last.encode()) <= 255


async def test_a_name_in_the_url_never_leaves_the_output_directory(site: Site, tmp_path: Path) -> None:
    paths = ["/%2e%2e%2f%2e%2e%2fevil", "/..%5c..%5cevil", "/a/%2e%2e", "/%00", "/", "/x/..;/..", "/%ff%fe", "/~%7Cx"]
    site.serve_everything(file(b"body"))

    run = await fetch(*map(site.url, paths), "-o", "a/b/c", cwd=tmp_path)

    assert run.code == 0, run.err
    left = names(tmp_path)
    assert len(left) == len(paths)
    assert {name.rpartition("/")[0] for name in left} == {"a/b/c"}


async def test_the_name_of_content_disposition_wins_over_that_of_the_url(site: Site, tmp_path: Path) -> None:
    disposition = "attachment; filename=\"EURO.txt\"; filename*=UTF-8''%e2%82%ac%20rates.txt"
    url = site.serve("/get.php", file(b"body", headers={"Content-Disposition": disposition}))

    await fetch(url, cwd=tmp_path)

    assert names(tmp_path) == {"€ rates.txt"}


async def test_the_name_of_the_command_line_wins_over_every_other(site: Site, tmp_path: Path) -> None:
    disposition = 'attachment; filename="other.txt"'
    url = site.serve("/get.php", file(b"body", headers={"Content-Disposition": disposition}))

    await fetch(url, "-O", "mine.txt", cwd=tmp_path)

    assert names(tmp_path) == {"mine.txt"}


async def test_a_right_checksum_passes_and_a_wrong_one_leaves_no_file_under_its_name(
    site: Site, tmp_path: Path
) -> None:
    lines = []
    for size in (1000, MIB):
        digest = hashlib.sha256(content(size)).hexdigest()
        url = site.serve(f"/{size}", file(content(size)))
        lines += [f"{url} sha256={digest} out=right-{size}", f"{url} sha256={'0' * 64} out=wrong-{size}"]
    (tmp_path / "list").write_text("\n".join(lines))

    run = await fetch("-i", "list", "-o", "got", "-t", "2", "--retry-wait", "0.01", cwd=tmp_path)

    assert run.code == 32
    assert run.kinds == {"checksum": 2}
    assert {name for name in names(tmp_path / "got") if ".part" not in name} == {"right-1000", f"right-{MIB}"}
    assert (tmp_path / f"got/right-{MIB}").read_bytes() == content(MIB)
    assert all(record["checksum"].startswith("sha256:") for record in run.files)


async def test_a_mirror_serves_what_the_first_host_does_not_have(site: Site, tmp_path: Path) -> None:
    site.serve("/here/file.bin", refuse(404))
    site.serve("/there/file.bin", file(b"body"))

    run = await fetch(
        site.url("/here/file.bin"), "--mirror", site.url("/there/file.bin", host="localhost"), cwd=tmp_path
    )

    assert run.code == 0, run.err
    assert (tmp_path / "file.bin").read_bytes() == b"body"
    assert site.faults["404"] == 1
    assert run.file["final_url"] == site.url("/there/file.bin", host="localhost")


async def test_a_mirror_with_a_wrong_checksum_gives_way_to_the_next(site: Site, tmp_path: Path) -> None:
    good = hashlib.sha256(b"right").hexdigest()
    bad, better = site.serve("/bad/file.bin", file(b"wrong")), site.serve("/good/file.bin", file(b"right"))

    run = await fetch(bad, "--mirror", better, "--checksum", f"sha256:{good}", "--retry-wait", "0.01", cwd=tmp_path)

    assert run.code == 0, run.err
    assert (tmp_path / "file.bin").read_bytes() == b"right"
    assert len(site.gets("/bad/file.bin")) >= 1


async def test_headers_of_the_command_line_are_sent(site: Site, tmp_path: Path) -> None:
    await fetch(site.serve("/file", file(b"body")), "-H", "X-Token: seven", "-H", "User-Agent: me", cwd=tmp_path)

    assert site.gets()[0].headers["x-token"] == "seven"
    assert site.gets()[0].headers["user-agent"] == "me"


async def test_names_and_passwords_come_from_netrc_unless_told_not_to(site: Site, tmp_path: Path) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login user password secret\n")
    netrc.chmod(0o600)
    url = site.serve("/file", file(b"body"))

    await fetch(url, "-O", "with", cwd=tmp_path)
    await fetch(url, "-O", "without", "--no-netrc", cwd=tmp_path)

    assert [get.headers.get("authorization") for get in site.gets()] == ["Basic dXNlcjpzZWNyZXQ=", None]


async def test_through_a_proxy_the_whole_address_is_asked_of_it(site: Site, tmp_path: Path) -> None:
    site.serve("/file.bin", file(b"body"))

    run = await fetch("http://far.example/file.bin", "--proxy", site.url(""), cwd=tmp_path)

    assert run.code == 0, run.err
    assert site.gets()[0].target == "http://far.example/file.bin"
    assert (tmp_path / "file.bin").read_bytes() == b"body"


async def test_a_dry_run_asks_and_writes_nothing(site: Site, tmp_path: Path) -> None:
    url = site.serve("/file.bin", file(content(1000)))

    run = await fetch(url, "--dry-run", "-o", "got", cwd=tmp_path)

    assert run.code == 0, run.err
    assert (run.file["status"], run.file["total"], run.file["path"]) == (
        "planned",
        1000,
        str(tmp_path / "got/file.bin"),
    )
    assert [request.method for request in site.requests] == ["HEAD"]
    assert names(tmp_path) == set()
