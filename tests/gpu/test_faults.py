"""What becomes of faults, cancellation and deadlines: PyCUDA over the fake driver, whose kernels fail when asked to."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import actorpar as ap
from actorpar import gpu
from actorpar.gpu import completion
from tests.gpu.devices import turn_until
from tests.gpu.fake import controls

pytestmark = pytest.mark.over_fake_cuda

PROGRAM = gpu.Program(
    {"cuda": 'extern "C" {\n' + "".join(
        f"__global__ void {name}() {{}}\n" for name in ("scale", "fill", "gate", "trap", "fault")
    ) + "}"},
    scale="Pfi", fill="Pfi", gate="i", trap="", fault="i",
)  # fmt: skip


@pytest.fixture(autouse=True)
def healed() -> Iterator[None]:
    """Gates are shut when a test begins; after it nothing is lost, and nothing waits."""
    controls.close_gate()
    yield
    controls.open_gate()
    controls.heal()
    gc.collect()


async def slots_of(count: int = 2) -> gpu.Slots:
    device = gpu.open_device("cuda:0")
    return gpu.Slots(device, await device.build(PROGRAM), count)


@pytest.mark.parametrize("code", [700, 719, 710, 214])
async def test_dv06_a_fault_fails_what_waits_for_it_and_every_later_use(code: int) -> None:
    slots = await slots_of()
    async with slots.slot() as slot:
        await slot.launch("fault", 1, code)
        with pytest.raises(gpu.DeviceLost, match=rf"CUDA error {code}"):
            await slot.done()
        with pytest.raises(gpu.DeviceLost):
            await slot.put(np.zeros(4, np.float32))
    assert slots.device.lost is not None
    async with slots.slot() as slot:  # a slot is had at once, and every use of it fails
        with pytest.raises(gpu.DeviceLost):
            await slot.launch("trap", 1)


async def test_dv06_a_hundred_waits_on_many_streams_all_fail_with_one_fault() -> None:
    slots = await slots_of(10)

    async def wait(number: int) -> None:
        async with slots.slot() as slot:
            await slot.launch("gate", 1, 1)
            if number == 9:
                await slot.launch("trap", 1)
            await asyncio.gather(*[slot.done() for _ in range(10)])

    waits = [asyncio.ensure_future(wait(number)) for number in range(10)]
    await asyncio.sleep(0)
    await turn_until(lambda: slots.device.busy == 10)
    controls.open_gate()
    await asyncio.wait(waits)
    assert [type(each.exception()) for each in waits if each.exception()] == [gpu.DeviceLost] * sum(
        each.exception() is not None for each in waits
    )
    assert isinstance(waits[9].exception(), gpu.DeviceLost)
    assert completion.completions().pending == 0


async def test_a_fault_behind_work_that_is_awaited_without_work_of_its_own_is_seen() -> None:
    slots = await slots_of()
    stream = slots.device.stream()
    async with slots.slot() as slot:
        await slot.launch("gate", 1, 1)
        await slot.launch("trap", 1)
        waiting = asyncio.ensure_future(slot.done())
        await asyncio.sleep(0)
        controls.open_gate()
        with pytest.raises(gpu.DeviceLost):
            await waiting
    with pytest.raises(gpu.DeviceLost):
        await stream.done()


async def test_done_on_a_raw_handle_sees_the_fault_too() -> None:
    slots = await slots_of()
    stream = slots.device.stream()
    await gpu.done(stream.handle)
    async with slots.slot() as slot:
        await slot.launch("trap", 1)
        with pytest.raises(gpu.DeviceLost):
            await gpu.done(slot.stream.handle)


async def test_dv02_a_cancelled_job_gives_slot_and_memory_back_when_the_device_is_done_and_not_before() -> None:
    slots = await slots_of(1)

    async def job() -> None:
        async with slots.slot() as slot:
            array = await slot.put(np.ones(1000, np.float32))
            await slot.launch("gate", 1, 1)
            await slot.launch("scale", 1000, array, 2.0, 1000)
            await slot.get(array)

    task = asyncio.ensure_future(job())
    await turn_until(lambda: slots.device.in_flight >= 4)
    allocations = controls.count("allocations")
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    entering = asyncio.ensure_future(slots.slot().__aenter__())
    for _ in range(50):
        await asyncio.sleep(0)
    assert not entering.done()
    assert slots.device.pool.lent > 0
    assert controls.count("allocations") == allocations
    controls.open_gate()
    slot = await entering
    await slot.__aexit__(None, None, None)
    await slots.drain()
    del task
    gc.collect()
    assert slots.device.pool.lent == 0


async def test_dv04_whoever_is_handed_an_array_waits_for_the_work_on_it_and_for_no_later_work() -> None:
    slots = await slots_of(1)
    others = gpu.Slots(slots.device, slots.kernels, 1)
    async with slots.slot() as slot:
        array = await slot.empty(100, np.float32)
        await slot.launch("gate", 1, 1)
        await slot.launch("fill", 100, array, 3.0, 100)
    entering = asyncio.ensure_future(others.slot().__aenter__())
    other = await entering
    getting = asyncio.ensure_future(other.get(array))
    await turn_until(lambda: other.stream.in_flight)
    done, _ = await asyncio.wait([getting], timeout=0.1)
    assert not done
    controls.open_gate(1)
    async with slots.slot() as slot:
        await slot.launch("gate", 1, 2)  # which stays shut
        assert (await getting == 3.0).all()
        await other.__aexit__(None, None, None)


async def test_the_streams_of_an_actor_that_is_gone_are_used_again() -> None:
    slots = await slots_of(3)
    device = slots.device
    handles = {stream.handle for stream in device._streams}
    del slots
    gc.collect()
    again = gpu.Slots(device, {}, 3)
    assert {stream.handle for stream in device._streams} == handles
    await again.drain()


async def test_a_job_that_is_killed_with_its_actor_holds_nothing_up() -> None:
    class Gated(gpu.GpuActor, slots=1, device="cuda:0"):
        program = PROGRAM

        async def run(self) -> None:
            async with self.slot() as slot:
                await slot.launch("gate", 1, 1)
                await slot.done()

    async with ap.ActorSystem() as system:
        ref = await system.spawn(Gated)
        asking = asyncio.ensure_future(ref.ask(Gated.run))
        device = gpu.open_device("cuda:0")
        await turn_until(lambda: device.busy)
        system.kill(ref)
        await asyncio.wait([asking])
        assert isinstance(asking.exception(), ap.ActorDead)
        controls.open_gate()
        await turn_until(lambda: not device.busy)


async def test_work_that_takes_longer_than_it_may_is_a_device_hung_and_the_device_is_lost() -> None:
    slots = await slots_of()
    async with slots.slot() as slot:
        await slot.launch("gate", 1, 1)
        with pytest.raises(gpu.DeviceHung, match="only the end of the process"):
            await slot.done(timeout=0.01)
    assert isinstance(slots.device.lost, gpu.DeviceHung)


async def test_a_driver_that_refuses_to_tell_refuses_the_wait_and_nothing_is_kept() -> None:
    slots = await slots_of()
    async with slots.slot() as slot:
        await slot.done()
        controls.fail("cuLaunchHostFunc", 1, 1)
        with pytest.raises(gpu.WorkFailed, match="cuLaunchHostFunc"):
            await slot.done()
        await slot.done()
    await slots.drain()
    assert completion.completions().pending == 0


async def test_dv03_a_full_launch_queue_and_waits_behind_it_end() -> None:
    """With a callback in Python this is a deadlock: the driver's thread waits for the GIL, which a launch holds."""
    slots = await slots_of(1)
    device = slots.device
    stream, kernels = device.stream(), slots.kernels
    array = device.empty(64, np.float32)
    waits = []
    for number in range(4000):  # past its room, as no slot does
        stream.launch(kernels["fill"], 64, (array, 1.0, 64))
        if number % 100 == 0:
            waits.append(asyncio.ensure_future(gpu.done(stream)))
            await asyncio.sleep(0)
    await asyncio.gather(*waits)
    await stream.done()
    assert stream.in_flight == 0


