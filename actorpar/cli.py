"""The command line: `actorpar COMMAND …`. The module of a command is imported only when the command is chosen."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from . import __version__

#: command: (module that offers `add_arguments(parser)` and `main(args) -> int`, what it does)
COMMANDS = {
    "run": ("launch.run", "run a program: in this process, on more nodes of this host, together with other hosts"),
    "node": ("launch.node", "serve: run what other nodes start here"),
    "key": ("nodes.security.command", "make the keys with which nodes of several hosts know each other"),
    "fetch": ("fetch.command", "download files: many at once, in segments, resumable"),
    "demo": ("fetch.demo", "serve a made-up site on loopback, fetch it and verify every byte"),
    "top": ("observe.top", "look at a running system: actors, mailboxes, rates, restarts, waits, deadlock suspects"),
    "bench": ("bench", "measure channels, processes and select against their peers"),
    "doctor": ("doctor", "tell what this installation can use: loop, run queue, limits"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. 2: the arguments are wrong; 130: Ctrl-C before the command began."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        args = _parser(arguments).parse_args(arguments)
        code: int = args.main(args)
        return code
    except KeyboardInterrupt:
        print("actorpar: interrupted", file=sys.stderr)
        return 130


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser, with the options of the command that the arguments name."""
    parser = argparse.ArgumentParser(prog="actorpar", description="Actors and CSP channels on asyncio.")
    parser.add_argument("--version", action="version", version=f"actorpar {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    for name, (module, about) in COMMANDS.items():
        command = commands.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")
        if name == chosen:
            loaded = import_module(f"{__package__}.{module}")
            loaded.add_arguments(command)
            command.set_defaults(main=loaded.main)
    return parser


if __name__ == "__main__":
    sys.exit(main())
