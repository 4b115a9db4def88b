"""What nodes print, at the controller: line by line, each with the name of its node.

A thread copies it, for a terminal that is slow, or stopped by Ctrl-S, must not stop the loop.

Invariants
- Lines arrive whole and in the order of their node. Only one that is longer than LONGEST is cut.
- Of each stream at most LONGEST bytes are kept here: who prints more than the terminal takes waits at its pipe, as it
  would wait for the terminal.
- What was printed before a node ended is shown before `close` returns.
"""

from __future__ import annotations

import os
import select
import selectors
import threading
from collections.abc import Mapping
from typing import Final

from ..channels import env

#: Bytes of a line; longer ones are cut.
LONGEST: Final = 64 * 1024
#: Reads of one stream at the end: more than a pipe holds, and a descendant that goes on printing does not keep us.
DRAIN: Final = 32
#: Colours of prefixes on a terminal, one node after the other: cyan, yellow, green, magenta, blue.
COLOURS: Final = (36, 33, 32, 35, 34)


class Output:
    """Copies what nodes write, each stream to one of our descriptors (1 and 2), from the first `add` until `close`."""

    def __init__(self) -> None:
        self._sources: list[_Source] = []
        self._colours: dict[str, int] = {}
        self._thread: threading.Thread | None = None
        self._closing = False
        self._lock = env.Lock()
        self._wake, self._waker = os.pipe()

    def add(self, descriptor: int, name: str, to: int) -> None:
        """Copy what comes from this descriptor, which is closed at its end, to another one of ours."""
        os.set_blocking(descriptor, False)
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        with self._lock:
            self._sources.append(_Source(descriptor, prefix(name, colour if is_coloured(to, os.environ) else 0), to))
        if self._thread is None:
            self._thread = threading.Thread(target=self._copy, name="actorpar-output", daemon=True)
            self._thread.start()
        os.write(self._waker, b".")

    async def close(self) -> None:
        """Show what has come so far, and stop. It takes as long as the terminal does."""
        if self._closing:
            return
        self._closing = True
        os.write(self._waker, b".")
        if self._thread is not None:
            await env.run_in_thread(self._thread.join)
        os.close(self._wake)
        os.close(self._waker)

    # -- in the thread

    def _copy(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake, selectors.EVENT_READ)
            while not self._closing:
                for key, _ in selector.select():
                    if key.data is None:
                        os.read(self._wake, LONGEST)
                        self._take(selector)
                    elif not key.data.copy():
                        selector.unregister(key.fd)
                        key.data.close()
            self._take(selector)
            for source in [key.data for key in selector.get_map().values() if key.data is not None]:
                for _ in range(DRAIN):
                    if not (source.copy() and source.more):
                        break
                source.close()

    def _take(self, selector: selectors.BaseSelector) -> None:
        with self._lock:
            sources, self._sources = self._sources, []
        for source in sources:
            selector.register(source.descriptor, selectors.EVENT_READ, source)


class _Source:
    """One stream of a node."""

    def __init__(self, descriptor: int, prefix: bytes, to: int) -> None:
        self.descriptor = descriptor
        self.more = True
        self._prefix = prefix
        self._to = to
        self._rest = b""

    def copy(self) -> bool:
        """Copy once what is there; False at its end. `more`: there was something."""
        try:
            data = os.read(self.descriptor, LONGEST)
        except BlockingIOError:
            self.more = False
            return True
        except OSError:
            data = b""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if self._rest and (not data or len(self._rest) > LONGEST):
            lines, self._rest = [*lines, self._rest], b""
        if lines:
            self._show(lines)
        return bool(data)

    def _show(self, lines: list[bytes]) -> None:
        # Of a line that was written over and over, as progress bars do, the last state is shown.
        text = b"".join(self._prefix + line.rstrip(b"\r").rpartition(b"\r")[2] + b"\n" for line in lines)
        if self._to >= 0 and not write(self._to, text):
            self._to = -1  # nobody reads it any more; the node goes on

    def close(self) -> None:
        if self._rest:
            self._show([self._rest])
            self._rest = b""
        os.close(self.descriptor)


def write(descriptor: int, data: bytes) -> bool:
    """Write all of it, however long the other side takes; False: there is none."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:  # it is shared with somebody who has made it non-blocking
            select.select([], [descriptor], [])
        except OSError:
            return False
    return True


def prefix(name: str, colour: int = 0) -> bytes:
    """What stands before each line of a node; 0: without colour."""
    return f"\x1b[{colour}m[{name}]\x1b[0m ".encode() if colour else f"[{name}] ".encode()


def is_coloured(descriptor: int, environment: Mapping[str, str]) -> bool:
    """True if it is a terminal that shows colours, and the user has not asked for none."""
    return os.isatty(descriptor) and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
