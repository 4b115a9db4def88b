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
from ..nodes.mpi.launchers import survives
from ..nodes.mpi.ranks import Ranks
from ..nodes.node import Node
from ..remote import runtime
from ..running import run_or
from . import cores
from .application import AppError, Application
from .options import WORKER
from .serving import serve

logger = logging.getLogger("actorpar.launch")


def main(options: argparse.Namespace) -> int:
    """Run the program on this rank; its exit code. It does not return where it ends the job."""
    for stream in (sys.stdout, sys.stderr):  # through the launcher's pipes, where lines of ranks must not mix
        stream.reconfigure(line_buffering=True, write_through=False)  # type: ignore[union-attr]
    try:
        _check(options)
        world = mpi.start(os.environ)
        if options.supervised and not survives(os.environ, world.library):
            raise MpiError(
                f"--supervised needs Open MPI started by mpiexec --with-ft ulfm, and this is {world.library}"
            )
    except MpiError as error:
        print(f"actorpar: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    try:
        run_or(lambda: _ranked(world, options), lambda failure: _end_job(world, failure))
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except SystemExit as end:  # of 0, or after SIGTERM: all others end the job
        return int(end.code or 0)
    return 0


def _check(options: argparse.Namespace) -> None:
    """MpiError for what the launcher of the ranks has decided already."""
    names = ("name", "listen", "join", "key", "nodes", "gpus", "config")
    given = [f"--{name}" for name in names if getattr(options, name)]
    if given:
        raise MpiError(
            f"{', '.join(given)} cannot be given to ranks of MPI: their launcher says how many there are, and they are "
            "linked and named by their ranks"
        )


def _end_job(world: mpi.World, failure: BaseException) -> None:
    """Say why, and end all ranks at once. It returns only after a sys.exit of 0, which is none."""
    if not isinstance(failure, SystemExit) or failure.code:
        world.abort(_explain(world, failure))


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
    route = os.environ.get("ACTORPAR_MPI_ROUTE", "auto")
    ranks = Ranks(world, node, route=route, supervised=options.supervised)
    try:
        await (_lead(node, application, program, ranks) if leads else _follow(node, application, ranks))
    except asyncio.CancelledError as cancelled:
        if not _is_asked_to_end():
            _end_job(world, cancelled)
        await _end(world, node, ranks)
        raise
    except BaseException as failure:
        _end_job(world, failure)
    await _end(world, node, ranks)


def _is_asked_to_end() -> bool:
    """True after Ctrl-C and SIGTERM. Otherwise what was awaited was cancelled elsewhere, and that is a failure."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


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
    if not together and not ranks.lost and not ranks.supervised:
        logger.error("rank %d has waited in vain for the other ranks to end, and ends the job", world.rank)
        world.abort(1)
    if together:
        world.end()
