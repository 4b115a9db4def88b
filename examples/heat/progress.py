"""How far a run has come: a bar where somebody looks, a line for each checkpoint where a log is written."""

import contextlib
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def shown(steps: int) -> Iterator[Callable[[int], None]]:
    """Show it on standard error; what is given is called with the step that is reached, after a restart a lower one."""
    if not sys.stderr.isatty():
        yield lambda step: print(f"step {step} of {steps} is kept", file=sys.stderr, flush=True)
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("steps", total=steps)
        yield lambda step: progress.update(task, completed=step)
