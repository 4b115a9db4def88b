"""`actorpar key`: make the keys of nodes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import KeyRefused
from . import authority, keys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    what = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    new = what.add_parser("new", help="one key for all nodes; Python 3.13 or later on each of them")
    new.add_argument("file", nargs="?", default="actorpar.key", help="where to write it, for its user alone")
    certs = what.add_parser("certs", help="a private authority and a certificate for each node; any Python")
    certs.add_argument("folder", help="where the authority is kept; its ca.key stays there")
    certs.add_argument("name", nargs="+", help="a node; its credentials are in FOLDER/NAME")


def main(options: argparse.Namespace) -> int:
    """Make keys; the exit code."""
    try:
        if options.what == "new":
            keys.new(Path(options.file))
            print(f"{options.file}: copy it to every host, and name it by --key or ACTORPAR_KEY_FILE")
        else:
            for folder in authority.make(Path(options.folder), options.name):
                print(f"{folder}: copy it to that host, and name it by --key or ACTORPAR_KEY_FILE")
    except KeyRefused as error:
        print(f"actorpar: {error}", file=sys.stderr)
        return 1
    return 0
