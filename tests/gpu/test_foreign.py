"""Arrays of other libraries are used where they are, over the fake driver, as far as those show themselves."""

from __future__ import annotations

import importlib
import types
from typing import Any

import numpy as np
import pytest

from actorpar import gpu
from tests.gpu.devices import PROGRAM
from tests.gpu.fake import controls

pytestmark = pytest.mark.over_fake_cuda


def shown(memory: Any, shape: tuple[int, ...] = (1000,), **more: Any) -> Any:
    """An array of float32 as libraries show it."""
    interface = {"shape": shape, "typestr": "<f4", "data": (int(memory), False), "version": 3, **more}
    return types.SimpleNamespace(__cuda_array_interface__=interface, memory=memory)


async def slots_of() -> gpu.Slots:
    device = gpu.open_device("cuda:0")
    return gpu.Slots(device, await device.build(PROGRAM), 1)


@pytest.mark.parametrize("strides", [None, (4,)])
async def test_an_array_of_another_library_is_used_where_it_is(strides: Any) -> None:
    slots = await slots_of()
    driver = importlib.import_module("pycuda.driver")
    memory = driver.mem_alloc(4000)
    driver.memcpy_htod(memory, np.full(1000, 3, np.float32))
    async with slots.slot() as slot:
        array = await slot.put(shown(memory, strides=strides))
        await slot.launch("scale", 1000, array, 2.0, 1000)
        assert (await slot.get(array) == 6).all()
        assert array.__cuda_array_interface__["data"] == (int(memory), False)
        assert array.__cuda_array_interface__["stream"] == slot.stream.handle
    back = np.empty(1000, np.float32)
    driver.memcpy_dtoh(back, memory)
    assert (back == 6).all()


async def test_the_stream_that_it_names_is_waited_for_by_the_device() -> None:
    slots = await slots_of()
    driver = importlib.import_module("pycuda.driver")
    memory, theirs, fives = driver.mem_alloc(4000), driver.Stream(1), driver.pagelocked_zeros(1000, np.float32)
    fives[:] = 5
    module = driver.module_from_buffer(b"FAKE gate fill\n")
    controls.close_gate()
    module.get_function("gate")._launch_kernel((1, 1, 1), (1, 1, 1), (1).to_bytes(4, "little"), 0, theirs)
    driver.memcpy_htod_async(memory, fives, theirs)
    async with slots.slot() as slot:
        array = await slot.put(shown(memory, stream=theirs.handle))
        point = slot.stream.point()
        assert not point.done()
        controls.open_gate(1)
        assert (await slot.get(array) == 5).all()


@pytest.mark.parametrize("more", [{"strides": (8,)}, {"data": (4096, True)}])
async def test_an_array_with_gaps_and_one_that_may_only_be_read_are_refused(more: dict[str, Any]) -> None:
    slots = await slots_of()
    async with slots.slot() as slot:
        with pytest.raises(gpu.InvalidLaunch, match="contiguous in C order"):
            await slot.put(shown(4096, **more))