async def test_an_actor_on_a_lost_device_fails_and_the_one_that_asked_is_told() -> None:
    class Faulty(gpu.GpuActor, device="cuda:0"):
        program = PROGRAM

        async def fault(self) -> None:
            async with self.slot() as slot:
                await slot.launch("trap", 1)
                await slot.done()

    async with ap.ActorSystem() as system:
        ref = await system.spawn(Faulty)
        with pytest.raises(ap.HandlerFailed) as failed:
            await ref.ask(Faulty.fault)
        assert isinstance(failed.value.__cause__, gpu.DeviceLost)
        with pytest.raises(ap.StartFailed):  # in this process the device does not come back
            await system.spawn(Faulty)


def test_dv11_the_context_is_current_while_a_loop_has_the_device_and_not_after_it() -> None:
    from actorpar.gpu.driver import driver

    async def main() -> None:
        slots = await slots_of()
        async with slots.slot() as slot:
            await slot.get(await slot.put(np.ones(3)))
        assert driver().context() == slots.device.context[1]  # type: ignore[index]

    for _ in range(3):
        asyncio.run(main())
        assert driver().context() == 0


def test_dv11_a_loop_that_ends_with_work_under_way_leaves_all_of_it_where_it_is() -> None:
    async def main() -> None:
        slots = await slots_of()
        async with slots.slot() as slot:
            array = await slot.put(np.ones(100, np.float32))
            await slot.launch("gate", 1, 1)
            await slot.launch("scale", 100, array, 2.0, 100)

    left = len(completion.Ring._left)
    asyncio.run(main())
    assert len(completion.Ring._left) == left + 1
    controls.open_gate()
    controls.await_count("queued", 0)


