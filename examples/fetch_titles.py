"""aiohttp inside processes: three fetchers share one session and take pages from one channel.

The web server is this program's own, on a free port of loopback, so the example needs no network.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import ClientSession, web

import actorpar as ap


async def page(request: web.Request) -> web.Response:
    number = request.match_info["number"]
    return web.Response(text=f"<title>Page {number}</title>", content_type="text/html")


@asynccontextmanager
async def serving() -> AsyncIterator[str]:
    """A running web server; yields its address."""
    app = web.Application()
    app.router.add_get("/{number}", page)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def fetcher(session: ClientSession, urls: ap.Receiver[str], titles: ap.Sender[str]) -> None:
    async for url in urls:
        async with session.get(url) as response:
            found = re.search("<title>(.*?)</title>", await response.text())
            await titles.send(found[1] if found else "untitled")


async def feed(urls: list[str], out: ap.Sender[str]) -> None:
    await out.send_many(urls)


async def main() -> None:
    urls_tx, urls_rx = ap.open_channel[str](8)
    titles_tx, titles_rx = ap.open_channel[str](8)
    async with serving() as root, ClientSession() as session, ap.ProcessGroup() as group:
        group.spawn(feed, [f"{root}/{number}" for number in range(10)], urls_tx)
        for _ in range(3):
            group.spawn(fetcher, session, urls_rx.clone(), titles_tx.clone())
        urls_rx.close()
        titles_tx.close()
        with titles_rx:
            for title in sorted([title async for title in titles_rx]):
                print(title)


if __name__ == "__main__":
    ap.run(main)
