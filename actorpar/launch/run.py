"""`actorpar run`: the same program on one process, on several, and together with nodes on other hosts."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile

from ..nodes.node import Node
from ..remote import runtime
from .application import Application
from .children import Children
from .options import add_common, make_node, run_to_code


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_common(parser)
    parser.add_argument("--nodes", type=int, default=0, metavar="N", help="start N more nodes on this host")


def main(options: argparse.Namespace) -> int:
    """Run the program as the controller of its nodes; the exit code."""

    async def controlled() -> None:
        application = Application.parse(options.app)
        program = application.load()
        with tempfile.TemporaryDirectory(prefix="actorpar-") as folder:
            node = make_node(options, application, "controller")
            children = Children(node, application, runtime_dir=folder)
            try:
                await _link(node, options)
                if options.nodes:
                    await node.listen(f"unix:{folder}/controller.sock")
                    await children.start(options.nodes)
                runtime.provide(node, application.modules())
                await program()
            finally:
                runtime.provide(None, ())
                await node.close()
                await children.end()

    return run_to_code(controlled)


async def _link(node: Node, options: argparse.Namespace) -> None:
    for where in options.listen:
        listener = await node.listen(where)
        print(f"{node.name} listens at {listener.address}", file=sys.stderr, flush=True)
    await asyncio.gather(*(node.join(where) for where in options.join))
