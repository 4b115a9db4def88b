"""The devices of a process, and of its nodes, as `actorpar top`, snapshots and metrics show them."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import actorpar as ap
from actorpar.gpu.figures import DeviceFigures, figures, unwatch, watch
from actorpar.observe import nodeview, view
from actorpar.observe.devices import DEVICES, DeviceRow, device_rows, devices_text
from actorpar.observe.metrics import exposition
from actorpar.remote import messages as m
from tests.observe.test_nodes import cells, looked, row
from tests.observe.test_nodes import figures as of_node
from tests.observe.test_top import snapshot
from tests.remote.test_remote_actors import two_systems

GIB = 1 << 30


class Device:
    """A device that is at work."""

    streams = 4
    busy = 3
    in_flight = 17
    completed = 1000

    def __init__(self, name: str = "NVIDIA H200", spec: str = "cuda:0", lost: bool = False) -> None:
        self.name = name
        self.spec = spec
        self.lost = lost

    def memory(self) -> tuple[int, int]:
        if self.lost:
            raise RuntimeError("cuMemGetInfo failed: an illegal memory access was encountered")
        return 12 * GIB, 139 * GIB


@pytest.fixture
def engine() -> str:
    """What runs the programs does not matter here."""
    return "run queue"


def test_a_device_is_told_of_as_long_as_it_lives() -> None:
    device = Device()
    watch(device)
    watch(device)
    assert figures() == [DeviceFigures("cuda:0", "NVIDIA H200", 12 * GIB, 139 * GIB, 4, 3, 17, 1000)]
    other = Device("other", "cuda:1")
    watch(other)
    assert [each.name for each in figures()] == ["NVIDIA H200", "other"]
    unwatch(other)
    unwatch(other)
    assert [each.name for each in figures()] == ["NVIDIA H200"]
    del device
    gc.collect()
    assert figures() == []


def test_those_who_share_a_device_are_told_of_together() -> None:
    one, other = Device(lost=True), Device()
    watch(one)
    watch(other)
    assert figures() == [DeviceFigures("cuda:0", "NVIDIA H200", 12 * GIB, 139 * GIB, 8, 6, 34, 2000)]


def test_a_device_that_does_not_answer_is_told_of_without_its_memory() -> None:
    device = Device(lost=True)
    watch(device)
    (row,) = device_rows()
    assert (row["memory_used"], row["memory_total"], row["in_flight"]) == (None, None, 17)
    assert devices_text([row]) == "H200 no answer 3/4 streams, 17 in flight"


def test_a_process_without_devices_loads_nothing_to_say_so() -> None:
    program = (
        "import sys\nimport actorpar as ap\nfrom actorpar.observe.devices import device_rows\n"
        "async def main():\n    async with ap.ActorSystem() as system:\n        print(system.snapshot()['devices'])\n"
        "ap.run(main)\nprint([name for name in sys.modules if name.startswith('actorpar.gpu')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("[]\n[]\n", "")


async def test_a_node_tells_of_its_devices_and_they_are_fit_for_json() -> None:
    device = Device("NVIDIA \x1b[2J H200")
    watch(device)
    async with two_systems() as two:
        for node in await looked(two.here):
            assert node["figures"] is not None
            (told,) = node["figures"]["devices"]
            assert told["name"] == "NVIDIA \\x1b[2J H200"
            assert (told["memory_used"], told["memory_total"]) == (12 * GIB, 139 * GIB)
            assert json.loads(json.dumps(node)) == node


async def test_a_node_that_tells_of_many_devices_fills_no_snapshot() -> None:
    async with two_systems() as two:
        of_it = two.there.hub.survey.measure()
        of_it.devices = (m.DeviceUse("cuda:0", "evil", 1, 1, 1, 1, 1, 1),) * 10 * DEVICES
        two.here.hub.survey.look()
        (link,) = two.here.hub.node.links.values()
        two.here.hub.survey.told(link, of_it)
        figures = two.here.snapshot()["nodes"][1]["figures"]
        assert figures is not None
        assert len(figures["devices"]) == DEVICES


@pytest.mark.parametrize("field", ["memory_used", "streams", "completed"])
async def test_a_figure_that_no_device_can_have_is_refused(field: str) -> None:
    async with two_systems() as two:
        told: dict[str, Any] = {"memory_used": 1, "streams": 1, "completed": 1, field: -1}
        of_it = two.there.hub.survey.measure()
        of_it.devices = (m.DeviceUse("cuda:0", "one", memory_total=1, busy=1, in_flight=1, **told),)
        with pytest.raises(ap.ActorparError, match="no message to actors"):
            m.unpack(m.pack(of_it))


# -- what is made of it


def device(**fields: Any) -> DeviceRow:
    made: Any = {
        "spec": "cuda:0", "name": "NVIDIA H200", "memory_used": 12 * GIB + GIB // 10, "memory_total": 139 * GIB,
        "streams": 4, "busy": 3, "in_flight": 17, "completed": 1000, **fields,
    }  # fmt: skip
    row: DeviceRow = made
    return row


def test_a_node_with_devices_has_a_column_that_others_do_not_pay_for() -> None:
    gpu = row("cuda-0", figures=of_node(0.0, devices=[device()]))
    assert cells(gpu)["device"] == "H200 12.1/139 GiB 3/4 streams, 17 in flight"
    assert cells(row("node-1", figures=of_node(0.0)))["device"] == cells(row("lost"))["device"] == "-"
    columns, table = nodeview.shown(nodeview.rows(snapshot(0, nodes=[gpu, row("node-1")]), None))
    assert list(columns) == list(nodeview.COLUMNS)
    assert [len(line) for line in table] == [len(columns)] * 2
    columns, table = nodeview.shown(nodeview.rows(snapshot(0, nodes=[row("node-1")]), None))
    assert "device" not in columns
    assert [len(line) for line in table] == [len(columns)]


def test_two_devices_of_a_node_stand_side_by_side() -> None:
    told = devices_text([device(), device(name="L4", memory_used=0, memory_total=24 * GIB, busy=0, in_flight=0)])
    assert told == "H200 12.1/139 GiB 3/4 streams, 17 in flight, L4 0.0/24.0 GiB 0/4 streams, 0 in flight"


def test_a_program_on_one_process_has_its_devices_above_the_actors() -> None:
    lines = view.headline(snapshot(0, devices=[device()]), None)
    assert lines[2:] == ["devices: H200 12.1/139 GiB 3/4 streams, 17 in flight"]
    assert len(view.headline(snapshot(0), None)) == 2
    assert len(view.headline(snapshot(0, devices=[device()], nodes=[row("n0")]), None)) == 2


async def test_the_metrics_tell_of_the_devices() -> None:
    async with ap.ActorSystem("shop") as system:
        assert b"actorpar_device" not in exposition(system)
        one, lost = Device(), Device("lost", "cuda:1", lost=True)
        watch(one)
        watch(lost)
        told = {
            (sample.name, sample.labels["name"]): sample.value
            for family in text_string_to_metric_families(exposition(system).decode())
            for sample in family.samples
            if sample.name.startswith("actorpar_device")
        }
        assert sample_of(told, "NVIDIA H200") == {
            "memory_used_bytes": 12 * GIB, "memory_bytes": 139 * GIB, "streams": 4, "streams_busy": 3, "in_flight": 17,
            "completed_total": 1000,
        }  # fmt: skip
        assert sample_of(told, "lost").keys() == {"streams", "streams_busy", "in_flight", "completed_total"}


def sample_of(told: dict[tuple[str, str], float], name: str) -> dict[str, float]:
    return {metric.removeprefix("actorpar_device_"): value for (metric, of), value in told.items() if of == name}
