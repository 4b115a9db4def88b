"""The command `actorpar fetch`: its options, and its exit code (docs/fetch.md)."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .errors import FetchError, InvalidOption
from .options import Options, parse_header, parse_size
from .retry import RetryPolicy

if TYPE_CHECKING:
    from .source import Entry, Inputs

INTERRUPTED = 7


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `actorpar fetch`."""
    defaults = Options()
    parser.set_defaults(refuse=parser.error)
    parser.description = "Fetch files over HTTP: many at once, in ranges, resumed, verified. See docs/fetch.md."
    add = parser.add_argument
    add("urls", nargs="*", metavar="URL", help="what to fetch; - reads a list from standard input")
    what = parser.add_argument_group("what")
    add = what.add_argument
    add("-i", "--input", action="append", default=[], metavar="FILE", help="a list, one file per line (- is stdin)")
    add("--retry-from", action="append", default=[], metavar="REPORT", help="what a --json report says is missing")
    add("--mirror", action="append", default=[], metavar="URL", help="a mirror of the one URL")
    add("--checksum", metavar="ALGORITHM:HEX", help="digest of the one URL's file")
    add("--follow", action="append", default=[], metavar="PATTERN", help="add matching links of HTML pages")
    where = parser.add_argument_group("where")
    add = where.add_argument
    add("-o", "--output-dir", default=".", metavar="DIR", help="where files go (default: here)")
    add("-O", "--output", metavar="NAME", help="name of the one file")
    add("--tree", action="store_true", help="keep the folders of the servers")
    add("--existing", choices=("number", "replace", "skip"), default=defaults.existing, help="(default: number)")
    add("--no-preallocate", action="store_true", help="do not reserve disk space")
    add("--fsync", choices=("none", "file", "end"), default=defaults.fsync, help="(default: none)")
    limits = parser.add_argument_group("limits")
    add = limits.add_argument
    add("-c", "--connections", type=int, default=defaults.connections, metavar="N", help="in all (default: 16)")
    add("-p", "--per-host", type=int, default=defaults.per_host, metavar="N", help="per host (default: 4)")
    add("-s", "--split", type=int, default=defaults.split, metavar="N", help="per file (default: 4)")
    add("--min-split", default="16M", metavar="SIZE", help="smallest range (default: 16M)")
    for name in ("max-rate", "host-rate", "min-rate", "disk-rate"):
        add(f"--{name}", metavar="RATE", help="bytes per second, such as 500K")
    add("--max-size", metavar="SIZE", help="refuse larger files")
    add("--max-expansion", type=float, default=defaults.max_expansion, metavar="N", help="of bodies (default: 100)")
    network = parser.add_argument_group("network")
    add = network.add_argument
    add("-t", "--tries", type=int, default=defaults.retry.tries, metavar="N", help="in a row (default: 5)")
    add("--retry-wait", type=float, default=defaults.retry.wait, metavar="SECONDS", help="first pause (default: 1)")
    add("--retry-wait-max", type=float, default=defaults.retry.wait_max, metavar="SECONDS", help="(default: 120)")
    add("--connect-timeout", type=float, default=defaults.connect_timeout, metavar="SECONDS", help="(default: 20)")
    add("--timeout", type=float, default=defaults.timeout, metavar="SECONDS", help="of silence (default: 60)")
    add("-H", "--header", action="append", default=[], metavar="'NAME: VALUE'", help="sent with every request")
    add("--proxy", metavar="URL", help="for all requests (default: from the environment)")
    add("--no-netrc", action="store_true", help="do not look for passwords in ~/.netrc")
    add("--max-redirects", type=int, default=defaults.max_redirects, metavar="N", help="(default: 10)")
    add("--allow-private", action="store_true", help="follow redirects to private addresses")
    output = parser.add_argument_group("output")
    add = output.add_argument
    add("--dry-run", action="store_true", help="only say what would be done")
    add("--json", metavar="FILE", help="write a report (- is stdout)")
    add("--stats", action="store_true", help="print the figures of every channel")
    add("-q", "--quiet", action="store_const", const=-1, default=0, dest="verbosity", help="only errors")
    add("-v", "--verbose", action="store_const", const=1, dest="verbosity", help="a line for every file")


