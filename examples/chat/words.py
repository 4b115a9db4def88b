"""What may be said, and by whom: the rules for nicknames, rooms and texts, and how often one may speak."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

import actorpar as ap

NICK_LENGTH = 24
TEXT_LENGTH = 1000
#: Messages that one may send at once, and per second after that.
BURST = 5
PER_SECOND = 2.0

_ROOM = re.compile(r"[a-z0-9][a-z0-9-]{0,29}")


class BadName(ap.Reject):
    """A nickname or the name of a room that cannot be used."""


def checked_room(name: str) -> str:
    """The name of a room: it is part of addresses and of the names of actors."""
    if _ROOM.fullmatch(name) is None:
        raise BadName("a room is named with 1 to 30 small letters, digits and -")
    return name


def checked_nick(nick: str) -> str:
    """A nickname as others see it. Letters of any script, but nothing that is invisible or looks like two names."""
    nick = unicodedata.normalize("NFKC", nick).strip()
    if not 1 <= len(nick) <= NICK_LENGTH or not all(letter.isalnum() or letter in " _.-" for letter in nick):
        raise BadName(f"a nickname has 1 to {NICK_LENGTH} letters, digits, spaces and _ . -")
    return nick


def checked_text(text: str) -> str | None:
    """A text without control characters, or None if there is nothing to say. Markup is kept: pages show it as text."""
    kept = "".join(letter for letter in text if letter == "\n" or unicodedata.category(letter) != "Cc")
    return kept.strip() or None


class Allowance:
    """How often somebody may speak: a bucket of BURST, which PER_SECOND fills again."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left = float(BURST)
        self._since = clock()

    def take(self) -> bool:
        """Speak once. False: too soon."""
        now = self._clock()
        self._left = min(BURST, self._left + (now - self._since) * PER_SECOND)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
