"""The control socket of a running system, where `actorpar top` looks at it. It answers questions and changes nothing.

Lines of JSON: `{"get": "snapshot"}` is answered by `{"snapshot": {…}}`, anything else by `{"error": "…"}`. Only the
user who runs the system may connect. A client that does not read is not read from; a system that ends hangs up.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from ..actors.reason import describe
from .snapshot import snapshot
from .sockets import ControlError, bind, new_path, peer_uid
from .text import shown

if TYPE_CHECKING:
    from ..system import ActorSystem

logger = logging.getLogger("actorpar")

#: Clients at a time, and bytes of one question.
CLIENTS: Final = 16
QUESTION: Final = 4_096
#: Set to 1 it opens a control socket for every system that is not told otherwise.
VARIABLE: Final = "ACTORPAR_CONTROL"


class Control:
    """An open control socket; `path` is where. Made by `open_control`."""

    def __init__(self, system: ActorSystem, path: Path) -> None:
        self.system = system
        self.path = path
        self.clients: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen. Raises ControlError."""
        listening = bind(self.path)
        try:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_unix_server(lambda: _Conversation(self), sock=listening)
        except BaseException:
            listening.close()
            self.path.unlink(missing_ok=True)
            raise

    def close(self) -> None:
        """Hang up and remove the socket. Idempotent."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            for client in list(self.clients):
                client.abort()
            self.path.unlink(missing_ok=True)


async def open_control(system: ActorSystem, wanted: bool | str | os.PathLike[str] | None) -> Control | None:
    """Open the control socket of a running system.

    True: in the usual folder; a path: there; None: in the usual folder if ACTORPAR_CONTROL is 1, and a failure is only
    logged, for the program did not ask for it. Raises ControlError.
    """
    place = os.environ.get(VARIABLE) == "1" if wanted is None else wanted
    if place is False:
        return None
    try:
        control = Control(system, new_path(system.name) if place is True else Path(place))
        await control.open()
    except ControlError as error:
        if wanted is not None:
            raise
        logger.warning("%s: no control socket, though %s is 1: %s", system.name, VARIABLE, error)
        return None
    return control


class _Conversation(asyncio.Protocol):
    """One client."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._heard = bytearray()
        self._is_full = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass
        uid = peer_uid(transport.get_extra_info("socket"))
        if len(self._control.clients) >= CLIENTS or uid not in (None, os.geteuid()):
            logger.warning("%s: refused a client of user %s", self._control.path, uid)
            self._transport.abort()
        else:
            self._control.clients.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._control.clients.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        if self._transport in self._control.clients:
            self._heard += data
            self._answer_all()

    def pause_writing(self) -> None:
        self._is_full = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._is_full = False
        self._transport.resume_reading()
        self._answer_all()

    def _answer_all(self) -> None:
        while not self._is_full:
            question, newline, rest = self._heard.partition(b"\n")
            if not newline:
                break
            self._heard = rest
            self._say(self._answer(bytes(question)))
        if len(self._heard) > QUESTION and not self._is_full:
            self._say({"error": f"a question is a line of at most {QUESTION} bytes"})
            self._transport.close()

    def _answer(self, question: bytes) -> dict[str, Any]:
        try:
            asked = json.loads(question[: QUESTION + 1])
        except (ValueError, RecursionError):
            return {"error": 'a question is a line of JSON, such as {"get": "snapshot"}'}
        if asked != {"get": "snapshot"}:
            return {"error": f'{shown(asked)} is no question here; ask {{"get": "snapshot"}}'}
        try:
            return {"snapshot": snapshot(self._control.system)}
        except Exception as error:
            logger.exception("%s: no snapshot could be taken", self._control.path)
            return {"error": f"no snapshot could be taken: {describe(error)}"}

    def _say(self, answer: dict[str, Any]) -> None:
        self._transport.write(json.dumps(answer).encode("ascii") + b"\n")
