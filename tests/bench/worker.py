"""Runs one group on one kind of loop, alternating its cases, in a process of its own.

    python -m tests.bench.worker GROUP LOOP REPEATS SCALE

prints one JSON object a line: that a case begins, its sample, or why it has none. A case that fails, or a peer that is
not installed, is reported once and left out; the others go on. A sample that takes longer than LIMIT ends the worker.
"""

import importlib
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

from .cases import Case, Group, loop_factory
from .catalogue import every_group
from .measure import Sample

LIMIT = 60  # seconds for one sample; the alarm kills the process, for a stuck loop can be left in no other way


@dataclass(frozen=True)
class Event:
    """A case begins (all fields empty), gave a sample, or gives none for a reason."""

    case: str
    sample: Sample | None = None
    absent: str = ""
    failed: str = ""

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(line: str) -> "Event":
        """What `to_json` wrote."""
        fields = json.loads(line)
        sample = fields.pop("sample")
        return Event(sample=None if sample is None else Sample(**sample), **fields)


def alternate(group: Group, loop: str, repeats: int, items: int, tell: Callable[[Event], None]) -> None:
    """Run every case once, then again in the opposite order, then from the next case on, and so forth: no case always
    runs first, or always after the same one."""
    factory = loop_factory(loop)
    cases = [case for case in group.cases if _present(case, tell)]
    with group.around(items):
        for repeat in range(repeats):
            for case in _order(cases, repeat):
                tell(Event(case.name))
                signal.alarm(LIMIT)
                try:
                    tell(Event(case.name, sample=case.trial(items, factory)))
                except Exception as error:
                    tell(Event(case.name, failed=f"{type(error).__name__}: {error}"))
                    cases.remove(case)
                finally:
                    signal.alarm(0)


def _order(cases: list[Case], repeat: int) -> list[Case]:
    turn = repeat // 2 % max(1, len(cases))
    order = cases[turn:] + cases[:turn]
    return order[::-1] if repeat % 2 else order


def _present(case: Case, tell: Callable[[Event], None]) -> bool:
    for module in case.needs:
        try:
            importlib.import_module(module)
        except ImportError as error:
            tell(Event(case.name, absent=str(error)))
            return False
    return True


def main(name: str, loop: str, repeats: str, scale: str) -> None:
    """Run the group of that name."""
    [group] = [group for group in every_group() if group.name == name]
    alternate(group, loop, int(repeats), group.scaled(float(scale)), lambda event: print(event.to_json(), flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
