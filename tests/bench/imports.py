"""What an import costs: processor time of the statement alone, in a fresh interpreter."""

import subprocess
import sys
import time

from .cases import NO_LOOP, ROOT, Case, Group, LoopFactory
from .measure import Sample

_PROGRAM = "import time; start = time.process_time(); {statement}; print(time.process_time() - start)"


def _import(name: str, statement: str) -> Case:
    def trial(items: int, loop_factory: LoopFactory) -> Sample:
        started = time.perf_counter()
        seconds = sum(
            float(subprocess.check_output([sys.executable, "-c", _PROGRAM.format(statement=statement)], cwd=ROOT))
            for _ in range(items)
        )
        return Sample(items, seconds, time.perf_counter() - started, seconds / items)

    return Case(name, trial)


def groups() -> list[Group]:
    return [
        Group(
            "import",
            "processor time of the import statement in a fresh interpreter",
            5,
            (
                _import("asyncio", "import asyncio"),
                _import("actorpar", "import actorpar"),
                _import(
                    "actorpar, and its channels used",
                    "import actorpar as ap; ap.open_channel, ap.select, ap.ProcessGroup, ap.run",
                ),
                _import(
                    "actorpar, and its actors used",
                    "import actorpar as ap; ap.open_channel, ap.select, ap.Actor, ap.ActorSystem, ap.run",
                ),
            ),
            unit="ms",
            loops=(NO_LOOP,),
        )
    ]
