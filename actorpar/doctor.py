"""`actorpar doctor`: tell what this installation can use: event loop, run queue, limits, keys, MPI, devices, packages.

Everything is looked at without importing it, so that a broken package cannot break the command that should tell so;
devices are looked for by other processes, for which it waits a while.
Exit code 0, or 1 when something that actorpar needs is missing.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import sys
from collections.abc import Iterator, Mapping

from . import __version__, machine
from .gpu.finding import available
from .machine import Finding

#: Packages that come with actorpar, and those of extras and of later releases; what each is for.
REQUIRED = {
    "aiohttp": "fetch",
    "msgpack": "messages between nodes",
    "msgspec": "typed messages between nodes",
    "prometheus-client": "metrics",
    "rich": "progress and tables",
}
OPTIONAL = {
    "cryptography": "certificates of nodes, actorpar[keys]",
    "opentelemetry-api": "spans, actorpar[otel]",
    "mpi4py": "ranks of MPI as nodes, actorpar[mpi]",
    "pycuda": "devices of CUDA, actorpar[cuda]",
    "pyopencl": "devices of OpenCL, actorpar[opencl]",
}
#: Seconds that a driver has to say what it has.
PATIENCE = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--plain", action="store_true", help="plain lines, also on a terminal")


def main(args: argparse.Namespace) -> int:
    """Print the report, as a table on a terminal and as plain lines elsewhere; 1 if something needed is missing."""
    findings = list(examine(os.environ))
    if args.plain or not sys.stdout.isatty() or importlib.util.find_spec("rich") is None:
        print(as_lines(findings))
    else:
        print_table(findings)
    return 1 if any(finding.status == "missing" for finding in findings) else 0


def examine(environment: Mapping[str, str]) -> Iterator[Finding]:
    """All findings, in the order of the report."""
    yield Finding("actorpar", __version__)
    yield Finding("python", f"{platform.python_version()} ({platform.python_implementation()}, {sys.platform})")
    yield event_loop()
    yield run_queue()
    yield machine.open_files()
    yield machine.processes()
    yield machine.cores(environment)
    yield machine.shared_memory()
    yield machine.tls()
    yield machine.mpi(environment)
    yield from machine.devices(environment, available(patience=PATIENCE))
    for name, purpose in REQUIRED.items():
        yield package(name, purpose, "missing")
    for name, purpose in OPTIONAL.items():
        yield package(name, purpose, "absent")


def event_loop() -> Finding:
    """Which event loop `ap.run` uses."""
    version = installed("uvloop")
    if version is not None:
        return Finding("loop", f"uvloop {version}")
    if sys.platform == "win32":
        return Finding("loop", "asyncio's own: there is no uvloop for Windows")
    return Finding("loop", "asyncio's own: uvloop is not installed (pip install uvloop)", "note")


def run_queue() -> Finding:
    """Whether processes run on the run queue, and why not if they do not."""
    from .channels import env
    from .channels.runqueue import is_active

    if not is_active():
        text = f"fallback to asyncio tasks: Python {platform.python_version()} does not show its table of current tasks"
        return Finding("run queue", text, "note")
    if env.plain_tasks:
        return Finding("run queue", "fallback to asyncio tasks: env.plain_tasks is set", "note")
    return Finding("run queue", "active")


def package(name: str, purpose: str, absent: str) -> Finding:
    """The version of a package; `absent` is the status if it is not there."""
    version = installed(name)
    if version is None:
        return Finding(name, f"not installed ({purpose})", absent)
    return Finding(name, version)


def installed(name: str) -> str | None:
    """The version of an installed distribution, without importing it."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def as_lines(findings: list[Finding]) -> str:
    """One line for each finding: `subject: text`, marked if it is worth a look."""
    return "\n".join(
        f"{finding.subject}: {finding.text}" + (f" [{finding.status}]" if finding.status in ("note", "missing") else "")
        for finding in findings
    )


def print_table(findings: list[Finding]) -> None:
    """Print the findings as a table for people."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    styles = {"ok": "green", "note": "yellow", "absent": "dim", "missing": "bold red"}
    table = Table(box=None, show_header=False, padding=(0, 1))
    for finding in findings:
        table.add_row(Text(finding.status, styles[finding.status]), finding.subject, Text(finding.text))
    Console().print(table)
