"""How a rank that sleeps is woken by another one of its host: a page of counters that all see, and a datagram.

MPI has no descriptor that becomes readable. So who has nothing to do says so in its page and sleeps in its event loop;
who sends to it looks at that page, and rings.

Invariants
- A rank sleeps only if everything that was sent to it has come: it says that it sleeps, *then* compares what others
  have counted with what it has taken. A sender counts and sends, *then* looks whether the other one sleeps. With a
  fence between the two steps of either, one of them sees the other.
- "One more test has found nothing" is no proof that nothing is on its way: MPI does a step of its work at a time.
- Each word of a page is written by one rank, but for the flag, which who rings clears, so that one bell is enough.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import socket
from pathlib import Path
from typing import Final

from actorpar.channels import env

#: Bytes of a word.
WORD: Final = 8


class Page:
    """The counters of one rank: word 0 says that it sleeps, word 1 + n is how many packets it has sent to rank n."""

    def __init__(self, path: Path, size: int, *, create: bool) -> None:
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT | os.O_EXCL if create else 0)
        descriptor = os.open(path, flags, 0o600)
        try:
            if create:
                os.truncate(descriptor, WORD * (1 + size))
            self._memory = mmap.mmap(descriptor, WORD * (1 + size))
        finally:
            os.close(descriptor)
        self.words = memoryview(self._memory).cast("Q")

    def close(self) -> None:
        """Unmap it."""
        self.words.release()
        self._memory.close()


class Bells:
    """The bells of the ranks of one host, in a folder that only their user can enter.

    Make it, tell the others, and `meet` them once each has made its own.
    """

    def __init__(self, folder: Path, rank: int, size: int) -> None:
        self._folder = folder
        self._rank = rank
        self._size = size
        self._page = Page(folder / f"page-{rank}", size, create=True)
        self._mine = self._page.words
        self._others: dict[int, Page] = {}
        self._words: dict[int, memoryview] = {}
        self._fence = env.Lock()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self._socket.bind(self._path(rank))
        #: Bells that were rung, and that were heard.
        self.rung = 0
        self.heard = 0

    def _path(self, rank: int) -> str:
        return str(self._folder / f"bell-{rank}")

    def meet(self, ranks: list[int]) -> None:
        """See the pages of these ranks, too."""
        for rank in ranks:
            self._others[rank] = page = Page(self._folder / f"page-{rank}", self._size, create=False)
            self._words[rank] = page.words

    def fileno(self) -> int:
        """What becomes readable when somebody rings."""
        return self._socket.fileno()

    def count(self, rank: int) -> None:
        """A packet is about to be sent to this rank."""
        self._mine[1 + rank] += 1

    def ring(self, rank: int) -> None:
        """A packet was sent, or has left now: wake the rank if it sleeps. The send itself was the fence."""
        words = self._words.get(rank)
        if words is not None and words[0]:
            words[0] = 0
            self.rung += 1
            with contextlib.suppress(OSError):  # it has ended, or is being rung at enough
                self._socket.sendto(b"!", self._path(rank))

    def hear(self) -> None:
        """Somebody has rung."""
        self.heard += 1
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(1)

    def may_sleep(self, taken: list[int]) -> bool:
        """Say that this rank sleeps, unless one has sent it more packets than were taken, by rank."""
        self._mine[0] = 1
        with self._fence:  # an atomic operation, and with it a fence
            pass
        at = 1 + self._rank
        for rank, words in self._words.items():
            if words[at] != taken[rank]:
                self._mine[0] = 0
                return False
        return True

    def doze(self) -> None:
        """Say that this rank sleeps; it looks again by itself."""
        self._mine[0] = 1

    def awake(self) -> None:
        """This rank does not sleep any more."""
        self._mine[0] = 0

    def forget(self, rank: int) -> None:
        """That rank has ended."""
        if self._words.pop(rank, None) is not None:
            self._others.pop(rank).close()

    def close(self) -> None:
        """Remove what this rank has made."""
        self._socket.close()
        self._words.clear()
        for page in (*self._others.values(), self._page):
            page.close()
        self._others.clear()
        for name in (f"bell-{self._rank}", f"page-{self._rank}"):
            (self._folder / name).unlink(missing_ok=True)
