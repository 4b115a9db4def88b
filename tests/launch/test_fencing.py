"""A node that is stopped for longer than others wait: it wakes, learns that it was declared down, and ends (NET-42)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from actorpar.launch.application import Application
from actorpar.nodes.events import NodeEvent, NodeLost, NodeUp
from actorpar.nodes.node import Node

APP = Path(__file__).with_name("app.py")
#: Seconds of silence after which these nodes are down.
DOWN_AFTER = 3.0


async def start(where: str) -> asyncio.subprocess.Process:
    """A node that joins the one there."""
    words = ["node", str(APP), "--name", "beta", "--down-after", str(DOWN_AFTER), "--join", where]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "actorpar", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )


async def test_net42_a_node_that_was_stopped_and_declared_down_ends_when_it_wakes() -> None:
    events: asyncio.Queue[NodeEvent] = asyncio.Queue()

    async def wait_for(kind: type[NodeEvent]) -> str:
        while not isinstance(event := await events.get(), kind):
            pass
        return getattr(event, "reason", "")

    async with (
        asyncio.timeout(30),
        Node("alpha", app=Application.parse(str(APP)).fingerprint(), down_after=DOWN_AFTER) as alpha,
    ):
        alpha.watch(events.put_nowait)
        await alpha.listen("tcp://127.0.0.1:0")
        beta = await start(alpha.addresses[0])
        again = None
        try:
            await wait_for(NodeUp)
            os.kill(beta.pid, signal.SIGSTOP)
            assert "it was silent for" in await wait_for(NodeLost)
            os.kill(beta.pid, signal.SIGCONT)
            output = (await beta.communicate())[0].decode()
            assert beta.returncode == os.EX_TEMPFAIL, output
            assert "beta was declared down by alpha while it did not run" in output
            assert "actorpar: Fenced: " in output
            again = await start(alpha.addresses[0])
            await wait_for(NodeUp)  # a new incarnation is welcome
        finally:
            for process in (beta, again):
                if process is not None and process.returncode is None:
                    process.kill()
                    await process.communicate()
