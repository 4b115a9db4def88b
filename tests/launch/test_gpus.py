"""Nodes for devices: which are started, what they see, and that they come back when they lose their device."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from actorpar.gpu.errors import NoDevice
from actorpar.gpu.finding import Findings, Found
from actorpar.launch import again, children, devices
from actorpar.launch.again import SECONDS, STARTS, Attempts, is_failure
from actorpar.launch.specs import NodeSpec, equal
from actorpar.nodes.events import NodeEvent, NodeLost, NodeUp
from tests.launch.test_children import Controller, controlling
from tests.launch.test_launching import APP, run, serve, served

__all__ = ["served"]  # a fixture

PROGRAM = Path(__file__).parents[1] / "gpu" / "losing.py"
CUDA = (Found("cuda", 0, "H200", 5), Found("cuda", 1, "L4", 5), Found("cuda", 2, "L4", 5))
OPENCL = (Found("opencl", 0, "pthread", 5, cpu=True), Found("opencl", 1, "L4", 5))
NODE = NodeSpec("opencl-0", ("gpu", "opencl"), "opencl:0", {"ACTORPAR_DEVICE": "opencl:0"})


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> dict[str, Findings]:
    """What there is of each kind; change it at will."""
    there = {"cuda": Findings(CUDA), "opencl": Findings(OPENCL)}

    def available(kinds: tuple[str, ...]) -> Findings:
        each = [there[kind] for kind in kinds]
        return Findings(
            tuple(one for findings in each for one in findings.devices),
            tuple(one for findings in each for one in findings.missing),
            tuple(one for findings in each for one in findings.unusable),
        )

    monkeypatch.setattr(devices, "available", available)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return there


def names(gpus: str) -> list[str]:
    return [spec.name for spec in devices.plan(gpus)]


# -- which nodes


@pytest.mark.parametrize(
    ("gpus", "expected"),
    [
        ("all", ["cuda-0", "cuda-1", "cuda-2"]),
        ("cuda", ["cuda-0", "cuda-1", "cuda-2"]),
        ("2", ["cuda-0", "cuda-1"]),
        ("opencl", ["opencl-0", "opencl-1"]),
        ("cuda:2,cuda:0", ["cuda-2", "cuda-0"]),
        ("opencl:1,cuda:1", ["opencl-1", "cuda-1"]),
    ],
)
def test_each_device_that_is_asked_for_has_one_node(found: dict[str, Findings], gpus: str, expected: list[str]) -> None:
    assert names(devices.wanted(gpus)) == expected


@pytest.mark.parametrize("gpus", ["", "0", "some", "cuda:", "cuda:0,", "cuda:0;cuda:1", "cuda:0,all", "-1"])
def test_what_names_no_devices_is_refused(gpus: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="names no devices: write all, cuda, opencl, cuda:0,cuda:1 or"):
        devices.wanted(gpus)


def test_a_device_that_is_named_twice_is_refused() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="names a device twice: each has one process"):
        devices.wanted("cuda:0,cuda:0")


@pytest.mark.parametrize(
    ("visible", "seen"),
    [
        (None, ["0", "1", "2"]),
        ("4,5,6", ["4", "5", "6"]),
        ("GPU-8932f937, MIG-1c2d ,3", ["GPU-8932f937", "MIG-1c2d", "3"]),
    ],
)
def test_a_node_of_cuda_sees_its_device_alone_as_the_entry_of_the_users_own_list(
    found: dict[str, Findings], monkeypatch: pytest.MonkeyPatch, visible: str | None, seen: list[str]
) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    specs = devices.plan("all")
    assert [spec.environment["CUDA_VISIBLE_DEVICES"] for spec in specs] == seen
    assert {(spec.device, spec.environment["ACTORPAR_DEVICE"], spec.labels) for spec in specs} == {
        ("cuda:0", "cuda:0", ("gpu", "cuda"))
    }
    assert devices.plan("cuda:1")[0].environment["CUDA_VISIBLE_DEVICES"] == seen[1]


def test_a_node_of_opencl_is_told_its_device_and_nothing_is_hidden_from_it(found: dict[str, Findings]) -> None:
    (spec,) = devices.plan("opencl:1")
    assert (spec.name, spec.labels, spec.device) == ("opencl-1", ("gpu", "opencl"), "opencl:1")
    assert spec.environment == {"ACTORPAR_DEVICE": "opencl:1"}


def test_without_a_device_of_cuda_the_reasons_are_told_and_how_to_ask_for_others(found: dict[str, Findings]) -> None:
    found["cuda"] = Findings(missing=("CUDA: no driver",))
    for gpus in ("all", "1", "cuda:0"):
        with pytest.raises(NoDevice) as refused:
            devices.plan(gpus)
        assert str(refused.value) == (
            "there is no device for a node: CUDA: no driver; for devices of OpenCL write --gpus opencl"
        )
    with pytest.raises(NoDevice, match=r"^there is no cuda:0: there are opencl:0 \(pthread\).*; CUDA: no driver$"):
        devices.plan("opencl:0,cuda:0")


def test_more_devices_than_there_are_and_one_that_is_not_there_are_refused(found: dict[str, Findings]) -> None:
    with pytest.raises(NoDevice, match=r"^--gpus 4 asks for more devices than there are: there are cuda:0 \(H200\), "):
        devices.plan("4")
    with pytest.raises(NoDevice, match=r"^there is no cuda:3: there are cuda:0 \(H200\), cuda:1 \(L4\), cuda:2"):
        devices.plan("cuda:3")


def test_a_device_that_another_library_can_use_has_a_node_and_a_warning(
    found: dict[str, Findings], caplog: pytest.LogCaptureFixture
) -> None:
    found["cuda"] = Findings(missing=("CUDA: PyCUDA is not installed",), unusable=CUDA[:1])
    assert names("all") == ["cuda-0"]
    assert caplog.messages == ["nodes start, and device actors cannot use their device: CUDA: PyCUDA is not installed"]


def test_nodes_for_devices_and_ranks_of_mpi_exclude_each_other() -> None:
    done = run("run", str(APP), "--gpus", "all", "--mpi", "2")
    assert done.returncode == 1
    assert done.stderr.startswith("actorpar: MpiError: --gpus cannot be given with --mpi: ")
    done = run("run", str(APP), "--gpus", "all", PMI_RANK="0", PMI_SIZE="1")
    assert done.returncode == 1
    assert "MpiError: --gpus cannot be given to ranks of MPI" in done.stderr


# -- how often one is started again


def test_the_first_start_is_at_once_and_the_next_ones_wait_longer_until_none_is_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 100.0
    monkeypatch.setattr("actorpar.launch.again.env.clock", lambda: now)
    attempts = Attempts()
    delays = [attempts.next("cuda-0") for _ in range(STARTS)]
    assert delays[0] == 0.0
    for number, delay in enumerate(delays[1:]):
        assert delay is not None
        longest = again.PAUSES.base * 2**number
        assert longest * (1 - again.PAUSES.jitter) <= delay <= longest
    assert attempts.next("cuda-0") is None
    assert caplog.messages == [f"cuda-0 has failed more than {STARTS} times in {SECONDS:g} s and is not started again"]
    now += SECONDS + 1
    assert attempts.next("cuda-0") == 0.0


@pytest.mark.parametrize(
    ("code", "failed"),
    [(0, False), (130, False), (143, False), (1, True), (75, True), (86, True), (-9, True), (-11, True)],
)
def test_only_who_left_in_order_is_not_started_again(code: int, failed: bool) -> None:
    assert is_failure(code) is failed


class Watching:
    """What happens to the nodes of a controller."""

    def __init__(self, controller: Controller) -> None:
        self._events: asyncio.Queue[NodeEvent] = asyncio.Queue()
        controller.node.watch(self._events.put_nowait)

    async def until(self, kind: type[NodeUp | NodeLost]) -> Any:
        while not isinstance(event := await self._events.get(), kind):
            pass
        return event


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
async def test_a_node_whose_process_dies_is_replaced_under_its_name(tmp_path: Path, how: signal.Signals) -> None:
    async with controlling(tmp_path) as controller:
        watching = Watching(controller)
        await controller.children.start([NODE])
        first = await watching.until(NodeUp)
        os.kill(first.node.pid, how)
        await watching.until(NodeLost)
        second = await watching.until(NodeUp)
        assert (second.node.name, second.node.labels) == ("opencl-0", ("gpu", "opencl"))
        assert second.node.pid != first.node.pid
        assert controller.node.expected.has("gpu")


async def test_a_node_that_does_not_answer_any_more_is_killed_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "GRACE", 0.1)
    async with controlling(tmp_path) as controller:
        watching = Watching(controller)
        await controller.children.start([NODE])
        first = await watching.until(NodeUp)
        os.kill(first.node.pid, signal.SIGSTOP)
        controller.node.links[first.node.node].down("it was silent")
        second = await watching.until(NodeUp)
        assert second.node.pid != first.node.pid


async def test_a_node_that_was_told_to_end_is_not_started_again_and_nobody_waits_for_it(tmp_path: Path) -> None:
    async with controlling(tmp_path) as controller:
        watching = Watching(controller)
        await controller.children.start([NODE])
        first = await watching.until(NodeUp)
        waiting = asyncio.create_task(controller.node.expected.wait("gpu", lambda: False))
        os.kill(first.node.pid, signal.SIGTERM)
        await waiting
        assert not controller.node.expected.has("gpu")
        assert controller.children.pids == {}


async def test_a_node_that_cannot_be_started_again_is_given_up_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(again, "STARTS", 2)
    once = "try:\n    open(__file__ + '.once', 'x').close()\nexcept FileExistsError:\n    sys.exit(5)"
    async with controlling(tmp_path, once) as controller:
        await controller.children.start([NODE])
        waiting = asyncio.create_task(controller.node.expected.wait("opencl-0", lambda: False))
        controller.children.kill("opencl-0")
        await waiting
    told = [message for message in caplog.messages if "opencl-0" in message]
    assert [message.partition(":")[0] for message in told] == [
        "opencl-0 has ended",
        "opencl-0 could not be started again",
        "opencl-0 could not be started again",
        "opencl-0 has failed more than 2 times in 60 s and is not started again",
    ]


async def test_a_node_for_no_device_stays_down(tmp_path: Path) -> None:
    async with controlling(tmp_path) as controller:
        await controller.children.start(equal(1))
        controller.children.kill("node-1")
        await controller.lost
        await asyncio.wait([child.exited for child in controller.children._children.values()])
        assert not controller.children._replacing
        assert not controller.node.expected.has("node-1")


async def test_an_end_while_a_node_is_started_again_leaves_nothing(tmp_path: Path) -> None:
    """The block of `controlling` ends all, and looks."""
    again_slow = (
        "import time\ntry:\n    open(__file__ + '.once', 'x').close()\nexcept FileExistsError:\n    time.sleep(60)"
    )
    async with controlling(tmp_path, again_slow) as controller:
        watching = Watching(controller)
        await controller.children.start([NODE])
        first = controller.children.pids["opencl-0"]
        controller.children.kill("opencl-0")
        await watching.until(NodeLost)
        while controller.children.pids.get("opencl-0", first) == first:  # noqa: ASYNC110  # it tells nobody
            await asyncio.sleep(0)


# -- on a program


def told(*words: str, **environment: str) -> list[dict[str, Any]]:
    """What the program says, line by line."""
    command = [sys.executable, "-W", "error", "-m", "actorpar", "run", *words]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, **environment}, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def pocl() -> None:
    pytest.importorskip("pyopencl")


@pytest.mark.usefixtures("pocl")
def test_a_supervised_child_comes_back_when_its_device_is_lost_and_when_its_node_is_killed() -> None:
    lines = told(str(PROGRAM), "--nodes", "1", "--gpus", "opencl:0", CUDA_VISIBLE_DEVICES="5")
    assert lines == [
        {"nodes": [["node-1", "worker"], ["opencl-0", "gpu", "opencl"]]},
        {"was": "", "device": "opencl:0", "visible": "5"},
        {"was": "noconnection", "device": "opencl:0", "visible": "5"},
        {"was": "noconnection", "device": "opencl:0", "visible": "5"},
        {"processes": 3, "restarts": 2},
    ]


@pytest.mark.usefixtures("pocl")
def test_whoever_starts_something_on_a_node_that_is_just_replaced_waits_for_it() -> None:
    assert told(f"{PROGRAM}:waits", "--gpus", "opencl:0") == [{"another": True, "device": "opencl:0"}]


def test_where_the_process_is_no_node_for_a_device_its_loss_is_the_failure_of_the_actor() -> None:
    assert told(f"{PROGRAM}:not_on_a_node") == [{"ended": "this process is no node for a device"}]


@pytest.mark.usefixtures("pocl")
def test_a_node_that_serves_may_be_for_a_device_too(served: list[subprocess.Popen[str]]) -> None:
    where = serve(served, "--listen", "tcp://127.0.0.1:0", "--device", "opencl", "--label", "mine", program=PROGRAM)
    assert told(f"{PROGRAM}:labels", "--join", where) == [{"labels": ["mine", "gpu", "opencl"], "device": "opencl:0"}]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", str(APP), "--gpus", "opencl:99"], "actorpar: NoDevice: there is no"),
        (["node", str(APP), "--device", "opencl:99"], "actorpar: NoDevice: there is no"),
    ],
)
def test_a_device_that_is_not_there_is_told_in_one_line(words: list[str], says: str) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(says)
    assert done.stderr.count("\n") == 1
