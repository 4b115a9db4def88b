"""Names of files: what a server or a URL proposes, made safe, and made unique within one run.

Invariants: a safe name has no separator, no control character, is no device of Windows, is neither hidden nor
empty, has at most 200 bytes, and does not end like the working files of a download. `safe_name` of a safe name is
the name itself.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

PART = ".part"
JOURNAL = ".part.json"
#: A journal that is being written, until it replaces the old one.
DRAFT = ".part.json.new"
DEFAULT_NAME = "index.html"
MAX_BYTES = 200

_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u200e\u200f\u202a-\u202e\u2066-\u2069]')
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|clock\$|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])$")
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rf';\s*({_TOKEN})\s*=\s*("(?:[^"\\]|\\.)*"|[^;"]*)')
#: RFC 8187 has UTF-8 alone; the others are met in the wild.
_CHARSETS = ("utf-8", "utf8", "iso-8859-1", "us-ascii", "windows-1252")
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}(?<![.])(?<!\.part)(?<!\.part\.json)", re.IGNORECASE)
_CASELESS = sys.platform in ("darwin", "win32")


def safe_name(proposal: str) -> str:
    """A file name that is safe on every system, as near to the proposal as possible; `index.html` for nothing."""
    name = unicodedata.normalize("NFC", proposal.encode("utf-8", "replace").decode("utf-8"))
    name = _FORBIDDEN.sub("_", name).strip(" ").rstrip(" .")
    if name.startswith("."):
        name = "_" + name[1:]
    if not name:
        return DEFAULT_NAME
    if _DEVICES.match(name.partition(".")[0].rstrip(" ")):
        name = "_" + name
    name = _shortened(name)
    if name.lower().endswith((PART, JOURNAL, DRAFT)):
        name += "_"
    return name


def _shortened(name: str) -> str:
    """At most MAX_BYTES bytes of UTF-8, the extension kept."""
    if len(name.encode()) <= MAX_BYTES:
        return name
    stem, extension = split_extension(name)
    if len(extension.encode()) > 32:
        stem, extension = name, ""
    room = MAX_BYTES - len(extension.encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(" .") + extension


def split_extension(name: str) -> tuple[str, str]:
    """Stem and extension; `.tar.gz` and its like stay together."""
    stem, extension = os.path.splitext(name)
    if stem.lower().endswith(".tar") and len(stem) > 4:
        return stem[:-4], stem[-4:] + extension
    return stem, extension


def name_from_url(url: str) -> str:
    """The safe form of the last segment of the URL's path, percent-decoded."""
    last = url.rpartition("/")[2]
    if _PLAIN.fullmatch(last) and url.count("/") > 2 and not _DEVICES.match(last.partition(".")[0]):
        return last  # most names need no more; the way below costs 15 µs
    return safe_name(unquote(urlsplit(url).path.rpartition("/")[2]))


def tree_from_url(url: str) -> str:
    """HOST/PATH/NAME, every part of it safe; `..` and empty segments add nothing."""
    parts = urlsplit(url)
    host = safe_name(parts.netloc.rpartition("@")[2].lower().replace(":", "_"))
    folders = [unquote(segment) for segment in parts.path.split("/")[:-1]]
    safe = [safe_name(folder) for folder in folders if folder.strip(". ")]
    return "/".join([host, *safe, name_from_url(url)])


def safe_path(proposal: str) -> str:
    """A relative path of safe names, for names the user chose; it never leaves the directory it is joined to."""
    segments = [segment for segment in re.split(r"[/\\]", proposal) if segment.strip(". ")]
    return "/".join(safe_name(segment) for segment in segments) or DEFAULT_NAME


def name_from_disposition(header: str) -> str | None:
    """The safe file name a Content-Disposition proposes (RFC 6266); `filename*` wins over `filename`."""
    plain: str | None = None
    extended: str | None = None
    for match in _PARAMETER.finditer(";" + header.partition(";")[2]):
        key, value = match[1].lower(), match[2].strip()
        if key == "filename*" and extended is None:
            extended = _extended_value(value)
        elif key == "filename" and plain is None:
            plain = _plain_value(value)
    proposal = extended or plain
    # The name of a path is its last segment, whichever separator the server's system uses (RFC 6266, 4.3).
    last = re.split(r"[/\\]", proposal)[-1] if proposal else ""
    return safe_name(last) if last.strip(". ") else None


def _plain_value(value: str) -> str:
    if value.startswith('"'):
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    try:  # Header bytes arrive as Latin-1 or with surrogates; servers mean UTF-8 far more often.
        value = value.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeDecodeError:
        value = value.encode("utf-8", "surrogateescape").decode("latin-1")
    return unquote(value) if "%" in value else value


def _extended_value(value: str) -> str | None:
    charset, _, rest = value.strip('"').partition("'")
    if charset.lower() not in _CHARSETS:
        return None
    try:
        return unquote(rest.partition("'")[2], encoding=charset, errors="strict") or None
    except UnicodeDecodeError:
        return None


def numbered(path: str) -> Iterator[str]:
    """`path`, then `path` with 1, 2, … before its extension."""
    yield path
    folder, _, name = path.rpartition("/")
    stem, extension = split_extension(name)
    prefix = folder + "/" if folder else ""
    for number in itertools.count(1):
        yield f"{prefix}{stem}.{number}{extension}"


class Claims:
    """The names that this run has given away. Only hashes are kept: 100 000 names cost a few MiB.

    Two names with the same 64-bit hash would only number one of them without need.
    """

    def __init__(self) -> None:
        self._taken: set[int] = set()
        self._last: dict[int, int] = {}

    def claim(self, path: str) -> str:
        """The first of `numbered(path)` that nobody has; it is the caller's from now on."""
        if self.take(path):
            return path
        key = key_of(path)
        start = self._last.get(key, 1)  # where the last search ended: n equal names cost n steps, not n²
        for number, candidate in enumerate(itertools.islice(numbered(path), start, None), start):
            if self.take(candidate):
                self._last[key] = number + 1
                return candidate
        raise AssertionError("numbered() never ends")

    def take(self, path: str) -> bool:
        """Claim exactly this name; False if somebody has it."""
        key = key_of(path)
        if key in self._taken:
            return False
        self._taken.add(key)
        return True

    def release(self, path: str) -> None:
        """Give a name back that was not used."""
        self._taken.discard(key_of(path))


def key_of(path: str) -> int:
    """What stands for a name in sets of names; equal names of a file system that knows no case have equal keys."""
    return hash(path.casefold() if _CASELESS else path)
