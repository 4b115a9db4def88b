"""Links of an HTML page, and the patterns that choose among them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from fnmatch import translate
from urllib.parse import urljoin

from .errors import FetchError
from .lists import check_url

#: Of a longer page only this many bytes are searched.
MAX_PAGE = 8 * 1024 * 1024
_LINK = re.compile(rb"""<[a-z][^<>]*?\s(?:href|src)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_BASE = re.compile(rb"""<base\s[^<>]*?href\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)


def is_page(content_type: str | None) -> bool:
    """Whether a Content-Type says HTML."""
    return (content_type or "").partition(";")[0].strip().lower() in ("text/html", "application/xhtml+xml")


class Follower:
    """Chooses the links to follow: those that match a pattern and were never chosen before in this run."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [re.compile(translate(pattern)) for pattern in patterns]
        self._seen: set[int] = set()

    @property
    def active(self) -> bool:
        """Whether any pattern was given."""
        return bool(self._patterns)

    def see(self, url: str) -> bool:
        """Note a URL; True the first time."""
        key = hash(url)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def matches(self, url: str) -> bool:
        """Whether some pattern fits the whole URL."""
        return any(pattern.match(url) for pattern in self._patterns)


def links_of(page: bytes, address: str) -> Iterator[str]:
    """The absolute http(s) URLs that a page at `address` links to, in order, each once, without fragments."""
    base = _BASE.search(page)
    origin = urljoin(address, base[1].decode("utf-8", "replace")) if base else address
    seen: set[str] = set()
    for match in _LINK.finditer(page[:MAX_PAGE]):
        text = html.unescape((match[1] or match[2] or match[3] or b"").decode("utf-8", "replace")).strip()
        try:
            url = check_url(urljoin(origin, text).replace(" ", "%20"))
        except (FetchError, ValueError):
            continue
        if url not in seen:
            seen.add(url)
            yield url
