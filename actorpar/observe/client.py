"""Somebody who looks at a running system through its control socket."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import cast

from .snapshot import FORMAT, SystemSnapshot
from .sockets import ControlError

#: Seconds in which a system answers.
PATIENCE = 5.0


class Client:
    """`async with Client(path) as client: await client.snapshot()`.

    Raises ControlError when nobody answers, or no more.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def __aenter__(self) -> Client:
        try:
            self._reader, self._writer = await asyncio.open_unix_connection(self._path, limit=1 << 26)
        except (OSError, ValueError) as error:
            raise ControlError(f"nobody answers at {self._path}: {error}") from error
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.transport.abort()

    async def snapshot(self) -> SystemSnapshot:
        """The system as it is now; gives up after PATIENCE, for a loop that is blocked answers nothing."""
        try:
            self._writer.write(b'{"get": "snapshot"}\n')
            async with asyncio.timeout(PATIENCE):
                line = await self._reader.readline()
        except TimeoutError:
            raise ControlError(f"no answer within {PATIENCE} s: the event loop of that program is blocked") from None
        except (OSError, ValueError) as error:
            raise ControlError(f"{self._path} broke off: {error}") from error
        if not line.endswith(b"\n"):
            raise ControlError("the system has ended")
        answer = json.loads(line)
        if "snapshot" not in answer:
            raise ControlError(f"{self._path} answers {answer.get('error')}")
        found = answer["snapshot"]
        if found["format"] != FORMAT:
            raise ControlError(f"that program runs actorpar {found['actorpar']}; look at it with the `top` of that")
        return cast(SystemSnapshot, found)
