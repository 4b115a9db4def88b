"""`actorpar run`: the same program on one process, on several, and together with nodes on other hosts."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from ..channels.errors import ActorparError
from ..nodes.mpi.launchers import launch_in
from ..nodes.node import Node
from ..remote import runtime
from . import config, cores, devices
from .application import Application
from .children import Children
from .hosts import Hosts
from .mpiexec import start_ranks
from .options import WORKER, add_common, count, make_node, run_to_code
from .output import Output
from .specs import equal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_common(parser)
    more = f"start N more nodes on this host, with the label {WORKER}"
    parser.add_argument("--nodes", type=count, default=0, metavar="N", help=more)
    each = "start one more node for each device: all of CUDA, N of them, those of OpenCL, or those that are named"
    parser.add_argument("--gpus", type=devices.wanted, metavar="all|N|opencl|cuda:0,…", help=each)
    parser.add_argument("--config", metavar="FILE", help="start the nodes that this nodes.toml names, on their hosts")
    parser.add_argument("--mpi", type=count, default=0, metavar="N", help="start it by mpiexec on N ranks of this host")
    parser.add_argument("--spmd", action="store_true", help="under MPI: run `main` on every rank, not on rank 0 alone")
    parser.add_argument(
        "--supervised", action="store_true", help="under Open MPI with ULFM: a rank that dies does not end the job"
    )


def main(options: argparse.Namespace) -> int:
    """Run the program as the controller of its nodes, or as a rank of MPI; the exit code."""
    launched = launch_in(os.environ)
    if options.mpi and launched is None:
        return start_ranks(options)
    if launched is not None or options.spmd or options.supervised:
        from . import ranked

        return ranked.main(options)
    return run_to_code(lambda: _controlled(options))


async def _controlled(options: argparse.Namespace) -> None:
    application = Application.parse(options.app)
    hosts = _read_config(options)
    nodes = [*equal(options.nodes, (WORKER,)), *(devices.plan(options.gpus) if options.gpus else ())]
    if nodes:
        os.environ.update(cores.bounds(len(nodes), os.environ))  # before the program loads what reads it
    program = application.load()
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="actorpar-"))
        output = Output()
        stack.push_async_callback(output.close)
        node = make_node(options, application, f"controller-{os.getpid()}")
        children = Children(node, application, output, runtime_dir=folder)
        stack.push_async_callback(children.end)
        others = Hosts(node, application, hosts, output) if hosts is not None else None
        if others is not None:
            stack.push_async_callback(others.end)
        stack.push_async_callback(node.close)
        await _link(node, options)
        if nodes:
            await node.listen(f"unix:{folder}/controller.sock")
            await children.start(nodes)
        if others is not None:
            await others.start()
        runtime.provide(node, application.modules())
        stack.callback(runtime.provide, None, ())
        await _run_program(program)


def _read_config(options: argparse.Namespace) -> config.Config | None:
    if not options.config:
        return None
    found = config.read(Path(options.config))
    options.key = options.key or found.key
    options.listen += found.listen
    if found.down_after is not None:
        options.down_after = found.down_after
    return found


async def _link(node: Node, options: argparse.Namespace) -> None:
    for where in options.listen:
        listener = await node.listen(where)
        print(f"{node.name} listens at {listener.address}", file=sys.stderr, flush=True)
    await asyncio.gather(*(node.join(where) for where in options.join))


async def _run_program(program: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """What the program raises is shown with its stack, as Python would, whatever it is."""
    try:
        await program()
    except ActorparError:
        traceback.print_exc()
        raise SystemExit(1) from None