def main(args: argparse.Namespace) -> int:
    """Run the command; its exit code. A wrong command line is refused by the parser, with usage and exit code 2."""
    try:
        options = options_of(args)
        inputs = _inputs_of(args)
    except FetchError as error:
        args.refuse(str(error))
        raise AssertionError("the parser exits") from error
    try:
        return _fetch(options, inputs, args)
    except FetchError as error:
        sys.stderr.write(f"actorpar fetch: {error}\n")
        return error.exit_code


def options_of(args: argparse.Namespace) -> Options:
    """The checked options; raises InvalidOption."""
    sizes = {
        name: parse_size(f"--{name.replace('_', '-')}", text) if (text := getattr(args, name)) is not None else None
        for name in ("max_rate", "host_rate", "min_rate", "disk_rate", "max_size", "min_split")
    }
    for name in ("connections", "per_host", "split", "tries", "timeout", "connect_timeout", "max_expansion"):
        if not getattr(args, name) > 0:
            raise InvalidOption(f"--{name.replace('_', '-')} must be greater than 0, not {getattr(args, name)}")
    for name in ("retry_wait", "retry_wait_max", "max_redirects"):
        if not getattr(args, name) >= 0:
            raise InvalidOption(f"--{name.replace('_', '-')} must not be negative, not {getattr(args, name)}")
    if args.proxy is not None and "://" not in args.proxy:
        raise InvalidOption(f"--proxy {args.proxy!r}: write a URL, such as http://proxy:3128")
    same = ("tree", "existing", "connections", "per_host", "split", "connect_timeout", "timeout", "proxy")
    more = ("max_redirects", "allow_private", "max_expansion", "fsync", "dry_run", "stats")
    given: dict[str, Any] = {name: getattr(args, name) for name in (*same, *more)}
    given.update(sizes)
    return Options(
        directory=os.path.abspath(args.output_dir),
        retry=RetryPolicy(args.tries, args.retry_wait, args.retry_wait_max),
        headers=tuple(parse_header(text) for text in args.header),
        netrc=not args.no_netrc,
        follow=tuple(args.follow),
        preallocate=not args.no_preallocate,
        **given,
    )


def _inputs_of(args: argparse.Namespace) -> Inputs:
    from .source import Inputs

    urls = [url for url in args.urls if url != "-"]
    lists = [*args.input, *("-" for url in args.urls if url == "-")]
    if not urls and not lists and not args.retry_from:
        raise InvalidOption("nothing to fetch: give a URL, a list with -i FILE, or - for standard input")
    if lists.count("-") > 1:
        raise InvalidOption("standard input can be read only once")
    for path in (*lists, *args.retry_from):
        if path != "-" and not os.access(path, os.R_OK):
            raise InvalidOption(f"cannot read {path!r}; give the path of a list that is there")
    return Inputs(tuple(_entries_of(urls, args)), tuple(lists), tuple(args.retry_from))


def _entries_of(urls: Sequence[str], args: argparse.Namespace) -> list[Entry]:
    from .job import Job
    from .lists import check_url, parse_checksum
    from .names import safe_path

    special = args.mirror or args.checksum or args.output
    if special and (len(urls) != 1 or args.input or args.retry_from or "-" in args.urls):
        raise InvalidOption("--mirror, --checksum and --output go with exactly one URL; a list has them in its lines")
    entries: list[Entry] = []
    for url in urls:
        try:
            entries.append(Job((check_url(url),)))
        except FetchError as error:
            entries.append((url, error))
    if special and isinstance(job := entries[0], Job):
        mirrors = tuple(check_url(url) for url in args.mirror)
        checksum = parse_checksum(args.checksum) if args.checksum else None
        name = safe_path(args.output) if args.output else ""
        entries[0] = Job(job.urls + mirrors, checksum=checksum, name=name, named=bool(name))
    return entries


def _fetch(options: Options, inputs: Inputs, args: argparse.Namespace) -> int:
    import actorpar as ap

    from .pipeline import fetch
    from .progress import Display
    from .report import Report

    display = Display(args.verbosity, options.dry_run, sys.stderr if args.json == "-" else sys.stdout)
    report = Report(args.json, display.show)

    async def whole() -> tuple[bool, list[dict[str, Any]]]:
        task = asyncio.current_task()
        if task is not None and hasattr(signal, "SIGTERM") and sys.platform != "win32":
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await fetch(options, inputs, report, display)

    finished, channels = ap.run(whole)
    code = report.exit_code if finished else report.exit_code or INTERRUPTED
    summary = report.summary(code, channels if options.stats else [])
    report.close(summary)
    display.summary(summary, interrupted=not finished)
    return code
