"""The nodes that a controller starts on its own host: processes with one pipe each, which end with it.

multiprocessing starts them with the spawn method, so nothing of the controller's memory is in them. A child ends when
its parent does, however that dies: the kernel kills it, and its end of the pipe is closed.
"""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import os
import signal
import socket
import sys
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, Final

from ..channels import env
from ..nodes.node import Node
from .output import Output
from .serving import ChildConfig, serve_until_lost

if TYPE_CHECKING:
    from .application import Application

#: What numeric libraries read to know how many threads they may use.
THREADS: Final = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)  # fmt: skip
#: Seconds that children have to end.
GRACE: Final = 5.0
_PR_SET_PDEATHSIG: Final = 1


class Children:
    """The child nodes of one controller."""

    def __init__(self, node: Node, application: Application, *, runtime_dir: str) -> None:
        self._node = node
        self._application = application
        self._runtime_dir = runtime_dir
        self._processes: list[Any] = []
        self._outputs: list[Output] = []

    async def start(self, count: int, *, labels: tuple[str, ...] = ()) -> None:
        """Start so many nodes, node-1 to node-N, and wait until all are linked."""
        limit_threads(count)
        await asyncio.gather(*(self._start_one(f"node-{number}", labels) for number in range(1, count + 1)))

    async def _start_one(self, name: str, labels: tuple[str, ...]) -> None:
        context = multiprocessing.get_context("spawn")
        mine, theirs = context.Pipe(duplex=True)
        read, write = context.Pipe(duplex=False)
        config = ChildConfig(
            name=name, path=str(self._application.path), function=self._application.function, labels=labels,
            listen=f"unix:{self._runtime_dir}/{name}.sock", down_after=self._node.down_after,
        )  # fmt: skip
        process = context.Process(target=_child, args=(theirs, write, config, os.getpid()), name=name, daemon=True)
        process.start()
        theirs.close()
        write.close()
        self._processes.append(process)
        self._outputs.append(Output(os.dup(read.fileno()), name))
        read.close()
        sock = socket.socket(fileno=os.dup(mine.fileno()))
        mine.close()
        await self._node.adopt(sock, dials=False)

    def kill(self, name: str) -> None:
        """Kill a child: for tests of what follows."""
        for process in self._processes:
            if process.name == name:
                process.kill()

    async def end(self) -> None:
        """Wait for the children, whose links are closed, and kill those that do not end in time."""
        sentinels = [process.sentinel for process in self._processes]
        await env.run_in_thread(_wait_all, sentinels, GRACE)
        for process in self._processes:
            if process.is_alive():
                process.kill()
            process.join()
            process.close()
        for output in self._outputs:
            output.close()


def _wait_all(sentinels: list[int], seconds: float) -> None:
    deadline = env.clock() + seconds
    while sentinels and env.clock() < deadline:
        for sentinel in wait(sentinels, max(deadline - env.clock(), 0)):
            sentinels.remove(sentinel)  # type: ignore[arg-type]


def limit_threads(processes: int) -> None:
    """Have the numeric libraries of the children use their share of the cores, unless the user has decided that."""
    share = str(max(1, (os.cpu_count() or 1) // max(processes, 1)))
    for name in THREADS:
        os.environ.setdefault(name, share)


def _child(link: Connection, output: Connection, config: ChildConfig, parent: int) -> None:
    """The first function that runs in a child."""
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the controller, which ends the children
    sys.stdout.flush()
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
    output.close()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sock = socket.socket(fileno=os.dup(link.fileno()))
    link.close()
    serve_until_lost(sock, config)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies; where it cannot, the end of the pipe will do."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before
        os._exit(1)
