"""`actorpar node`: a node that serves others, on this host or another one."""

from __future__ import annotations

import argparse
import logging

from .application import Application
from .options import add_common, make_node, run_to_code
from .serving import serve


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_common(parser)


def main(options: argparse.Namespace) -> int:
    """Serve other nodes with the program's functions and actors; the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")

    async def served() -> None:
        application = Application.parse(options.app)
        application.load()
        async with make_node(options, application) as node:
            for where in options.listen:
                listener = await node.listen(where)
                print(f"{node.name} listens at {listener.address}", flush=True)
            await serve(node, application, join=options.join[0] if options.join else "")

    return run_to_code(served)
