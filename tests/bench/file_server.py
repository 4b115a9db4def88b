"""A web server on loopback, in another process, that the downloads come from: nginx where installed, else aiohttp.

python -m tests.bench.file_server FOLDER PORT       the aiohttp one
"""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .cases import ROOT

_NGINX = """
daemon off; master_process off; worker_processes 1; pid {state}/pid; error_log {state}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000;
    client_body_temp_path {state}/body; proxy_temp_path {state}/proxy; fastcgi_temp_path {state}/fastcgi;
    uwsgi_temp_path {state}/uwsgi; scgi_temp_path {state}/scgi;
    server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""


def server_name() -> str:
    """Which server `serving` starts."""
    return "nginx" if shutil.which("nginx") else "aiohttp"


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the folder while the block runs; gives the base URL."""
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="bench-server-") as state:
        server = subprocess.Popen(_command(folder, Path(state), port), cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            _wait_until_it_listens(server, port)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


def _command(folder: Path, state: Path, port: int) -> list[str]:
    if nginx := shutil.which("nginx"):
        config = state / "nginx.conf"
        config.write_text(_NGINX.format(state=state, port=port, folder=folder))
        return [nginx, "-c", str(config), "-e", str(state / "error.log")]
    return [sys.executable, "-m", "tests.bench.file_server", str(folder), str(port)]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait_until_it_listens(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


if __name__ == "__main__":
    from aiohttp import web

    application = web.Application()
    application.router.add_static("/", sys.argv[1])
    web.run_app(application, host="127.0.0.1", port=int(sys.argv[2]), print=None, access_log=None)
