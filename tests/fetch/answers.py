"""What a site may answer: one honest way, and the faults a downloader must survive or refuse.

Every fault notes itself by name in `site.faults`, so that a test can tell it happened.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from .site import Answer, Exchange, Hangup, Request

CHUNK = 64 * 1024
ETAG = '"v1"'
#: Seconds between the last byte and what comes next: a reset would overtake what the peer has not read yet.
GRACE = 0.1
MODIFIED = "Wed, 01 Jul 2026 10:00:00 GMT"


def content(size: int, seed: int = 0) -> bytes:
    """`size` bytes in which no two places look alike, the same for the same seed."""
    return hashlib.shake_128(b"content %d" % seed).digest(size)


@dataclass(frozen=True)
class Part:
    """What an honest server answers: the status, the headers, and the span of the body that is sent."""

    status: int
    headers: dict[str, object]
    span: tuple[int, int]


def honest_part(request: Request, size: int, etag: str | None = ETAG, modified: str | None = MODIFIED) -> Part:
    """The answer RFC 9110 asks for: 206 for a range whose If-Range holds, 416 past the end, 200 otherwise."""
    headers: dict[str, object] = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
    headers |= {"ETag": etag} if etag else {}
    headers |= {"Last-Modified": modified} if modified else {}
    asked = request.range if request.headers.get("if-range") in (None, etag, modified) else None
    if asked is None:
        return Part(200, headers | {"Content-Length": size}, (0, size))
    start, last = asked[0], min(size - 1, asked[1] if asked[1] is not None else size - 1)
    if start > last:
        return Part(416, headers | {"Content-Range": f"bytes */{size}", "Content-Length": 0}, (0, 0))
    headers |= {"Content-Range": f"bytes {start}-{last}/{size}", "Content-Length": last + 1 - start}
    return Part(206, headers, (start, last + 1))


def file(
    body: bytes,
    *,
    etag: str | None = ETAG,
    modified: str | None = MODIFIED,
    headers: Mapping[str, object] | None = None,
    pace: Callable[[Request], Awaitable[None]] | None = None,
) -> Answer:
    """Serve `body` honestly; `pace` is awaited before every chunk of 64 KiB."""

    async def answer(exchange: Exchange) -> None:
        part = honest_part(exchange.request, len(body), etag, modified)
        await exchange.head(part.status, part.headers | dict(headers or {}))
        if exchange.request.method != "HEAD":
            await _send(exchange, body, part.span, pace)

    return answer


def without_ranges(body: bytes, *, headers: Mapping[str, object] | None = None) -> Answer:
    """Serve the whole body at every request, with no validator and no word about ranges."""

    async def answer(exchange: Exchange) -> None:
        await exchange.head(200, {"Content-Length": len(body)} | dict(headers or {}))
        if exchange.request.method != "HEAD":
            await _send(exchange, body, (0, len(body)))

    return answer


def range_of_another(body: bytes, etag: str) -> Answer:
    """Ignore If-Range: answer 206 with a part of a body that has another ETag."""

    async def answer(exchange: Exchange) -> None:
        exchange.request.headers.pop("if-range", None)
        part = honest_part(exchange.request, len(body), etag)
        if part.status == 206:
            exchange.happened("range of another file")
        await exchange.head(part.status, part.headers)
        await _send(exchange, body, part.span)

    return answer


async def _send(
    exchange: Exchange, body: bytes, span: tuple[int, int], pace: Callable[[Request], Awaitable[None]] | None = None
) -> None:
    view = memoryview(body)
    for start in range(span[0], span[1], CHUNK):
        if pace is not None:
            await pace(exchange.request)
        await exchange.write(view[start : min(start + CHUNK, span[1])])


def every(seconds: float) -> Callable[[Request], Awaitable[None]]:
    """A pace: one chunk every so many seconds on each connection, for a server that is slow but alive."""

    async def pace(_: Request) -> None:
        await asyncio.sleep(seconds)

    return pace


def reset_after(body: bytes, sent: int, *, etag: str | None = ETAG, modified: str | None = MODIFIED) -> Answer:
    """Begin honestly, then reset the connection after `sent` bytes of the body."""

    async def answer(exchange: Exchange) -> None:
        part = honest_part(exchange.request, len(body), etag, modified)
        await exchange.head(part.status, part.headers)
        await _send(exchange, body, (part.span[0], min(part.span[0] + sent, part.span[1])))
        await asyncio.sleep(GRACE)
        exchange.reset()

    return answer


def short_by(body: bytes, missing: int) -> Answer:
    """Promise the whole length, send `missing` bytes less, and close in good order."""

    async def answer(exchange: Exchange) -> None:
        part = honest_part(exchange.request, len(body))
        await exchange.head(part.status, part.headers)
        await _send(exchange, body, (part.span[0], max(part.span[0], part.span[1] - missing)))
        exchange.happened("short")
        raise Hangup

    return answer


def claims_length(body: bytes, length: int) -> Answer:
    """Answer 200 with a Content-Length that is not the body's, send the body, and close."""

    async def answer(exchange: Exchange) -> None:
        await exchange.head(200, {"Content-Length": length, "ETag": ETAG})
        if exchange.request.method != "HEAD":
            exchange.happened("wrong length")
            await exchange.write(body)
            raise Hangup

    return answer


