"""What an answer says about the file, and whether it is still the file that was begun (RFC 9110, 13 and 14).

Everything here is a function of header values; nothing is read or written.
"""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from .errors import Changed, ProtocolViolation, ShortBody

_FIXDATE = re.compile(r"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CONTENT_RANGE = re.compile(r"bytes\s+(\d+)-(\d+)/(\d+|\*)", re.IGNORECASE)


@dataclass(slots=True)
class Version:
    """What identifies one version of a file on a server; None where the server did not say."""

    total: int | None = None
    etag: str | None = None
    last_modified: str | None = None

    @property
    def validator(self) -> str | None:
        """The value for If-Range: the strong ETag, else Last-Modified; weak tags do not promise equal bytes."""
        if self.etag is not None and not self.etag.startswith("W/"):
            return self.etag
        return self.last_modified

    def contradicts(self, other: Version) -> bool:
        """Whether something that both versions tell differs."""
        pairs = ((self.total, other.total), (self.etag, other.etag), (self.last_modified, other.last_modified))
        return any(mine is not None and theirs is not None and mine != theirs for mine, theirs in pairs)

    @property
    def modified(self) -> float | None:
        """Last-Modified as seconds since the epoch; None if absent or no date."""
        return http_date(self.last_modified) if self.last_modified else None


def http_date(text: str) -> float | None:
    """An HTTP date as seconds since the epoch, None if it is none."""
    match = _FIXDATE.fullmatch(text)  # what servers send; the parser below costs ten times as much
    if match is not None and match[2] in _MONTHS:
        day, year, hour, minute, second = map(int, match.group(1, 3, 4, 5, 6))
        return float(timegm((year, _MONTHS.index(match[2]) + 1, day, hour, minute, second)))
    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def version_of(headers: Mapping[str, str]) -> Version:
    """The version that the headers of a 200 tell; a compressed body tells no length."""
    length = headers.get("Content-Length")
    encoding = headers.get("Content-Encoding")
    plain = encoding is None or encoding.strip().lower() in ("", "identity")
    total = int(length) if length is not None and plain and length.isdigit() else None
    return Version(total, headers.get("ETag"), headers.get("Last-Modified"))


def range_version(headers: Mapping[str, str], start: int) -> tuple[Version, int]:
    """The version that a 206 tells, and where its bytes end; raises ProtocolViolation if it starts elsewhere."""
    header = headers.get("Content-Range", "")
    match = _CONTENT_RANGE.fullmatch(header.strip())
    if match is None:
        raise ProtocolViolation(f"206 with the Content-Range {header!r}, which is not one range of bytes", status=206)
    first, last = int(match[1]), int(match[2])
    total = None if match[3] == "*" else int(match[3])
    if first != start or last < first or (total is not None and last >= total):
        raise ProtocolViolation(f"asked for bytes from {start}, got {header!r}", status=206)
    return Version(total, headers.get("ETag"), headers.get("Last-Modified")), last + 1


def takes_ranges(headers: Mapping[str, str]) -> bool:
    """Whether a 200 offers byte ranges of its own accord."""
    return "bytes" in headers.get("Accept-Ranges", "").lower()


def same_file(size: int, modified: float, version: Version) -> bool:
    """Whether a file of this size and modification time is the version on the server, as far as it tells.

    With no length, or no date, nothing is proved: the answer is False.
    """
    if version.total is None or version.modified is None:
        return False
    return size == version.total and int(modified) == int(version.modified)


def check_range(begun: Version, told: Version, stop: int, wanted: int) -> None:
    """Raise Changed if a 206 is of another version than the one begun, ShortBody if it ends before `wanted`."""
    if begun.contradicts(told):
        raise Changed("the file changed on the server while it was fetched", status=206)
    if stop < wanted:
        raise ShortBody(f"asked for the bytes up to {wanted}, the server gave those up to {stop}", status=206)
