"""A4, A15: somebody records what two nodes say and says it again; and what can be read there of a failure."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import actorpar as ap
from actorpar.nodes.node import Node
from actorpar.nodes.remote import moving
from tests.nodes.meshed import close, until
from tests.nodes.security.credentials import Safe
from tests.remote import subjects


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Safe:
    return Safe(tmp_path_factory.mktemp("keys"))


class Recorder:
    """A TCP proxy that keeps what passes: `said` by who dials, `answered` by the node behind it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.said = bytearray()
        self.answered = bytearray()
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass everything on, both ways."""
        near, far = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers += [writer, far]
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(_pass(reader, far, self.said), _pass(near, writer, self.answered))

    def cut(self) -> None:
        """Break the connections."""
        for writer in self._writers:
            writer.transport.abort()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray) -> None:
    while data := await reader.read(65536):
        kept += data
        writer.write(data)
    writer.close()


@contextlib.asynccontextmanager
async def recorded(node: Node) -> AsyncIterator[tuple[Recorder, str]]:
    """A recorder before a node, and its address."""
    await node.listen("tcp://127.0.0.1:0")
    recorder = Recorder(node.listeners[0].address.port)
    server = await asyncio.start_server(recorder.serve, "127.0.0.1", 0)
    try:
        yield recorder, f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        recorder.cut()
        server.close()
        await server.wait_closed()


async def replay(port: int, data: bytes) -> None:
    """Say it all again, and wait until the node closes or has read it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(0.5):
            await reader.read()
    writer.transport.abort()


@pytest.mark.parametrize("tls", [True, False], ids=["TLS", "loopback"])
async def test_a4_what_was_recorded_and_is_said_again_delivers_nothing_twice(safe: Safe, tls: bool) -> None:
    keys: Any = [safe.certificates(f"ours/{name}") if tls else None for name in ("alpha", "beta")]
    async with Node("alpha", credentials=keys[0]) as alpha, Node("beta", credentials=keys[1]) as beta:
        async with recorded(alpha) as (recorder, where):
            await beta.connect(where)
            tx, rx = ap.open_channel[int](64)
            data = moving.export(alpha.table, tx, alpha.peer(beta.id))
            far: Any = moving.accept(beta.table, data, int, beta.peer(alpha.id))
            await far.send_many(range(10))
            assert [await rx.receive() for _ in range(10)] == list(range(10))
            link = alpha.links[beta.id]
            await replay(recorder.port, bytes(recorder.said))
            if tls:
                assert alpha.counters["refused: closed"] == 1, "no handshake of TLS can be said again"
                assert link.connections == 1
            else:
                assert link.inbound.duplicates or alpha.counters["refused: session"]
            await until(lambda: beta.links[alpha.id].stream is not None)
            await far.send_many(range(10, 20))
            assert [await asyncio.wait_for(rx.receive(), 5) for _ in range(10)] == list(range(10, 20))
            assert alpha.links[beta.id] is link, "the session has outlived it"
            close(far, rx)


async def test_a15_a_failure_tells_its_class_and_text_and_no_path_and_no_line_of_code() -> None:
    asyncio.get_running_loop().set_debug(False)
    async with Node("alpha") as alpha, Node("beta") as beta:
        async with (
            ap.ActorSystem("there", node=alpha, serves=("tests.remote.subjects",)),
            ap.ActorSystem("here", node=beta, serves=("tests.remote.subjects",)) as here,
            recorded(alpha) as (recorder, where),
        ):
            await beta.connect(where)
            process = await here.spawn(subjects.fails, "as it was told", on="alpha")
            with pytest.raises(ap.ActorparError) as failed:
                await process
            assert "ValueError" in str(failed.value)
            assert b"ValueError" in recorder.answered
            for secret in (Path(subjects.__file__).parent, Path(ap.__file__).parent, "Traceback", "raise "):
                assert str(secret).encode() not in recorder.answered
