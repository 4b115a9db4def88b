"""Against a server that many files come from in practice: nginx on loopback."""

from __future__ import annotations

import asyncio
import filecmp
import grp
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .answers import content
from .running import fetch, names

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
SMALL, LARGE, LARGE_SIZE = 2_000, 20, 20 * 1024 * 1024

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed (Debian: apt install nginx-light)"),
]

CONFIGURATION = """
user {user} {group};
pid {home}/nginx.pid;
error_log {home}/error.log;
worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log {home}/access.log;
    client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
    sendfile on;
    server {{ listen 127.0.0.1:{port}; root {home}/files; }}
}}
"""


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A running nginx: its folder, and the address of its root. The command returns once the port is open."""
    assert NGINX is not None
    home = tmp_path / "nginx"
    _make_files(home / "files")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Started by root it would serve as nobody, who may not look into a test's folder.
    user, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
    (home / "nginx.conf").write_text(CONFIGURATION.format(home=home, port=port, user=user, group=group))
    command = [NGINX, "-p", str(home), "-c", str(home / "nginx.conf"), "-e", str(home / "error.log")]
    subprocess.run(command, check=True, capture_output=True, timeout=20)
    try:
        yield home, f"http://127.0.0.1:{port}"
    finally:
        subprocess.run([*command, "-s", "stop"], check=True, capture_output=True, timeout=20)


def _make_files(folder: Path) -> None:
    pool = memoryview(content(LARGE_SIZE + LARGE * 4096, seed=5))
    (folder / "small").mkdir(parents=True)
    (folder / "large").mkdir()
    for number in range(SMALL):
        (folder / f"small/{number:04}.bin").write_bytes(pool[number * 997 :][: number * number % 65_521])
    for number in range(LARGE):
        (folder / f"large/{number:02}.bin").write_bytes(pool[number * 4096 :][: LARGE_SIZE - number])


async def test_two_thousand_small_and_twenty_large_files_arrive_identical(
    nginx: tuple[Path, str], tmp_path: Path
) -> None:
    home, root = nginx
    paths = sorted(names(home / "files"), reverse=True)  # the large ones last: nothing waits then, and ranges help
    urls = "".join(f"{root}/{path}\n" for path in paths)

    run = await fetch(
        "--tree",
        "--min-split",
        "1M",
        "--per-host",
        "16",
        "-o",
        tmp_path / "got",
        "-",
        cwd=tmp_path,
        stdin=urls.encode(),
    )

    assert run.code == 0, run.err
    (got,) = (tmp_path / "got").iterdir()
    same, differ, failed = await asyncio.to_thread(filecmp.cmpfiles, home / "files", got, paths, shallow=False)
    assert (len(same), differ, failed) == (SMALL + LARGE, [], [])
    assert names(got) == set(paths)
    assert " 206 " in (home / "access.log").read_text(), "some large files came in segments"
