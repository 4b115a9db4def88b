"""A body whose length nobody told, or a compressed one: one stream, not resumable.

Short ones come whole and go to the scribe like any small file; of longer ones only the head is held in memory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING

import actorpar as ap

from .landing import unbroken
from .links import is_page
from .messages import Landing, Piece
from .partfile import PartFile
from .transfer import PIECES, writer

if TYPE_CHECKING:
    from aiohttp import ClientResponse

    from .attempt import Attempt
    from .encoding import Decoder
    from .resume import Version
    from .run import Placement

_HEAD = 256 * 1024


async def fetch_unmeasured(
    attempt: Attempt, answer: ClientResponse, version: Version, placement: Placement, decoder: Decoder | None
) -> None:
    """Bring the body, decoded if there is a decoder, and hand it on. Raises FetchError."""
    chunks = _chunks(attempt, answer, decoder)
    head: list[bytes] = []
    size = 0
    async for data in chunks:
        head.append(data)
        size += len(data)
        if size > _HEAD:
            break
    else:
        await attempt.hand_on(answer, version, placement, b"".join(head))
        return
    await attempt.lines.give_back()
    part = PartFile(attempt.run.path(attempt.job.name), attempt.job.url, version, durable=False)
    handed_on = False
    try:
        await unbroken(partial(part.open, (), preallocate=False))
        size = await _pour(attempt, head, chunks, part)
        attempt.job.received += attempt.progress
        landing = Landing(attempt.job, answer.url, version, placement.path, size, part=part, twin=placement.twin)
        landing.page = is_page(answer.headers.get("Content-Type"))
        await attempt.lines.large.send(landing)
        handed_on = True
    finally:
        if not handed_on:
            await unbroken(part.abandon)


async def _chunks(attempt: Attempt, answer: ClientResponse, decoder: Decoder | None) -> AsyncIterator[bytes]:
    read = attempt.run.intake.reader(answer, attempt.job.host)
    size = 0
    while data := await read():
        attempt.progress += len(data)
        for chunk in decoder.decode(data) if decoder is not None else (data,):
            size += len(chunk)
            attempt.check_size(size)
            yield chunk
    if decoder is not None:
        decoder.finish()


async def _pour(attempt: Attempt, head: list[bytes], chunks: AsyncIterator[bytes], part: PartFile) -> int:
    """What came and what comes to the part; how many bytes that are."""
    run = attempt.run
    piece = Piece(0, head, sum(map(len, head)))
    pieces, to_write = ap.open_channel[Piece](PIECES, name="pieces", timed=run.options.stats)
    probe = to_write.clone()
    try:
        async with ap.ProcessGroup() as group:
            writing = group.spawn(writer, to_write, part, run.disk, name=f"writer {attempt.job.name}")
            with pieces:
                try:
                    async for data in chunks:
                        piece.chunks.append(data)
                        piece.size += len(data)
                        if piece.size >= run.options.piece:
                            full, piece = piece, Piece(piece.offset + piece.size, [], 0)
                            await pieces.send(full)
                    await pieces.send(piece)
                except ap.ChannelAborted:
                    pass  # the writer failed, and tells why
            failure = await writing
    finally:
        run.pieces.add(probe.statistics())
        probe.close()
    if failure is not None:
        raise failure
    return piece.offset + piece.size
