"""A program on the ranks of MPI, as the launcher of the site has started them: one rank runs `main`, the others serve.

Invariants
- When `main` begins, all ranks are linked.
- A rank whose program fails says why and ends the job at once, with its exit code, whatever other threads do: without
  that the other ranks would wait for it for ever.
- Where nothing failed all ranks end together, also after Ctrl-C and SIGTERM, whose blocks end first.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine
from typing import Any

from ..nodes.errors import MpiError
from ..nodes.link import Link
from ..nodes.mpi import world as mpi
from ..nodes.mpi.ranks import Ranks
from ..nodes.node import Node
from ..remote import runtime
from ..running import Terminated, run
from . import cores
from .application import AppError, Application
from .serving import serve

logger = logging.getLogger("actorpar.launch")

#: The label of the ranks that serve.
WORKER = "worker"


def main(options: argparse.Namespace) -> int:
    """Run the program on this rank; its exit code. It does not return where it ends the job."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # it goes through the launcher's pipe
    try:
        world = mpi.start(os.environ)
    except MpiError as error:
        print(f"actorpar: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    code = 0
    try:
        run(lambda: _ranked(world, options))
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except Terminated as end:
        code = int(end.code or 0)
    except BaseException as failure:
        world.abort(_explain(world, failure))
    return code


def _explain(world: mpi.World, failure: BaseException) -> int:
    """Say why the job ends; the exit code."""
    who = f"actorpar: rank {world.rank} of {world.size}"
    if isinstance(failure, SystemExit):
        code = failure.code if isinstance(failure.code, int) else 1
        if not isinstance(failure.code, int | None):
            print(failure.code, file=sys.stderr)
        print(f"{who} has called sys.exit({failure.code!r}), and the job ends", file=sys.stderr)
        return code
    if isinstance(failure, AppError):
        print(f"actorpar: AppError: {failure}", file=sys.stderr)
    else:
        traceback.print_exception(failure)
        print(f"{who} has failed, and the job ends", file=sys.stderr)
    return 1


async def _ranked(world: mpi.World, options: argparse.Namespace) -> None:
    application = Application.parse(options.app)
    leads = world.rank == 0 or options.spmd
    os.environ.update(cores.bounds(world.size, os.environ))  # before the program loads what reads it
    program = application.load()
    labels = (*options.label, *(() if leads else (WORKER,)))
    node = Node(f"rank-{world.rank}", labels=labels, app=application.fingerprint(), down_after=options.down_after)
    ranks = Ranks(world, node, route="socket" if options.supervised else os.environ.get("ACTORPAR_MPI_ROUTE", "auto"))
    try:
        await (_lead(node, application, program, ranks) if leads else _follow(node, application, ranks))
    except (KeyboardInterrupt, asyncio.CancelledError):
        await _end(world, node, ranks)
        raise
    except SystemExit as request:
        if request.code:
            world.abort(_explain(world, request))
    except BaseException as failure:
        world.abort(_explain(world, failure))
    await _end(world, node, ranks)


async def _lead(
    node: Node, application: Application, program: Callable[[], Coroutine[Any, Any, object]], ranks: Ranks
) -> None:
    await ranks.link()
    runtime.provide(node, application.modules())
    try:
        await program()
    finally:
        runtime.provide(None, ())


async def _follow(node: Node, application: Application, ranks: Ranks) -> None:
    """Serve until rank 0 leaves. A Ctrl-C is for rank 0, which then ends the others."""
    signal.signal(signal.SIGINT, lambda *_: None)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")  # unless the program has its own

    async def link() -> list[Link]:
        await ranks.link()
        return [link for link in node.links.values() if link.name == "rank-0"]

    await serve(node, application, link)


async def _end(world: mpi.World, node: Node, ranks: Ranks) -> None:
    await node.close()
    together = await ranks.end()
    if not together and not ranks.lost:
        logger.error("rank %d has waited in vain for the other ranks to end, and ends the job", world.rank)
        world.abort(1)
    if together:
        world.end()
