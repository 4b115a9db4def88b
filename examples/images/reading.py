"""The first stage: a picture's file, from the disk or from its server."""

import asyncio
from pathlib import Path

import aiohttp
from job import is_url
from pictures import BadPicture, Encoded, Source, Unreachable

#: No file may be larger: whatever a server sends, memory stays bounded.
LARGEST = 256 << 20
#: Seconds in which a server has to say something.
PATIENCE = 30.0


class Reader:
    """Reads and downloads; `async with` it, for it keeps connections open."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Reader":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def read(self, source: Source) -> Encoded:
        """The file of a picture. BadPicture, Unreachable."""
        load = self._download if is_url(source.where) else _load
        return Encoded(source.name, source.where, await load(source.where))

    async def _download(self, url: str) -> bytes:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=PATIENCE, sock_read=PATIENCE)
            self._session = aiohttp.ClientSession(timeout=timeout)
        try:
            async with self._session.get(url) as response:
                if response.status >= 500 or response.status == 429:
                    raise Unreachable(f"its server answers {response.status}")
                if response.status != 200:
                    raise BadPicture(f"its server answers {response.status}")
                return await _body(response)
        except aiohttp.InvalidURL:
            raise BadPicture("this is no URL") from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unreachable(f"it cannot be downloaded: {error or type(error).__name__}") from error


async def _body(response: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > LARGEST:
            raise BadPicture(f"it has more than {LARGEST >> 20} MiB")
        parts.append(part)
    return b"".join(parts)


async def _load(path: str) -> bytes:
    return await asyncio.to_thread(_contents, Path(path))


def _contents(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise BadPicture(f"it has more than {LARGEST >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise BadPicture(f"it cannot be read: {error.strerror}") from error
