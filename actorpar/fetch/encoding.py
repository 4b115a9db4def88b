"""Bodies that come compressed though `identity` was asked for: decoded piece by piece, under a cap."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from .errors import ProtocolViolation, ShortBody, TooLarge

#: Decoded bytes are handed out in pieces of this size, so that a bomb never stands in memory.
PIECE = 256 * 1024
#: Expansion is judged from this many decoded bytes on: a small page of blanks is no bomb.
JUDGED_FROM = 1024 * 1024


class Decoder:
    """Streaming gzip or deflate; raises TooLarge over `max_expansion`, ProtocolViolation for what it cannot decode."""

    def __init__(self, encoding: str, max_expansion: float) -> None:
        if encoding not in ("gzip", "x-gzip", "deflate"):
            raise ProtocolViolation(f"the server compresses with {encoding!r} though it was asked not to")
        self._gzip = encoding != "deflate"
        self._max_expansion = max_expansion
        self._decompressor: zlib._Decompress | None = None
        self._came = 0
        self._gave = 0

    def decode(self, data: bytes) -> Iterator[bytes]:
        """The decoded pieces of the next `data`."""
        self._came += len(data)
        while data:
            stream = self._decompressor = self._decompressor or self._open(data)
            try:
                piece = stream.decompress(data, PIECE)
            except zlib.error as error:
                raise ProtocolViolation(f"the compressed body is damaged: {error}") from None
            self._gave += len(piece)
            if self._gave > JUDGED_FROM and self._gave > self._came * self._max_expansion:
                raise TooLarge(f"the body expands more than {self._max_expansion:g} times; see --max-expansion")
            if piece:
                yield piece
            data = stream.unconsumed_tail
            if stream.eof:  # gzip allows several members, one after the other
                data, self._decompressor = stream.unused_data if self._gzip else b"", None

    def finish(self) -> None:
        """The body has ended; raises ShortBody inside a compressed stream."""
        if self._decompressor is not None:
            raise ShortBody("the compressed body ended early")

    def _open(self, data: bytes) -> zlib._Decompress:
        if self._gzip:
            return zlib.decompressobj(zlib.MAX_WBITS | 16)
        # "deflate" is zlib by the standard and raw by habit; a zlib header has 8 in its low four bits.
        return zlib.decompressobj(zlib.MAX_WBITS if data[0] & 0x0F == 8 else -zlib.MAX_WBITS)


def encoding_of(header: str | None) -> str | None:
    """The one content coding of a body, None for a plain one."""
    coding = (header or "identity").strip().lower()
    return None if coding in ("", "identity") else coding
