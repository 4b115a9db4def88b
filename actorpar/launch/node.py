"""`actorpar node`: a node that serves others, on this host or another one."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
from collections.abc import Coroutine
from typing import Any

from ..gpu.ending import belong_to
from . import cores, devices
from .application import Application
from .options import add_common, make_node, run_to_code
from .serving import joined, serve


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_common(parser)
    device = "the device that it is for, which gives it the labels gpu and cuda or opencl"
    parser.add_argument("--device", type=devices.one, metavar="cuda:0", help=device)
    parser.add_argument(
        "--until-eof", action="store_true", help="end when standard input does: when whoever has started it is gone"
    )


def main(options: argparse.Namespace) -> int:
    """Serve other nodes with the program's functions and actors; the exit code."""

    async def served() -> None:
        application = Application.parse(options.app)
        if options.device:
            _take(options)
        os.environ.update(cores.bounds(1, os.environ))  # before the program loads what reads it
        application.load()
        # Unless the program has its own.
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
        async with make_node(options, application) as node:
            for where in options.listen:
                listener = await node.listen(where)
                print(f"{node.name} listens at {listener.address}", flush=True)
            serving = serve(node, application, lambda: joined(node, options.join))
            await (_until_eof(serving) if options.until_eof else serving)

    return run_to_code(served)


def _take(options: argparse.Namespace) -> None:
    """Be the node for its device. NoDevice."""
    spec = devices.find(options.device)
    os.environ.update(spec.environment)
    options.label += spec.labels
    belong_to(spec.device)


async def _until_eof(serving: Coroutine[Any, Any, None]) -> None:
    """Serve until that ends, or standard input does."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(serving)

    def readable() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            task.cancel()

    loop.add_reader(0, readable)
    try:
        await asyncio.wait((task,))
    finally:
        loop.remove_reader(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if not task.cancelled():
        task.result()
