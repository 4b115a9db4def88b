"""What nodes print, at the controller: line by line, each with the name of its node."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Final, TextIO

#: Bytes of a line that has not ended; longer ones are cut.
LONGEST: Final = 64 * 1024


class Output:
    """Copies what a node writes to its standard output and error, with a prefix."""

    def __init__(self, descriptor: int, name: str, to: TextIO | None = None) -> None:
        self._descriptor = descriptor
        self._prefix = f"[{name}] "
        self._to = to
        self._rest = b""
        self._loop = asyncio.get_running_loop()
        os.set_blocking(descriptor, False)
        self._loop.add_reader(descriptor, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, LONGEST)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST:
            lines, self._rest = [*lines, self._rest], b""
        self._print(lines)

    def _print(self, lines: list[bytes]) -> None:
        to = self._to or sys.stdout
        for line in lines:
            to.write(f"{self._prefix}{line.decode(errors='replace')}\n")
        to.flush()

    def close(self) -> None:
        """Print what is left, and stop."""
        if self._descriptor < 0:
            return
        self._loop.remove_reader(self._descriptor)
        while True:
            try:
                data = os.read(self._descriptor, LONGEST)
            except OSError:
                break
            if not data:
                break
            self._rest += data
        if self._rest:
            self._print(self._rest.rstrip(b"\n").split(b"\n"))
            self._rest = b""
        os.close(self._descriptor)
        self._descriptor = -1
