"""Lists of files, one per line: URLs (the first is the file, the others its mirrors) and NAME=VALUE fields."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from .errors import FetchError, InvalidOption, InvalidUrl, UnknownScheme
from .job import Checksum, Job
from .names import safe_path

ALGORITHMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b")
SCHEMES = ("http", "https")

_FIELD = re.compile(rf"({'|'.join(ALGORITHMS)}|out)=(.*)")
#: URLs that need no closer look; most are.
PLAIN_URL = re.compile(r"https?://[a-z0-9.-]+(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}))?/[!$&'()*+,./0-9:;=?@A-Z_a-z~-]*")
#: A scheme, and not the host and port of `host:80/path`.
_OTHER_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?![0-9])")


def parse_line(line: str) -> Job | None:
    """The job of one line, None for an empty line or a comment; raises InvalidUrl, UnknownScheme or InvalidOption."""
    words = line.split()
    if not words or words[0].startswith("#"):
        return None
    urls: list[str] = []
    checksum: Checksum | None = None
    name = ""
    for word in words:
        if PLAIN_URL.fullmatch(word):
            urls.append(word)
            continue
        match = _FIELD.fullmatch(word)
        if match is None:
            urls.append(check_url(word))
        elif match[1] == "out":
            name = safe_path(unquote(match[2]))
        else:
            checksum = parse_checksum(f"{match[1]}:{match[2]}")
    if not urls:
        raise InvalidUrl(f"no URL in the line {line.strip()[:200]!r}; start it with http:// or https://")
    return Job(tuple(urls), name=name, named=bool(name), checksum=checksum)


def check_url(text: str) -> str:
    """The URL itself, without its fragment; raises InvalidUrl or UnknownScheme."""
    if PLAIN_URL.fullmatch(text):
        return text
    try:
        parts = urlsplit(text)
        in_range = parts.port is None or parts.port > 0
    except ValueError as error:
        raise InvalidUrl(f"{text[:200]!r} is no URL: {error}") from None
    if _OTHER_SCHEME.match(text) and parts.scheme not in SCHEMES:
        raise UnknownScheme(f"{text[:200]!r}: scheme {parts.scheme!r} is not supported; use http:// or https://")
    if parts.scheme not in SCHEMES or not parts.hostname or not in_range:
        raise InvalidUrl(f"{text[:200]!r} is no URL; write it in full: https://host/path")
    if any(character.isspace() or ord(character) < 0x20 for character in text):
        raise InvalidUrl(f"{text[:200]!r}: a URL holds no blanks or control characters; write them as %20")
    try:
        parts.hostname.encode("ascii" if parts.hostname.isascii() else "idna")
    except UnicodeError:
        raise InvalidUrl(f"{text[:200]!r}: the host name cannot be encoded") from None
    return text.partition("#")[0]


def parse_checksum(text: str) -> Checksum:
    """`algorithm:hex`; raises InvalidOption."""
    algorithm, _, digest = text.partition(":")
    algorithm, digest = algorithm.strip().lower().replace("-", ""), digest.strip().lower()
    if algorithm not in ALGORITHMS:
        raise InvalidOption(f"checksum {text[:200]!r}: write ALGORITHM:HEX with one of {', '.join(ALGORITHMS)}")
    digits = hashlib.new(algorithm, usedforsecurity=False).digest_size * 2
    if not re.fullmatch(rf"[0-9a-f]{{{digits}}}", digest):
        raise InvalidOption(f"checksum {text[:200]!r}: {algorithm} has {digits} hexadecimal digits, not {len(digest)}")
    return Checksum(algorithm, digest)


def parse_list(lines: Iterable[str]) -> Iterator[Job | tuple[str, FetchError]]:
    """Jobs in the order of the lines, and (line, error) for each line that cannot be used."""
    for line in lines:
        try:
            job = parse_line(line)
        except FetchError as error:
            yield line.strip(), error
        else:
            if job is not None:
                yield job


def parse_report(lines: Iterable[str], directory: str) -> Iterator[Job | tuple[str, FetchError]]:
    """Jobs for the failed and interrupted files of a report, read line by line as it was written.

    A file keeps its place when that lies below `directory`, so that what came of it is resumed.
    """
    ours = False
    for line in lines:
        text = line.strip().rstrip(",")
        ours = ours or text.startswith('{"version": 1, "files": [')
        if not ours:
            break
        if not text.startswith('{"url":'):
            continue
        try:
            record = json.loads(text)
            if record["status"] in ("failed", "interrupted"):
                yield _job_of_record(record, directory)
        except FetchError as error:
            yield text[:200], error
        except (ValueError, KeyError, TypeError, AttributeError):
            yield text[:200], InvalidOption("this line is no record of a report; give the file of --json as it is")
    if not ours:
        raise InvalidOption("--retry-from: this is no report of --json (one file to a line, as it was written)")


def _job_of_record(record: dict[str, Any], directory: str) -> Job:
    urls = tuple(check_url(str(url)) for url in (record["url"], *record["mirrors"]))
    checksum = parse_checksum(record["checksum"]) if record["checksum"] else None
    place = os.path.relpath(record["path"], directory) if record["path"] else ".."
    return Job(urls, name="" if place.startswith("..") else safe_path(place), checksum=checksum)
