"""The nodes that `nodes.toml` names: each is started by a command, over ssh on another host, and linked.

Invariants
- `start` returns when all are linked, or raises and leaves what it has started to `end`.
- A node ends when its controller does, however that dies: its standard input ends then, which ssh passes on.
- A node is the one that was meant: it calls itself as it was told to, and by its certificate may do so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shlex
from asyncio.subprocess import PIPE, Process
from typing import TYPE_CHECKING, Final

from ..nodes.errors import HandshakeRefused, NodeDown

if TYPE_CHECKING:
    from ..nodes.link import Link
    from ..nodes.node import Node
    from .application import Application
    from .config import Config, NodeConfig
    from .output import Output

logger = logging.getLogger("actorpar.launch")

#: Seconds in which a node is reached, its import of the program included.
START: Final = 120.0
#: Seconds that commands have to end, once the links of their nodes are closed.
GRACE: Final = 5.0


class Hosts:
    """The nodes of other hosts that one controller has started, made on its loop."""

    def __init__(self, node: Node, application: Application, config: Config, output: Output) -> None:
        self._node = node
        self._application = application
        self._config = config
        self._output = output
        self._processes: dict[str, Process] = {}

    async def start(self) -> None:
        """Start all nodes and wait until they are linked.

        NodeDown: a command ended before; what it printed says why. Unreachable: it runs, and no link came about in
        START seconds. HandshakeRefused: as its code says.
        """
        starting = [asyncio.ensure_future(self._start_one(each)) for each in self._config.node]
        try:
            await asyncio.gather(*starting)
        finally:
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)

    async def _start_one(self, each: NodeConfig) -> None:
        process = await self._run(each)
        joining: asyncio.Future[Link] = asyncio.ensure_future(self._node.join(each.listen[0], START))
        ending = asyncio.ensure_future(process.wait())
        try:
            await asyncio.wait((joining, ending), return_when=asyncio.FIRST_COMPLETED)
            if not joining.done():
                raise NodeDown(
                    f"{each.name} ended before it was linked, exit code {process.returncode}: what it printed says why",
                    node=each.name,
                )
            link = joining.result()
        finally:
            for task in (joining, ending):
                task.cancel()
            await asyncio.gather(joining, ending, return_exceptions=True)
        if link.name != each.name:
            raise HandshakeRefused(f"at {each.listen[0]} is {link.name}, and {each.name} was meant", code="auth")

    async def _run(self, each: NodeConfig) -> Process:
        command = words(each, self._config, self._application, self._node.down_after)
        streams = [os.pipe() for _ in (1, 2)]
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=streams[0][1], stderr=streams[1][1],
                start_new_session=True,  # a Ctrl-C is for the controller, which then ends its nodes
            )  # fmt: skip
        except OSError as error:
            for read, _ in streams:
                os.close(read)
            raise NodeDown(f"{each.name} cannot be started: {error.strerror}", node=each.name) from error
        finally:
            for _, write in streams:
                os.close(write)
        self._processes[each.name] = process
        for to, (read, _) in enumerate(streams, 1):
            self._output.add(read, each.name, to)
        return process

    async def end(self) -> None:
        """Tell all to end, wait for their commands, and kill those that do not end in time."""
        for process in self._processes.values():
            assert process.stdin is not None
            process.stdin.close()
        await self._wait()
        for name, process in self._processes.items():
            if process.returncode is None:
                logger.warning("the command of %s has not ended in %g s and is killed", name, GRACE)
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
        await self._wait()

    async def _wait(self) -> None:
        waiting = [asyncio.ensure_future(process.wait()) for process in self._processes.values()]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=GRACE)
            for task in late:
                task.cancel()


def words(each: NodeConfig, config: Config, application: Application, down_after: float) -> list[str]:
    """The command that starts a node, on its host."""
    folder = each.folder or str(application.folder)
    key = each.key or config.key
    command = [
        *shlex.split(each.command), "node", f"{application.path.name}:{application.function}", "--until-eof",
        "--name", each.name, "--down-after", f"{down_after:g}",
        *(f"--listen={where}" for where in each.listen), *(f"--label={label}" for label in each.labels),
        *([f"--device={each.device}"] if each.device else []), *([f"--key={key}"] if key else []),
    ]  # fmt: skip
    shell = f"cd {shlex.quote(folder)} && exec {shlex.join(command)}"
    return [*shlex.split(config.ssh), "--", each.host, shell] if each.host else ["sh", "-c", shell]
