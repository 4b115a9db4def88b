"""Processes x threads never exceed the cores."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from actorpar.launch import cores


@pytest.fixture
def _eight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def quota(root: Path, name: str, text: str) -> None:
    path = root / "sys/fs/cgroup" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.usefixtures("_eight")
@pytest.mark.parametrize(
    ("told", "count"),
    [("max 100000\n", 8), ("200000 100000\n", 2), ("150000 100000\n", 2), ("1600000 100000\n", 8), ("nonsense", 8)],
)
def test_the_quota_of_a_container_bounds_the_cores(tmp_path: Path, told: str, count: int) -> None:
    quota(tmp_path, "cpu.max", told)
    assert cores.usable(str(tmp_path)) == count


@pytest.mark.usefixtures("_eight")
@pytest.mark.parametrize(("told", "count"), [("-1\n", 8), ("300000\n", 3), ("1000\n", 1)])
def test_so_does_the_quota_of_the_first_version_of_control_groups(tmp_path: Path, told: str, count: int) -> None:
    quota(tmp_path, "cpu/cpu.cfs_quota_us", told)
    quota(tmp_path, "cpu/cpu.cfs_period_us", "100000\n")
    assert cores.usable(str(tmp_path)) == count


@pytest.mark.usefixtures("_eight")
def test_without_a_quota_the_affinity_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cores.usable(str(tmp_path)) == 8
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert cores.usable(str(tmp_path)) == 1


@pytest.mark.parametrize("count", [1, 2, 3, 8, 64])
@pytest.mark.parametrize("processes", range(1, 10))
def test_processes_times_threads_never_exceed_the_cores(processes: int, count: int) -> None:
    each = cores.share(processes, count)
    assert each >= 1
    assert processes * each <= max(count, processes)
    assert processes * (each + 1) > count  # and none is left unused that all could have


@pytest.mark.usefixtures("_eight")
def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    found = cores.bounds(4, {"OMP_NUM_THREADS": "7", "MKL_NUM_THREADS": ""})
    assert "OMP_NUM_THREADS" not in found
    assert found["MKL_NUM_THREADS"] == found["OPENBLAS_NUM_THREADS"] == "2"
