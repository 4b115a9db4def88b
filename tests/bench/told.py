"""A process that does what it is told: a line of JSON each, {"what": name, "items": n}, answered by {"seconds": each}.

So contestants that need an environment of their own alternate in one process, started once for a group.
"""

import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence

from .cases import ROOT, LoopFactory, Trial
from .measure import Sample

Around = Callable[[int], contextlib.AbstractContextManager[None]]


class Told:
    """Such a process, until it is closed."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command, env=environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def measure(self, what: str, items: int) -> float:
        """Seconds for each item."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"what": what, "items": items}) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("{"):
                return float(json.loads(line)["seconds"])
        raise RuntimeError("the process has ended; what it printed says why")

    def close(self) -> None:
        """Have it end."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")  # not every launcher passes on that it is closed
        self._process.stdin.close()
        assert self._process.stdout is not None
        self._process.stdout.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise


#: The process of the group that runs.
_running: list[Told] = []


def held(start: Callable[[], Told]) -> Around:
    """One process for all contestants of a group."""

    @contextlib.contextmanager
    def around(items: int) -> Iterator[None]:
        _running.append(start())
        try:
            yield
        finally:
            _running.pop().close()

    return around


def told(what: str) -> Trial:
    """What that process measures by this name: wall-clock time."""

    def trial(items: int, loop_factory: LoopFactory) -> Sample:
        each = _running[-1].measure(what, items)
        return Sample(items, each * items, each * items, each)

    return trial
