"""`actorpar demo`: a web server of its own, a site of a few hundred MiB, fetched and verified byte by byte.

The server is another operating-system process on loopback; the files come through the very command `actorpar fetch`.
Nothing is believed: every file is read back from the disk and its SHA-256 compared with that of the made-up original.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.console import Console

from . import command
from .demo_server import DemoFile, demo_files

SEED = 1
MIB = 1024 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `actorpar demo`."""
    parser.add_argument(
        "--mib", type=_mebibytes, default=300, metavar="N", help="size of the site in MiB (default: 300)"
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the files in DIR (default: a temporary folder)")


def main(args: argparse.Namespace) -> int:
    """Run the demo; 0 if every file arrived identical, else the exit code of the fetch, or 1 for a difference."""
    try:
        return _demo(args, Console(highlight=False, soft_wrap=True))
    except KeyboardInterrupt:
        return command.INTERRUPTED


def _demo(args: argparse.Namespace, console: Console) -> int:
    files = demo_files(SEED, args.mib)
    with _serving(args.mib) as root, tempfile.TemporaryDirectory(prefix="actorpar-demo-") as scratch:
        target = args.keep or Path(scratch, "files")
        console.print(f"A site of {len(files)} files, {args.mib} MiB, at {root}/ in a process of its own.")
        code, report = _fetch(files, root, target, Path(scratch))
        if code:
            return code  # the fetch has said why
        wrong = [file.path for file in files if not _identical(file, target)]
        console.print(*_verdict(files, report, wrong), sep="\n")
        if args.keep:
            console.print(f"The files are in {target}", markup=False)
    return 1 if wrong else 0


def _mebibytes(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


@contextlib.contextmanager
def _serving(mib: int) -> Iterator[str]:
    """A running demo server; yields its root URL. It ends with its standard input, so it never outlives us."""
    server = subprocess.Popen(
        [sys.executable, "-m", f"{__package__}.demo_server", str(SEED), str(mib)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the demo, which drains first and then closes the pipe
    )
    with server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        if not port:
            raise RuntimeError("the demo server did not start; its own message stands above")
        yield f"http://127.0.0.1:{port}"


def _fetch(files: list[DemoFile], root: str, target: Path, scratch: Path) -> tuple[int, dict[str, Any]]:
    """Run `actorpar fetch -i LIST -o TARGET …`; its exit code and its report."""
    # The largest last: connections that no file waits for then bring further ranges of it.
    lines = (
        f"{root}{quote(file.path)} out={quote(file.path[1:])}\n" for file in sorted(files, key=lambda file: file.size)
    )
    (scratch / "list.txt").write_text("".join(lines))
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    arguments = ["-i", str(scratch / "list.txt"), "-o", str(target), "--min-split", "4M", "--stats"]
    arguments += ["--json", str(scratch / "report.json")]
    code = command.main(parser.parse_args(arguments))
    return code, json.loads((scratch / "report.json").read_text())


def _identical(file: DemoFile, target: Path) -> bool:
    try:
        with open(target / file.path[1:], "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256()
    except OSError:
        return False


def _verdict(files: list[DemoFile], report: dict[str, Any], wrong: list[str]) -> Iterator[str]:
    summary = report["summary"]
    mib, seconds = summary["bytes"] / MIB, summary["seconds"]
    rate = mib / seconds
    divided = [record["segments"] for record in report["files"] if record["segments"] > 1]
    yield f"{summary['done']} of {len(files)} files, {mib:.0f} MiB in {seconds:.1f} s, [bold]{rate:.0f} MiB/s[/]"
    yield f"{len(divided)} of them in parallel segments, over up to {max(divided, default=1)} connections each"
    for path in wrong[:10]:
        yield f"[red]differs or is missing:[/] {path}"
    yield f"[red]{len(wrong)} files are not identical[/]" if wrong else "[green]every file is identical (SHA-256)[/]"