def refuse(status: int, **headers: object) -> Answer:
    """Answer with this status, no body, and these headers (`retry_after=1` is `Retry-After: 1`)."""

    async def answer(exchange: Exchange) -> None:
        exchange.happened(str(status))
        named = {name.replace("_", "-").title(): value for name, value in headers.items()}
        await exchange.head(status, {"Content-Length": 0} | named)

    return answer


def redirect(to: str, status: int = 302) -> Answer:
    """Send the client somewhere else."""

    async def answer(exchange: Exchange) -> None:
        exchange.happened("redirect")
        await exchange.head(status, {"Location": to, "Content-Length": 0})

    return answer


def whole_despite_range(body: bytes, *, etag: str | None = ETAG) -> Answer:
    """Claim to know ranges, and answer every request with 200 and the whole body."""

    async def answer(exchange: Exchange) -> None:
        if exchange.request.range is not None:
            exchange.happened("200 for 206")
        headers: dict[str, object] = {"Content-Length": len(body), "Accept-Ranges": "bytes"}
        await exchange.head(200, headers | ({"ETag": etag} if etag else {}))
        if exchange.request.method != "HEAD":
            await _send(exchange, body, (0, len(body)))

    return answer


def wrong_range(body: bytes, shift: int) -> Answer:
    """Answer a range request with 206 for a range that lies `shift` bytes further on, and say so."""

    async def answer(exchange: Exchange) -> None:
        part = honest_part(exchange.request, len(body))
        if part.status != 206:
            await exchange.head(part.status, part.headers)
            await _send(exchange, body, part.span)
            return
        exchange.happened("wrong range")
        start, stop = part.span[0] + shift, min(part.span[1] + shift, len(body))
        named = {"Content-Range": f"bytes {start}-{stop - 1}/{len(body)}", "Content-Length": stop - start}
        await exchange.head(206, part.headers | named)
        await _send(exchange, body, (start, stop))

    return answer


def chunked(body: bytes, *, unfinished: bool = False, headers: Mapping[str, object] | None = None) -> Answer:
    """Serve without a length, in chunks; `unfinished` closes before the last chunk says it is the last."""

    async def answer(exchange: Exchange) -> None:
        await exchange.head(200, {"Transfer-Encoding": "chunked"} | dict(headers or {}))
        if exchange.request.method == "HEAD":
            return
        for start in range(0, len(body), CHUNK):
            piece = body[start : start + CHUNK]
            await exchange.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        exchange.happened("chunked")
        if unfinished:
            raise Hangup
        await exchange.write(b"0\r\n\r\n")

    return answer


def until_close(body: bytes) -> Answer:
    """Serve as HTTP/1.0 did: no length at all, the end of the connection is the end of the body."""

    async def answer(exchange: Exchange) -> None:
        await exchange.head(200, {"Connection": "close"})
        if exchange.request.method != "HEAD":
            await _send(exchange, body, (0, len(body)))
        exchange.happened("until close")
        raise Hangup

    return answer


def gzip_bomb(size: int) -> Answer:
    """A small answer that Content-Encoding blows up to `size` zeros."""
    packed = gzip.compress(bytes(size), mtime=0)

    async def answer(exchange: Exchange) -> None:
        await exchange.head(200, {"Content-Encoding": "gzip", "Content-Length": len(packed)})
        if exchange.request.method != "HEAD":
            exchange.happened("bomb")
            await exchange.write(packed)

    return answer


def held(body: bytes, sent: int, gate: asyncio.Event) -> Answer:
    """Serve `sent` bytes of what was asked for, note "held", and keep the rest until `gate` is set."""

    async def answer(exchange: Exchange) -> None:
        part = honest_part(exchange.request, len(body))
        await exchange.head(part.status, part.headers)
        if exchange.request.method == "HEAD":
            return
        middle = min(part.span[0] + sent, part.span[1])
        await _send(exchange, body, (part.span[0], middle))
        await asyncio.sleep(GRACE)
        exchange.happened("held")
        await gate.wait()
        await _send(exchange, body, (middle, part.span[1]))

    return answer


def raw(data: bytes, name: str) -> Answer:
    """Send these bytes in place of an answer, and close."""

    async def answer(exchange: Exchange) -> None:
        exchange.happened(name)
        await exchange.write(data)
        raise Hangup

    return answer


def page(*links: str) -> Answer:
    """An HTML page that links to these addresses."""
    body = "<!doctype html>\n" + "\n".join(f'<a href="{link}">{link}</a>' for link in links)
    return file(body.encode(), headers={"Content-Type": "text/html; charset=utf-8"})
