"""A web server of this process that has pictures, and says what the tests of downloads want."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web


class Pictures:
    """Serves a folder; `busy` says 503 once, and everything else that is not there is 404.

    asked  the paths that were asked for; `until(n)` returns when there are n
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.asked: list[str] = []
        self.root = ""
        self._full = asyncio.Event()
        self._awaited = 0

    async def until(self, count: int) -> None:
        self._awaited = count
        if len(self.asked) < count:
            await self._full.wait()

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if len(self.asked) == self._awaited:
            self._full.set()
        if request.path == "/busy.jpg":
            if self.asked.count(request.path) == 1:
                raise web.HTTPServiceUnavailable
            return web.Response(body=(self._folder / "sample-000.jpg").read_bytes())
        path = self._folder / request.path.rpartition("/")[2]
        if not path.is_file():
            raise web.HTTPNotFound
        return web.Response(body=path.read_bytes())


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Pictures]:
    """A server on a free port of loopback."""
    pictures = Pictures(folder)
    app = web.Application()
    app.router.add_get("/{path:.*}", pictures.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    pictures.root = f"http://{host}:{port}"
    try:
        yield pictures
    finally:
        await runner.cleanup()
