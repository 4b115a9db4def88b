"""What the user sees: bars on a terminal, plain lines elsewhere; always on standard error.

Bars show the run as a whole and a few large files at work, whatever the length of the list.
"""

from __future__ import annotations

import sys
from typing import IO, TYPE_CHECKING, Any

import actorpar as ap
from actorpar.channels import env

from .job import Outcome

if TYPE_CHECKING:
    from .run import Run

_BARS = 8
_BAR_SECONDS = 0.25
_LINE_SECONDS = 5.0


def human(size: float) -> str:
    """A size for people: 1.5 MiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


class Display:
    """Lines and bars; `verbosity` is -1 (errors only), 0 or 1 (a line for every file).

    What a dry run would do goes to `out`.
    """

    def __init__(self, verbosity: int, dry_run: bool, out: IO[str]) -> None:
        self._out = out
        self._verbosity = verbosity
        self._dry_run = dry_run
        self._over = 0
        self._failed = 0
        self._live: Any = None
        self.bars = verbosity >= 0 and sys.stderr.isatty() and not dry_run

    def show(self, outcome: Outcome) -> None:
        """A file is over."""
        self._over += 1
        self._failed += outcome.status == "failed"
        if outcome.error is not None and outcome.status == "failed":
            self.line(f"failed  {outcome.job.urls[0]}: {outcome.error}")
        elif self._dry_run:
            size = human(outcome.total) if outcome.total is not None else "unknown size"
            action = "skip " if outcome.status == "skipped" else "fetch"
            self._out.write(f"{action}  {outcome.job.urls[0]}  {size}  -> {outcome.path}\n")
        elif self._verbosity > 0:
            self.line(f"{outcome.status:7} {outcome.path}  {human(outcome.total or 0)}  {outcome.seconds:.2f} s")

    def line(self, text: str) -> None:
        """One line, above the bars if there are any."""
        printable = "".join(character if character.isprintable() else "?" for character in text)
        if self._live is not None:
            self._live.console.print(printable, markup=False, highlight=False, soft_wrap=True)
        else:
            sys.stderr.write(printable + "\n")

    def summary(self, summary: dict[str, Any], *, interrupted: bool) -> None:
        """The last words."""
        for row in summary["channels"]:
            self.line(
                f"{row['name']:12} capacity {row['capacity']:>5g}  peak {row['peak']:>5g}"
                f"  senders blocked {row['sender_blocked']:9.3f} s  receivers blocked {row['receiver_blocked']:9.3f} s"
            )
        if self._verbosity < 0:
            return
        statuses = ("done", "skipped", "planned", "failed", "interrupted")
        counts = ", ".join(f"{summary[status]} {status}" for status in statuses if summary[status])
        rate = human(summary["bytes"] / max(summary["seconds"], 1e-3))
        self.line(f"{counts or 'nothing done'}; {human(summary['bytes'])} in {summary['seconds']:.1f} s, {rate}/s")
        if interrupted:
            self.line("interrupted: run the same command again, and it goes on where it was")

    async def follow(self, run: Run) -> None:
        """The process: draws until it is cancelled."""
        if self.bars:
            await self._draw(run)
        elif self._verbosity >= 0:
            before, at = 0, env.clock()
            async for _ in ap.tick(_LINE_SECONDS):
                received, now = run.meter.received, env.clock()
                rate = human((received - before) / (now - at))
                self.line(f"{self._over} files, {self._failed} failed, {human(received)}, {rate}/s")
                before, at = received, now

    async def _draw(self, run: Run) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        name = TextColumn("{task.description}", markup=False)
        columns = (name, BarColumn(), DownloadColumn(binary_units=True), TransferSpeedColumn())
        with Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True) as live:
            self._live = live
            whole = live.add_task("", total=None)
            tasks: dict[str, Any] = {}
            try:
                async for _ in ap.tick(_BAR_SECONDS):
                    failed = f", {self._failed} failed" if self._failed else ""
                    live.update(whole, description=f"{self._over} files{failed}", completed=run.meter.received)
                    self._draw_files(run, live, tasks)
                    live.refresh()
            finally:
                self._live = None

    def _draw_files(self, run: Run, live: Any, tasks: dict[str, Any]) -> None:
        shown = dict(list(run.transfers.items())[:_BARS])
        for name in [name for name in tasks if name not in shown]:
            live.remove_task(tasks.pop(name))
        for name, transfer in shown.items():
            if name not in tasks:
                tasks[name] = live.add_task(name[-40:], total=transfer.plan.total)
            live.update(tasks[name], completed=transfer.plan.total - transfer.plan.missing)
