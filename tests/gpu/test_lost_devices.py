"""A device that is lost on a node for it, from the kernel that faults to the actor that is back."""

from __future__ import annotations

import json

from tests.gpu.fake.lane import Lane


def test_dv07_a_kernel_that_faults_costs_the_process_of_its_node_and_the_actor_comes_back_in_another(
    fake_cuda: Lane,
) -> None:
    done = fake_cuda.run(
        "-m", "actorpar", "run", "tests/gpu/faulty_program.py", "--gpus", "all",
        FAKE_CUDA_DEVICES="2", CUDA_VISIBLE_DEVICES="1,0",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    nodes, before, raised, after = (json.loads(line) for line in done.stdout.splitlines())
    assert nodes == {"nodes": ["cuda-0", "cuda-1"]}
    assert before == {"device": "cuda:0", "visible": "0", "result": [2.0, 2.0, 2.0]}
    assert raised["raised"] in ("HandlerFailed", "ActorDead", "NodeDown")
    assert (after["device"], after["visible"], after["another"]) == ("cuda:0", "0", True)
    assert after["result"] == [3.0, 3.0, 3.0]
    assert "cuda:0 is lost, and its process ends: DeviceLost" in done.stderr


OUTLIVES = """
import asyncio, numpy
from actorpar import gpu
async def main():
    device = gpu.open_device("cuda:0")
    global array
    array = device.empty(100, numpy.float32)
    device.lose(gpu.DeviceLost("it burns"))
asyncio.run(main())
"""


def test_an_array_that_outlives_a_lost_device_does_not_abort_the_interpreter(fake_cuda: Lane) -> None:
    done = fake_cuda.run("-c", OUTLIVES)
    assert (done.returncode, done.stderr) == (0, "")
