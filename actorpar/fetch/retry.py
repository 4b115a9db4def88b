"""When to try again, and how long to wait: pure functions of what failed and how often."""

from __future__ import annotations

import random
from dataclasses import dataclass

from .errors import AccessDenied, FetchError, HttpFailure, NotFound, Overloaded, TransientHttpFailure
from .resume import http_date

#: An attempt that brought this many bytes was no failure in a row.
PROGRESS = 64 * 1024
_NEVER_BETTER = (501, 505)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long; `tries` counts the attempts in a row that brought less than PROGRESS bytes."""

    tries: int = 5
    wait: float = 1.0
    wait_max: float = 120.0

    def pause(self, failures: int, retry_after: float | None, chance: random.Random) -> float | None:
        """Seconds before the next attempt after `failures` >= 1 in a row; None: no further attempt.

        The back-off doubles and is drawn from its upper half, so that clients who failed together do not return
        together. A server's Retry-After is the least, and ends the matter when it exceeds `wait_max`.
        """
        if failures >= self.tries or (retry_after is not None and retry_after > self.wait_max):
            return None
        longest = min(self.wait * 2.0 ** min(failures - 1, 30), self.wait_max)
        return max(longest * (0.5 + 0.5 * chance.random()), retry_after or 0.0)


def parse_retry_after(header: str | None, now: float) -> float | None:
    """Retry-After in seconds from `now` (unix time), given as seconds or as an HTTP date; None if it is neither."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    date = http_date(text)
    return None if date is None else max(0.0, date - now)


def failure_of_status(status: int, reason: str, retry_after: float | None) -> FetchError:
    """The typed error of an HTTP status that is no success."""
    text = f"the server answered {status} {reason}".strip()
    if status in (404, 410):
        return NotFound(text, status=status)
    if status in (401, 403, 407):
        advice = {401: "; give a password in ~/.netrc or a header with -H", 407: "; the proxy wants a password"}
        return AccessDenied(text + advice.get(status, ""), status=status)
    if status in (429, 503):
        wish = "" if retry_after is None else f" and asks to wait {retry_after:.0f} s"
        return Overloaded(text + wish, status=status, retry_after=retry_after)
    if status in (408, 425) or (status >= 500 and status not in _NEVER_BETTER):
        return TransientHttpFailure(text, status=status, retry_after=retry_after)
    return HttpFailure(text, status=status)
