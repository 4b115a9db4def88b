"""The cores that this program may use, and the share of each process.

A numeric library starts a thread for every core, in every process: four nodes on four cores would run sixteen. So the
launcher tells each how many it may have, by the environment that these libraries read when they are loaded.

Invariant: processes x threads never exceed the cores, unless there are more processes than cores.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

#: What numeric libraries read to know how many threads they may use, the usual names first.
THREADS: Final = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS", "POLARS_MAX_THREADS",
)  # fmt: skip
#: Where a container tells its share of time: quota and period, in one file or in two.
_QUOTAS: Final = (
    ("/sys/fs/cgroup/cpu.max",),
    ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
)


def usable(root: str = "/") -> int:
    """The cores on which this process may run, by its affinity and the quota of its container; at least 1."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(count, _quota(root))))


def _quota(root: str) -> float:
    for names in _QUOTAS:
        try:
            quota, period = " ".join(Path(root, name[1:]).read_text() for name in names).split()
            if int(quota) > 0:
                return int(quota) / int(period)
        except (OSError, ValueError, ZeroDivisionError):  # "max", or another system
            continue
    return math.inf


def share(processes: int, cores: int | None = None) -> int:
    """The threads that each of so many processes may have; at least 1."""
    return max(1, (usable() if cores is None else cores) // max(processes, 1))


def bounds(processes: int, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables to set for each of so many processes; those that the user has set stay as they are."""
    each = str(share(processes))
    return {name: each for name in THREADS if not environment.get(name)}
