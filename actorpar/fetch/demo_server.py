"""The web server of `actorpar demo`: a made-up site whose files are computed as they are read.

The whole site follows from a seed and a size, so the demo knows every byte that must arrive and no file is ever
stored twice. Every 64 KiB block carries its file and its place, so a segment written to the wrong offset shows.

`python -m actorpar.fetch.demo_server SEED MIB` serves on a free port of 127.0.0.1, prints that port, and ends when
its standard input does: that is, with the program that started it, however that one ends.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from aiohttp import web

BLOCK = 64 * 1024
_POOL_SIZE = 2 * 1024 * 1024
_LARGE_SHARE = 0.85
_LARGE_FILES = 6
_KINDS = ("photo.jpg", "page.html", "paper.pdf", "data set.csv", "größe.txt")


@dataclass(frozen=True)
class DemoFile:
    """One file of the site: its path, its size in bytes, and through `read` its content."""

    path: str
    size: int
    number: int
    seed: int

    @property
    def etag(self) -> str:
        """A strong validator: the same seed gives the same bytes."""
        return f'"{self.seed}-{self.number}-{self.size}"'

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` to before `stop` (the end by default), in pieces of at most one block."""
        stop = self.size if stop is None else min(stop, self.size)
        while start < stop:
            index, skip = divmod(start, BLOCK)
            piece = self._block(index)[skip : skip + stop - start]
            yield piece
            start += len(piece)

    def sha256(self) -> str:
        """The digest of the whole file, computed without any network."""
        digest = hashlib.sha256()
        for piece in self.read():
            digest.update(piece)
        return digest.hexdigest()

    def _block(self, index: int) -> bytes:
        label = b"%8d%8d" % (self.number, index)
        start = (self.number * 7919 + index * 104729) % (_POOL_SIZE - BLOCK)
        return label + _pool(self.seed)[start : start + BLOCK - len(label)]


@functools.lru_cache(maxsize=1)
def _pool(seed: int) -> bytes:
    return hashlib.shake_128(b"actorpar demo %d" % seed).digest(_POOL_SIZE)


def demo_files(seed: int, mib: int) -> list[DemoFile]:
    """A site of `mib` MiB: six large files hold most of it, some four small ones per MiB the rest; one is empty."""
    total = mib * 1024 * 1024
    sizes = [int(total * _LARGE_SHARE / _LARGE_FILES * share) for share in (0.4, 0.6, 0.8, 1.0, 1.2, 2.0)]
    names = [f"large/disk-{number}.iso" for number in range(_LARGE_FILES)]
    left = total - sum(sizes)
    sizes.append(0)
    names.append("small/empty")
    while left > 0:
        number = len(sizes)
        draw = int.from_bytes(hashlib.sha256(b"%d %d" % (seed, number)).digest()[:2], "big")
        sizes.append(min(left, 512 + draw * (4 if number % 16 == 0 else 1)))
        names.append(f"small/{number % 7}/{number:04}-{_KINDS[number % len(_KINDS)]}")
        left -= sizes[-1]
    return [DemoFile("/" + names[number], size, number, seed) for number, size in enumerate(sizes)]


class DemoSite:
    """Serves the files of one seed with ranges and validators, as a static file server would."""

    def __init__(self, files: list[DemoFile]) -> None:
        self._files = {file.path: file for file in files}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """GET or HEAD of one file: 200, 206 for a range whose If-Range still holds, 404, 416."""
        file = self._files.get(request.path)
        if file is None:
            raise web.HTTPNotFound
        start, stop = self._range(request, file)
        response = web.StreamResponse(status=200 if start is None else 206)
        response.headers["ETag"] = file.etag
        response.headers["Accept-Ranges"] = "bytes"
        response.headers["Content-Type"] = "application/octet-stream"
        if start is not None:
            response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{file.size}"
        response.content_length = stop - (start or 0)
        await response.prepare(request)
        try:
            if request.method == "GET":
                for piece in file.read(start or 0, stop):
                    await response.write(piece)
            await response.write_eof()
        except ConnectionError:
            pass  # the client has what it wants: another connection brings the rest
        return response

    def _range(self, request: web.Request, file: DemoFile) -> tuple[int | None, int]:
        if "Range" not in request.headers or request.headers.get("If-Range", file.etag) != file.etag:
            return None, file.size
        try:
            asked = request.http_range
        except ValueError:
            return None, file.size
        start, stop, _ = slice(asked.start, asked.stop).indices(file.size)
        if start >= stop:
            raise web.HTTPRequestRangeNotSatisfiable(headers={"Content-Range": f"bytes */{file.size}"})
        return start, stop


async def serve(seed: int, mib: int) -> None:
    """Serve the site of `seed` until standard input ends; the port is the first line of standard output."""
    app = web.Application()
    app.router.add_get("/{path:.*}", DemoSite(demo_files(seed, mib)).answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        os.write(sys.stdout.fileno(), b"%d\n" % runner.addresses[0][1])
        await _end_of_input()
    except BrokenPipeError:
        pass  # whoever started this is gone already
    finally:
        await runner.cleanup()


async def _end_of_input() -> None:
    ended = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(ended), sys.stdin)
    try:
        await ended.read()
    finally:
        transport.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))
