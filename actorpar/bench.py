"""`actorpar bench`: measure this checkout against its peers.

The harness lives beside the tests, not in the installed package: it needs the peers (extra `bench`), and its figures
mean something only next to the source they belong to. This module declares the options and finds it.
"""

import argparse
import importlib
import sys
from pathlib import Path

HARNESS = Path("tests", "bench", "command.py")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        "--only",
        metavar="PATTERN",
        action="append",
        help="only groups whose name contains PATTERN (* and ? allowed); may be given several times",
    )
    parser.add_argument("--repeats", type=_at_least_one, help="repeats of every case (default 7; 3 with --quick)")
    parser.add_argument(
        "--quick", action="store_true", help="a fifth of the items, three repeats: a first look, not a result"
    )
    parser.add_argument(
        "--loop", choices=["default", "uvloop", "both"], default="both", help="event loop (default: both)"
    )
    parser.add_argument(
        "--json",
        metavar="FILE",
        type=Path,
        default=Path("actorpar-bench.json"),
        help="every sample (default %(default)s)",
    )
    parser.add_argument(
        "--plot",
        metavar="FILE",
        type=Path,
        default=Path("actorpar-bench.png"),
        help="PNG, SVG or PDF (default %(default)s)",
    )
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="also write the tables as Markdown")


def main(args: argparse.Namespace) -> int:
    """Run the harness of the checkout that this package, or else the current directory, belongs to; 2 without one."""
    places = (Path(__file__).resolve().parent.parent, Path.cwd())
    checkout = next((place for place in places if (place / HARNESS).is_file()), None)
    if checkout is None:
        print(
            "actorpar bench runs from a source checkout: its harness and the peers it measures are not part of the\n"
            "installed package. Clone the repository, then in it:\n"
            "    pip install -e '.[bench]'\n"
            "    actorpar bench --quick",
            file=sys.stderr,
        )
        return 2
    sys.path.insert(0, str(checkout))
    status: int = importlib.import_module("tests.bench.command").run(args)
    return status


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
