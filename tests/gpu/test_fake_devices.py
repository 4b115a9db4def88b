"""Which devices the fake CUDA driver has, in processes of their own: what decides it is in their environment."""

from __future__ import annotations

import pytest

from tests.gpu.fake.lane import Lane

TELL = """
import pycuda.driver as cuda
cuda.init()
for number in range(cuda.Device.count()):
    device = cuda.Device(number)
    print(device.name(), device.pci_bus_id(), device.total_memory(), device.compute_capability())
print(cuda.get_driver_version())
"""


def test_there_is_one_device_unless_the_environment_says_otherwise(fake_cuda: Lane) -> None:
    done = fake_cuda.run("-c", TELL)
    assert (done.stdout, done.stderr) == (f"Fake device 0 0000:01:00.0 {1 << 30} (9, 0)\n13000\n", "")
    done = fake_cuda.run("-c", TELL, FAKE_CUDA_DEVICES="2", FAKE_CUDA_MEMORY="8192", FAKE_CUDA_DRIVER="12040")
    lines = [f"Fake device {number} 0000:0{number + 1}:00.0 8192 (9, 0)" for number in range(2)]
    assert (done.stdout.splitlines(), done.stderr) == ([*lines, "12040"], "")


@pytest.mark.parametrize(
    ("visible", "seen"),
    [("1,0", "10"), ("2", "2"), ("1,7,0", "1"), ("0,0,2", "02"), ("GPU-02fa,1", "21"), ("0,x,1", "0")],
)
def test_the_visible_devices_are_those_that_are_named_up_to_one_that_is_none(
    fake_cuda: Lane, visible: str, seen: str
) -> None:
    done = fake_cuda.run("-c", TELL, FAKE_CUDA_DEVICES="3", CUDA_VISIBLE_DEVICES=visible)
    assert [line.split()[2] for line in done.stdout.splitlines()[:-1]] == list(seen)


@pytest.mark.parametrize(
    ("environment", "error"),
    [
        ({"FAKE_CUDA_DEVICES": "0"}, "no CUDA-capable device is detected"),
        ({"CUDA_VISIBLE_DEVICES": ""}, "no CUDA-capable device is detected"),
        ({"FAKE_CUDA_INIT": "803"}, "unsupported display driver / cuda driver combination"),
    ],
)
def test_without_a_device_or_with_another_driver_cuda_does_not_begin(
    fake_cuda: Lane, environment: dict[str, str], error: str
) -> None:
    done = fake_cuda.run("-c", TELL, **environment)
    assert done.returncode == 1
    assert error in done.stderr


FORK = """
import os, pycuda.driver as cuda
cuda.init()
context = cuda.Device(0).retain_primary_context()
context.push()
if os.fork() == 0:
    try:
        cuda.mem_alloc(4)
    except cuda.LogicError as error:
        os.write(1, str(error).encode())
    os._exit(0)
os.wait()
context.pop()
"""


def test_cuda_does_not_survive_a_fork(fake_cuda: Lane) -> None:
    done = fake_cuda.run("-c", FORK)
    assert (done.stdout, done.stderr) == ("cuMemAlloc failed: initialization error", "")
