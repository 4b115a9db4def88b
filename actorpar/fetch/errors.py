"""Why a file could not be fetched: one class per kind, with the exit code it stands for.

`kind` is the word in the JSON report; `exit_code` follows aria2; `retryable` says that the same request may
succeed later; `host_wide` says that the failure speaks of the host and not of the file.
"""

from __future__ import annotations

from typing import ClassVar

from actorpar.channels.errors import ActorparError


class FetchError(ActorparError):
    """Base class of every failure of a download; the message says what happened and what to do."""

    kind: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False
    host_wide: ClassVar[bool] = False

    def __init__(self, message: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        #: HTTP status of the answer that failed, if there was one.
        self.status = status
        #: Seconds the server asked to wait.
        self.retry_after = retry_after


class InvalidUrl(FetchError, ValueError):
    """The text is no URL with a host."""

    kind = "url"
    exit_code = 28


class UnknownScheme(FetchError, ValueError):
    """Only http and https are fetched."""

    kind = "scheme"
    exit_code = 28


class InvalidOption(FetchError, ValueError):
    """An option, or a field of a list line, has no meaning."""

    kind = "option"
    exit_code = 28


class Timeout(FetchError):
    """No connection, or no byte, in the time allowed."""

    kind = "timeout"
    exit_code = 2
    retryable = True


class ConnectTimeout(Timeout):
    """The host did not answer a connection at all."""

    host_wide = True


class TooSlow(FetchError):
    """Less than --min-rate came."""

    kind = "too-slow"
    exit_code = 5
    retryable = True


class NetworkFailure(FetchError):
    """The connection broke while it was used."""

    kind = "network"
    exit_code = 6
    retryable = True


class ConnectFailure(NetworkFailure):
    """No connection could be made."""

    host_wide = True


class NameResolution(FetchError):
    """The host name does not resolve."""

    kind = "dns"
    exit_code = 19
    retryable = True
    host_wide = True


class ShortBody(FetchError):
    """The body ended before its length."""

    kind = "short-body"
    exit_code = 6
    retryable = True


class Changed(FetchError):
    """The file on the server is another one than the one begun: start afresh."""

    kind = "changed"
    exit_code = 8
    retryable = True


class ProtocolViolation(FetchError):
    """The answer contradicts itself or the request."""

    kind = "protocol"
    exit_code = 22
    retryable = True


class HttpFailure(FetchError):
    """A status that will not get better."""

    kind = "http"
    exit_code = 22


class TransientHttpFailure(HttpFailure):
    """A status that may get better: 408 and most of 5xx."""

    retryable = True


class NotFound(HttpFailure):
    """404 or 410."""

    kind = "not-found"
    exit_code = 3


class AccessDenied(HttpFailure):
    """401, 403 or 407."""

    kind = "auth"
    exit_code = 24


class Overloaded(HttpFailure):
    """429 or 503: the host asks for patience."""

    kind = "overloaded"
    exit_code = 29
    retryable = True
    host_wide = True


class RedirectRefused(FetchError):
    """Too many redirects, or one that the policy forbids."""

    kind = "redirect"
    exit_code = 23


class TooLarge(FetchError):
    """Over --max-size or --max-expansion."""

    kind = "too-large"
    exit_code = 13


class DiskFull(FetchError):
    """The file system has no room for the file."""

    kind = "disk-full"
    exit_code = 9


class WriteFailure(FetchError):
    """The file system refused a write."""

    kind = "write"
    exit_code = 16


class DirectoryNotWritable(WriteFailure):
    """The output directory cannot be made or written to."""

    kind = "directory"


class FileBusy(FetchError):
    """Another process holds the lock of the .part file."""

    kind = "busy"
    exit_code = 11


class ChecksumMismatch(FetchError):
    """The bytes are not the ones the checksum speaks of."""

    kind = "checksum"
    exit_code = 32


class Interrupted(FetchError):
    """The run ended before the file did; a second run resumes it."""

    kind = "interrupted"
    exit_code = 7


def exit_code_of(kinds: dict[str, int]) -> int:
    """The exit code for failures counted by kind: 0 for none, the kind's code for one, else 1."""
    if not kinds:
        return 0
    codes = {_EXIT_CODES.get(kind, 1) for kind in kinds}
    return codes.pop() if len(codes) == 1 else 1


def _subclasses(cls: type[FetchError]) -> list[type[FetchError]]:
    return [cls, *(grand for child in cls.__subclasses__() for grand in _subclasses(child))]


_EXIT_CODES = {cls.kind: cls.exit_code for cls in _subclasses(FetchError)}
