"""How far it is: a bar where somebody looks, a line for each picture where a log is written; and what it came to."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pictures import Written

import actorpar as ap


class Tally(NamedTuple):
    """What has come out so far."""

    pictures: int = 0
    left_out: int = 0
    read: int = 0  # bytes

    def summary(self, total: int, seconds: float) -> str:
        """The last line."""
        mebibytes = self.read / (1 << 20)
        left_out = f", {self.left_out} left out" if self.left_out else ""
        pace = f"{self.pictures / seconds:.1f} images/s, {mebibytes:.1f} MiB read, {mebibytes / seconds:.1f} MiB/s"
        return f"{self.pictures} of {total} pictures in {seconds:.2f} s{left_out}: {pace}"


def tell(text: str) -> None:
    """A line for whoever looks, above the bar if there is one."""
    print(text, file=sys.stderr, flush=True)


def told(letter: ap.DeadLetterItem) -> None:
    """A picture is left out, and why."""
    tell(f"left out by {letter.stage}: {letter.item.where}: {letter.error}")


def loads(view: ap.View, workers: dict[str, int], seconds: float) -> str:
    """What each stage did: its mean time for a picture, and how much of the time its workers had one in hand."""
    lines, busiest, most = ["stage    workers  done  skipped  again  per picture  busy"], "", 0.0
    for stage in view.stages:
        count = workers[stage.name]
        load = stage.seconds * (stage.done + stage.skipped) / (count * seconds)
        counts = f"{count:7}  {stage.done:4}  {stage.skipped:7}  {stage.retried:5}"
        lines.append(f"{stage.name:7}  {counts}  {stage.seconds * 1e3:8.1f} ms  {load:4.0%}")
        if load > most:
            busiest, most = stage.name, load
    return "\n".join([*lines, f"the slowest stage: {busiest or 'none'}"])


@contextlib.contextmanager
def shown(total: int) -> Iterator[Callable[[Written], None]]:
    """Show it on standard error; what is given is called with each picture that is written."""
    if not sys.stderr.isatty():
        yield lambda picture: tell(f"{picture.name}: {picture.width} x {picture.height} pixels -> {picture.path}")
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("pictures"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=total)
        yield lambda picture: progress.update(task, advance=1, description=picture.name)