async def test_an_array_that_dies_on_another_thread_gives_its_memory_back_on_that_of_the_loop() -> None:
    slots = await slots_of()
    arrays = [slots.device.empty(1000, np.float32)]
    active = slots.device._pool.active_blocks  # type: ignore[attr-defined]
    thread = threading.Thread(target=arrays.clear)
    thread.start()
    thread.join()
    await turn_until(lambda: slots.device._pool.active_blocks == active - 1)  # type: ignore[attr-defined]


def test_dv11_an_array_that_outlives_its_loop_has_given_its_memory_back_with_it() -> None:
    async def main() -> gpu.DeviceArray:
        slots = await slots_of()
        async with slots.slot() as slot:
            array = await slot.put(np.ones(1000, np.float32))
            await slot.done()
        await slots.drain()
        return array

    before = controls.count("allocations")  # of devices that were lost, whose memory nobody gives back
    array = asyncio.run(main())
    assert controls.count("allocations") == before
    del array
    gc.collect()


async def test_a_second_device_of_cuda_on_a_loop_is_refused_and_where_it_belongs_is_said() -> None:
    first = gpu.open_device("cuda:0")
    with pytest.raises(gpu.InvalidDevice, match="cannot be used beside"):
        gpu.open_device("cuda:1")
    assert gpu.open_device("cuda") is first


def test_two_loops_in_two_threads_use_the_device_side_by_side() -> None:
    results = []

    def run() -> None:
        async def main() -> None:
            slots = await slots_of()
            for number in range(50):
                async with slots.slot() as slot:
                    array = await slot.put(np.full(100, number, np.float32))
                    await slot.launch("scale", 100, array, 2.0, 100)
                    results.append(float((await slot.get(array))[0]) == 2.0 * number)

        asyncio.run(main())

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 100


def in_a_child(call: Callable[[], object]) -> str:
    """What it raises in a process that is forked from this one."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            call()
        except gpu.DeviceLost as error:
            os.write(write, str(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as told:
        text = told.read()
    os.waitpid(pid, 0)
    return text


def test_dv11_after_a_fork_the_child_is_told_to_use_spawn() -> None:
    async def main() -> str:
        device = gpu.open_device("cuda:0")
        text = in_a_child(device.check)
        device.check()
        return text

    assert "start processes by spawn" in asyncio.run(main())
