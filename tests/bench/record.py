"""What a program reads: machine, versions, date, every sample of every repeat, and the verdicts, as JSON."""

import datetime
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .file_server import server_name
from .goals import Verdict
from .session import Result

FORMAT = 1
_PACKAGES = (
    *("uvloop", "aiohttp", "anyio", "trio", "aiochan", "janus", "culsans", "pykka", "xoscar", "pyzmq", "numpy"),
    "pyopencl",
)


def surroundings() -> dict[str, Any]:
    """Machine, versions, date and load: what the figures depend on."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "file_server": server_name(),
        "versions": {name: version for name in _PACKAGES if (version := _version(name))},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def describe(about: dict[str, Any], repeats: int) -> str:
    """The surroundings as a line or two of text."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    return (
        f"Python {about['python']}, {about['processor']}, {about['cores']} cores, {about['memory_gib']} GiB, "
        f"{about['system']}; {about['date']}; {repeats} alternating repeats, medians; load average at the start "
        f"{about['load_average'][0]}. {versions}; files served by {about['file_server']}."
    )


def write(
    path: Path, about: dict[str, Any], options: dict[str, Any], results: Sequence[Result], verdicts: Sequence[Verdict]
) -> None:
    """Write the run as JSON."""
    document = {
        "format": FORMAT,
        **about,
        "options": options,
        "groups": [_group(result) for result in results],
        "goals": [_goal(verdict) for verdict in verdicts],
    }
    path.write_text(
        "{\n" + ",\n".join(f"{json.dumps(key)}: {_lines(value)}" for key, value in document.items()) + "\n}\n"
    )


def _lines(value: Any) -> str:
    """JSON with each element of a list of objects on a line of its own, so that two runs can be compared."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(json.dumps(element) for element in value) + "\n]"
    return json.dumps(value)


def _group(result: Result) -> dict[str, Any]:
    return {
        "group": result.group.name,
        "what": result.group.what,
        "loop": result.loop,
        "items": result.items,
        "medians": {case: result.median(case) for case in result.samples},
        "samples": {case: [_rounded(asdict(sample)) for sample in samples] for case, samples in result.samples.items()},
        "not_installed": result.absent,
        "failed": result.failed,
    }


def _rounded(sample: dict[str, float]) -> dict[str, float]:
    return {name: value if name == "items" else float(f"{value:.5g}") for name, value in sample.items()}


def _goal(verdict: Verdict) -> dict[str, Any]:
    return {
        "group": verdict.goal.group,
        "ours": verdict.goal.ours,
        "base": verdict.goal.base,
        "over": verdict.goal.over,
        "loop": verdict.loop,
        "limit": verdict.limit,
        "reached": verdict.reached,
        "met": verdict.met,
    }
