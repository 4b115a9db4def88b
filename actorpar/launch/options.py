"""What `actorpar run` and `actorpar node` have in common: options, and the node that they make of this process."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from ..channels.errors import ActorparError
from ..nodes.errors import Fenced, KeyRefused
from ..nodes.node import Node
from ..nodes.protocol.handshake import NAME
from ..nodes.protocol.liveness import DOWN_AFTER
from ..running import run
from .application import Application

#: The label of the nodes, and of the ranks, that the launcher has started to serve.
WORKER: Final = "worker"


def add_common(parser: argparse.ArgumentParser) -> None:
    """The options of both commands."""
    parser.add_argument("app", metavar="FILE[:NAME]", help="the program; its coroutine function `main`, or NAME")
    parser.add_argument("--name", type=_name, help="what this node is called")
    parser.add_argument("--label", action="append", default=[], help="a label for placement; may be repeated")
    parser.add_argument(
        "--listen", action="append", default=[], metavar="ADDRESS", help="unix:/path or tcp://host:port"
    )
    parser.add_argument("--join", action="append", default=[], metavar="ADDRESS", help="link to the node there")
    parser.add_argument("--key", metavar="FILE", help="the key of the nodes; or ACTORPAR_KEY_FILE")
    parser.add_argument("--down-after", type=seconds, default=DOWN_AFTER, metavar="S", help="silence that ends a node")


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name: up to 200 letters, digits and _ . : / -")
    return text


def seconds(text: str) -> float:
    """A time that is longer than none."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return value


def count(text: str) -> int:
    """A number that is not negative."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of nodes")
    return int(text)


def make_node(options: argparse.Namespace, application: Application, default: str | None = None) -> Node:
    """The node of this process, as the options say; by default it is called as its certificate says. KeyRefused."""
    credentials = None
    path = options.key or os.environ.get("ACTORPAR_KEY_FILE")
    if path:
        from ..nodes.security import tls

        credentials = tls.load(Path(path))
        if options.name and credentials.name not in ("", options.name):
            raise KeyRefused(f"{path} is for the node {credentials.name}, and this one is called {options.name}")
    name = options.name or (credentials and credentials.name) or default
    return Node(
        name, labels=options.label, app=application.fingerprint(), credentials=credentials,
        down_after=options.down_after,
    )  # fmt: skip


def run_to_code(main: Callable[[], Coroutine[Any, Any, object]]) -> int:
    """Run a coroutine function as the program, and return the exit code.

    Errors of actorpar are one line, for they are about what the user has asked for. Those of the program itself do not
    come here as such: see `launch.run`. A node that was fenced ends with 75 (EX_TEMPFAIL): it is to be started anew.
    """
    try:
        run(main)
    except ActorparError as error:
        print(f"actorpar: {type(error).__name__}: {error}", file=sys.stderr)
        return os.EX_TEMPFAIL if isinstance(error, Fenced) else 1
    return 0
