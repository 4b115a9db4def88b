"""What holds on every kind of device: PoCL, PyCUDA over the fake driver, and a GPU where there is one."""

from __future__ import annotations

import asyncio
import gc
import random

import numpy as np
import pytest

import actorpar as ap
from actorpar import gpu
from actorpar.gpu import figures
from actorpar.gpu import stream as streams
from tests.gpu.acting import Consumer, Producer, Scale
from tests.gpu.devices import EVERY_DEVICE, PROGRAM, turn_until

pytestmark = pytest.mark.parametrize("spec", EVERY_DEVICE, indirect=True)


async def slots_of(spec: str, count: int = 2) -> gpu.Slots:
    device = gpu.open_device(spec)
    return gpu.Slots(device, await device.build(PROGRAM), count)


@pytest.mark.parametrize("shape", [(), (1,), (1000,), (3, 5, 7), (0,)])
@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "c16"])
async def test_dv12_what_is_put_on_a_device_comes_back_from_it(spec: str, shape: tuple[int, ...], dtype: str) -> None:
    slots = await slots_of(spec)
    host = np.random.default_rng(1).integers(0, 100, shape).astype(dtype)
    async with slots.slot() as slot:
        array = await slot.put(host)
        assert (array.shape, array.dtype, array.nbytes) == (host.shape, host.dtype, host.nbytes)
        back = await slot.get(array)
    assert back.dtype == host.dtype
    np.testing.assert_array_equal(back, host)


async def test_an_array_with_gaps_and_one_in_another_order_are_put_as_what_they_show(spec: str) -> None:
    slots = await slots_of(spec)
    whole = np.arange(600, dtype=np.float32).reshape(20, 30)
    for host in (whole[::2, 3:], whole.T):
        async with slots.slot() as slot:
            np.testing.assert_array_equal(await slot.get(await slot.put(host)), host)


