"""What the user asked for, checked before anything starts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from .errors import InvalidOption
from .retry import RetryPolicy

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?(?:/s)?", re.IGNORECASE)

Existing = Literal["number", "replace", "skip"]
Fsync = Literal["none", "file", "end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything that governs a run; rates and sizes in bytes (per second), times in seconds, None for no limit."""

    directory: str = "."
    tree: bool = False
    existing: Existing = "number"
    connections: int = 16
    per_host: int = 4
    split: int = 4
    min_split: int = 16 << 20
    max_rate: float | None = None
    host_rate: float | None = None
    min_rate: float | None = None
    disk_rate: float | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    connect_timeout: float = 20.0
    timeout: float = 60.0
    headers: tuple[tuple[str, str], ...] = ()
    proxy: str | None = None
    netrc: bool = True
    max_redirects: int = 10
    allow_private: bool = False
    max_size: int | None = None
    max_expansion: float = 100.0
    follow: tuple[str, ...] = ()
    preallocate: bool = True
    fsync: Fsync = "none"
    dry_run: bool = False
    stats: bool = False

    @property
    def piece(self) -> int:
        """Bytes that a stream gathers before it hands them to the writer: large, but few MiB for all streams together.

        Measured: a hop to a thread costs 30 µs, as much as receiving 30 KiB.
        """
        return min(1 << 20, max(64 << 10, (16 << 20) // self.connections))


def parse_size(option: str, text: str) -> int:
    """Bytes of `10M` or `1.5GiB`; raises InvalidOption, which names the option."""
    match = _SIZE.fullmatch(text.strip())
    size = round(float(match[1]) * _UNITS[match[2].lower()]) if match else 0
    if size < 1:
        raise InvalidOption(f"{option} {text!r}: write a positive number of bytes, such as 500K, 16M or 2G")
    return size


def parse_header(text: str) -> tuple[str, str]:
    """The pair of `NAME: VALUE`; raises InvalidOption."""
    name, colon, value = text.partition(":")
    name, value = name.strip(" "), value.strip(" ")
    if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or re.search(r"[\r\n\0]", value):
        raise InvalidOption(f"--header {text!r}: write 'NAME: VALUE'")
    return name, value
