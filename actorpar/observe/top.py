"""`actorpar top`: look at a running system through its control socket: nodes, actors, mailboxes, rates, waits.

A program has a control socket if it was started with ACTORPAR_CONTROL=1, or made its system with `control=True`.
Exit code 0; 1 if there is no such system, or it does not answer; 2 if there are several and none was chosen.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Final

from ..channels import env
from . import view
from .client import Client
from .snapshot import SystemSnapshot
from .sockets import ControlError, parent, running

#: Seconds between two pictures, and between the snapshots of which `--once` takes its rates.
SECONDS: Final = 1.0
ONCE_SECONDS: Final = 0.25

NONE: Final = (
    "no actor system with a control socket runs; start the program with ACTORPAR_CONTROL=1, or make its system with "
    "ActorSystem(control=True)"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("target", nargs="?", metavar="PID|SOCKET", help="which system, if several run")
    parser.add_argument("--once", action="store_true", help="print one picture as plain text and exit")
    parser.add_argument("--json", action="store_true", help="print one snapshot as JSON and exit")
    parser.add_argument("--sort", choices=view.ORDERS, default="tree", help="order of the actors (tree)")


def main(args: argparse.Namespace) -> int:
    """Run the command."""
    try:
        path = _chosen(args.target)
        if path is None:
            return 2
        status = asyncio.run(_look(path, args))
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:  # how one leaves it
        return 0
    except BrokenPipeError:  # whoever read has read enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what the interpreter flushes at its end
        return 0
    except ControlError as error:
        print(f"actorpar top: {error}", file=sys.stderr)
        return 1


def _chosen(target: str | None) -> Path | None:
    """The socket to look at; None if there are several, which are listed."""
    if target is not None and not target.isdecimal():
        return Path(target)
    found = running()
    if target is not None:
        found = [entry for entry in found if entry[1] == int(target)]
        if not found:
            raise ControlError(f"process {target} has no control socket, or is not yours")
    if not found:
        raise ControlError(NONE)
    if len(found) > 1:  # a controller and its child nodes: it shows them all
        found = [entry for entry in found if parent(entry[1]) not in {pid for _, pid, _ in found}]
    if len(found) == 1:
        return found[0][0]
    print("several systems run; choose one by its process id or its socket:", file=sys.stderr)
    for path, pid, name in found:
        print(f"  {pid}  {name}  {path}", file=sys.stderr)
    return None


async def _look(path: Path, args: argparse.Namespace) -> int:
    async with Client(path) as client:
        if args.json:
            print(json.dumps((await _snapshots(client, 1))[-1], indent=2))
        elif args.once:
            before, now = await _snapshots(client, 2)
            print(view.as_text(now, before, args.sort))
        else:
            await _watch(client, args.sort)
    return 0


async def _snapshots(client: Client, count: int) -> list[SystemSnapshot]:
    """So many snapshots with the figures of all nodes, for which the others are asked by the one before."""
    found = [await client.snapshot()]
    while len(found) < count + (len(found[0]["nodes"]) > 1):
        await env.sleep(ONCE_SECONDS)
        found.append(await client.snapshot())
    return found[-count:]


async def _watch(client: Client, order: str) -> None:
    """Show the system until it ends, or Ctrl-C."""
    from rich.console import Console
    from rich.live import Live

    console = Console()
    before = None
    with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
        while True:
            now = await client.snapshot()
            live.update(view.as_table(now, before, order, console.height, console.width), refresh=True)
            before = now
            await env.sleep(SECONDS)
