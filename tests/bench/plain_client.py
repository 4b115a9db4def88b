"""The downloader that most people write: aiohttp, a semaphore, one task a file.

python -m tests.bench.plain_client LIST FOLDER CONNECTIONS default|uvloop
"""

import asyncio
import sys
from pathlib import Path

import aiohttp

from .cases import loop_factory

CHUNK = 64 * 1024


async def fetch(session: aiohttp.ClientSession, gate: asyncio.Semaphore, url: str, folder: Path) -> None:
    """Download one file under its own name."""
    async with gate, session.get(url) as response:
        response.raise_for_status()
        with open(folder / url.rpartition("/")[2], "wb") as file:  # noqa: ASYNC230 - as most people write it
            async for chunk in response.content.iter_chunked(CHUNK):
                file.write(chunk)


async def fetch_all(urls: list[str], folder: Path, connections: int) -> None:
    """Download all files, so many at once."""
    gate = asyncio.Semaphore(connections)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:
        await asyncio.gather(*(fetch(session, gate, url, folder) for url in urls))


if __name__ == "__main__":
    urls_file, target, limit, kind = sys.argv[1:]
    with asyncio.Runner(loop_factory=loop_factory(kind)) as runner:
        runner.run(fetch_all(Path(urls_file).read_text().split(), Path(target), int(limit)))
