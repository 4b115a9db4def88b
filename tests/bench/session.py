"""One run of the bench: a worker process for each group and loop, and what they measured."""

import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from .cases import ROOT, Group
from .measure import Sample
from .worker import Event


@dataclass
class Result:
    """What one group gave on one loop."""

    group: Group
    loop: str
    items: int
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    running: str = ""

    def median(self, case: str) -> float | None:
        """The median over the repeats, in seconds; None when the case gave no sample."""
        samples = self.samples.get(case)
        return statistics.median(sample.value for sample in samples) if samples else None

    def spread(self, case: str) -> float | None:
        """Half the distance between the quartiles, as a part of the median; None with fewer than four repeats."""
        values = [sample.value for sample in self.samples[case]]
        if len(values) < 4:
            return None
        low, middle, high = statistics.quantiles(values, n=4)
        return (high - low) / 2 / middle

    def ratio(self, case: str, base: str) -> float | None:
        """The median of the case over the median of the base."""
        ours, theirs = self.median(case), self.median(base)
        return None if ours is None or theirs is None else ours / theirs

    def added(self, case: str, base: str) -> float | None:
        """How much more than the base the case takes, in seconds."""
        ours, theirs = self.median(case), self.median(base)
        return None if ours is None or theirs is None else ours - theirs

    def add(self, event: Event) -> None:
        """Take in what a worker told."""
        if event.sample is not None:
            self.samples.setdefault(event.case, []).append(event.sample)
        elif event.absent:
            self.absent[event.case] = event.absent
        elif event.failed:
            self.failed[event.case] = event.failed
        else:
            self.running = event.case


def measure(result: Result, repeats: int, scale: float, changed: Callable[[], None]) -> None:
    """Fill the result from a worker process; `changed` is called after every sample."""
    command = [sys.executable, "-m", "tests.bench.worker", result.group.name, result.loop, str(repeats), str(scale)]
    # Compiled modules are kept, as they are for every installed program: compiling is no part of an import or a client.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        try:
            for line in worker.stdout:
                result.add(Event.from_json(line))
                changed()
        except BaseException:
            worker.kill()
            raise
    if worker.returncode:
        why = "stuck" if worker.returncode == -signal.SIGALRM else f"the worker ended with status {worker.returncode}"
        result.failed[result.running] = why
        changed()