async def test_large_arrays_go_through_pinned_memory_in_parts(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actorpar.gpu.staging.CHUNK", 1 << 16)
    monkeypatch.setattr("actorpar.gpu.staging.SMALL", 1 << 12)
    monkeypatch.setenv("ACTORPAR_PINNED", str(1 << 18))  # less than the array, so that it comes back in parts, too
    slots = await slots_of(spec)
    host = np.random.default_rng(1).integers(0, 256, 1_000_003, np.uint8)
    async with slots.slot() as slot:
        np.testing.assert_array_equal(await slot.get(await slot.put(host)), host)
    pool = slots.device.pool
    assert pool.made <= pool.cap


async def test_pinned_memory_is_copied_from_where_it_stands_and_results_stand_in_it(spec: str) -> None:
    slots = await slots_of(spec)
    async with slots.slot() as slot:
        host = await slot.pinned((4, 5), np.float32)
        host[:] = 7
        array = await slot.put(host)
        back = await slot.get(array)
        out = np.zeros((4, 5), np.float32)
        assert await slot.get(array, out) is out
    assert slots.device.pool.holds(back)
    assert (back == 7).all()
    assert (out == 7).all()


async def test_a_result_does_not_go_where_it_does_not_fit(spec: str) -> None:
    slots = await slots_of(spec)
    async with slots.slot() as slot:
        array = await slot.put(np.zeros(10, np.float32))
        for out in (np.zeros(9, np.float32), np.zeros(20, np.float32)[::2]):
            with pytest.raises(gpu.InvalidLaunch, match="contiguous array of 40 bytes"):
                await slot.get(array, out)


async def test_asks_of_a_device_actor_are_done_in_slots_and_each_gets_its_own_answer(spec: str) -> None:
    async with ap.ActorSystem() as system:
        scale = await system.spawn(Scale)
        numbers = [np.full(100 + n, n, np.float32) for n in range(40)]
        answers = await asyncio.gather(*[scale.ask(Scale.scale, each, 3.0) for each in numbers])
    for number, answer in zip(numbers, answers, strict=True):
        np.testing.assert_array_equal(answer, number * 3)


async def test_dv04_an_array_is_handed_to_another_actor_without_the_host_and_its_work_is_waited_for(spec: str) -> None:
    async with ap.ActorSystem() as system:
        producer, consumer = await system.spawn(Producer), await system.spawn(Consumer)
        tx, rx = ap.open_channel[gpu.DeviceArray](4)
        _, found = await asyncio.gather(
            producer.ask(Producer.produce, 30, 50_000, tx), consumer.ask(Consumer.consume, rx)
        )
    assert found == [2.0 * number for number in range(30)]


async def test_dv04_streams_are_ordered_by_the_arrays_that_they_share(spec: str) -> None:
    slots = await slots_of(spec, 3)
    async with slots.slot() as one, slots.slot() as two, slots.slot() as three:
        x, y = await one.put(np.ones(100_000, np.float32)), await two.put(np.full(100_000, 2, np.float32))
        for _ in range(10):
            await one.launch("scale", x.size, x, 2.0, x.size)
            await two.launch("add", x.size, x, y, x.size)
        result = await three.get(x)
    expected = 1.0
    for _ in range(10):
        expected = expected * 2 + 2
    assert (result == expected).all()


async def test_dv08_a_wrong_launch_is_an_answer_and_nothing_was_given_to_the_device(spec: str) -> None:
    async with ap.ActorSystem() as system:
        scale = await system.spawn(Scale)
        for name, arguments, why in (
            ("scale", (2.0,), r"takes 3 arguments \(Pfi\), not 2"),
            ("scale", (2.0, 4, 5), "not 4"),
            ("scale", ("two", 4), "not a float"),
            ("scale", (2.0, 1 << 40), "scale takes Pfi"),
            ("add", (np.ones(4, np.float32), 4), "argument 1 is an array on"),
            ("scael", (2.0, 4), "no kernel 'scael'; its kernels are: scale, add, fill, spin"),
        ):
            with pytest.raises(gpu.InvalidLaunch, match=why):
                await scale.ask(Scale.launch, name, *arguments)
        assert (await scale.ask(Scale.scale, np.ones(2, np.float32), 2.0)).tolist() == [2, 2]


async def test_a_launch_of_no_size_or_of_too_large_a_block_is_refused(spec: str) -> None:
    slots = await slots_of(spec)
    async with slots.slot() as slot:
        array = await slot.put(np.ones(4, np.float32))
        for size, block in ((0, None), ((1, 2, 3, 4), None), (4, 1 << 20)):
            with pytest.raises(gpu.InvalidLaunch):
                await slot.launch("scale", size, array, 1.0, 4, block=block)


async def test_dv08_a_device_that_is_full_tells_who_asked_and_the_actor_lives_on(spec: str) -> None:
    async with ap.ActorSystem() as system:
        scale = await system.spawn(Scale)
        with pytest.raises(gpu.OutOfDeviceMemory):
            await scale.ask(Scale.allocate, 1 << 45)
        assert (await scale.ask(Scale.scale, np.ones(2, np.float32), 2.0)).tolist() == [2, 2]


async def test_a_program_that_does_not_compile_says_what_its_compiler_says(spec: str) -> None:
    device = gpu.open_device(spec)
    wrong = gpu.Program({"opencl": "__kernel void f(", "cuda": '#error "this is wrong"\n'}, f="i")
    for _ in range(2):  # it is tried again each time
        with pytest.raises(gpu.CompileError):
            await device.build(wrong)
    absent = gpu.Program(PROGRAM.sources, absent="i")
    with pytest.raises(gpu.CompileError, match="absent"):
        await device.build(absent)


async def test_a_program_without_source_for_the_device_is_refused(spec: str) -> None:
    device = gpu.open_device(spec)
    other = gpu.Program({"cuda" if device.kind == "opencl" else "opencl": "x"}, f="i")
    with pytest.raises(gpu.InvalidLaunch, match=f"no source for {device.kind}"):
        await device.build(other)


async def test_dv03_thousands_of_launches_wait_for_room_while_the_loop_goes_on(spec: str) -> None:
    slots = await slots_of(spec)
    most, turns = 0, 0

    async def watch() -> None:
        nonlocal most, turns
        while True:
            most, turns = max(most, slots.device.in_flight), turns + 1
            await asyncio.sleep(0)

    watching = asyncio.ensure_future(watch())
    async with slots.slot() as slot:
        array = await slot.put(np.zeros(64, np.float32))
        for _ in range(4000):
            await slot.launch("fill", 64, array, 5.0, 64)
        assert (await slot.get(array) == 5).all()
    watching.cancel()
    assert 0 < most <= streams.LIMIT
    assert turns > 10


def cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()


async def test_dv02_a_storm_of_cancellations_mixes_no_memory_up_and_loses_no_slot(spec: str) -> None:
    slots = await slots_of(spec, 3)
    dice = random.Random(1)

    async def job(number: int) -> None:
        host = np.full(20_000, number, np.float32)
        async with slots.slot() as slot:
            array = await slot.put(host)
            await slot.launch("scale", array.size, array, 2.0, array.size)
            result = await slot.get(array)
            assert (result == 2 * number).all(), f"{number}: {np.unique(result)}"

    tasks = [asyncio.ensure_future(job(number)) for number in range(300)]
    while any(not task.done() for task in tasks):
        cancel(dice.sample(tasks, 3))
        await asyncio.sleep(0)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert not [each for each in results if isinstance(each, Exception)]
    await slots.drain()
    del tasks, results
    async with asyncio.timeout(30):  # threads tell of a point later than of one behind it, and refer to what they had
        await turn_until(lambda: not slots.device.in_flight)
        await turn_until(lambda: not gc.collect() and not slots.device.pool.lent)


async def test_an_actor_that_is_killed_leaves_its_device_to_the_others(spec: str) -> None:
    async with ap.ActorSystem() as system:
        doomed, other = await system.spawn(Scale), await system.spawn(Scale)
        asking = [asyncio.ensure_future(doomed.ask(Scale.scale, np.ones(10_000, np.float32), 2.0)) for _ in range(9)]
        await asyncio.sleep(0)
        system.kill(doomed)
        await asyncio.wait(asking)
        for each in asking:
            each.exception()
        assert (await other.ask(Scale.scale, np.ones(2, np.float32), 2.0)).tolist() == [2, 2]


async def test_many_awaits_leave_nothing_behind(spec: str) -> None:
    slots = await slots_of(spec)
    async with slots.slot() as slot:
        await slot.done()
        for _ in range(3000):
            await slot.done()
        await asyncio.gather(*[slot.done() for _ in range(3000)])
    await slots.drain()
    async with asyncio.timeout(30):
        await turn_until(lambda: (slots.device.in_flight, slots.device.busy) == (0, 0))


async def test_a_device_is_opened_once_on_a_loop_and_tells_of_itself(spec: str) -> None:
    device = gpu.open_device(spec)
    assert gpu.open_device(spec) is device
    kept = [device.stream() for _ in range(3)]
    (told,) = figures.figures()
    assert (told.spec, told.streams, told.busy) == (spec, device.streams, 0)
    assert device.streams >= len(kept)
    assert told.memory_total is not None
    assert told.memory_total > 1 << 20


async def test_an_actor_whose_on_start_does_not_call_the_one_above_is_told_so(spec: str) -> None:
    class Forgetful(gpu.GpuActor, device=spec):
        async def on_start(self) -> None:
            self.slot()

    async with ap.ActorSystem() as system:
        with pytest.raises(ap.StartFailed) as failed:
            await system.spawn(Forgetful)
        assert "super().on_start()" in str(failed.value.__cause__)


async def test_what_is_no_array_is_refused(spec: str) -> None:
    slots = await slots_of(spec)
    async with slots.slot() as slot:
        with pytest.raises(gpu.InvalidLaunch, match="takes arrays of numpy"):
            await slot.put([1, 2, 3])  # type: ignore[arg-type]


async def test_a_slot_is_used_inside_its_block(spec: str) -> None:
    slots = await slots_of(spec)
    async with slots.slot() as slot:
        pass
    with pytest.raises(gpu.InvalidDevice, match="async with"):
        await slot.put(np.zeros(3, np.float32))
