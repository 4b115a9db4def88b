"""Arrays of devices go to other nodes: through their links, part by part."""

from __future__ import annotations

import asyncio
import gc

import msgspec
import numpy as np
import pytest

import actorpar as ap
from actorpar import gpu
from actorpar.gpu import crossing
from actorpar.gpu.crossing import ArrayCarrier
from actorpar.nodes.errors import CodecError
from tests.gpu.devices import turn_until
from tests.gpu.travelling import Between, Sink, Source
from tests.remote.systems import systems

pytestmark = pytest.mark.parametrize(
    "spec",
    [
        pytest.param("opencl:0", id="opencl"),
        pytest.param("cuda:0", id="fake", marks=pytest.mark.over_fake_cuda),
        pytest.param("cuda:0", id="cuda", marks=pytest.mark.gpu),
    ],
    indirect=True,
)
SERVES = ("tests.gpu",)


@pytest.fixture(autouse=True)
def parts(monkeypatch: pytest.MonkeyPatch) -> int:
    """Parts are small, so that an array of the tests has many."""
    monkeypatch.setattr("actorpar.gpu.staging.CHUNK", 1 << 16)
    return 1 << 16


@pytest.mark.parametrize("size", [1, 1000, 16_384, 300_001])
async def test_an_array_is_used_on_another_node_in_each_way(spec: str, size: int) -> None:
    async with systems(2, SERVES) as both:
        source = await both.here.spawn(Source)
        sink = await both.here.spawn(Sink, on="n1")
        array = await source.ask(Source.made, size, 3.0)
        assert (await sink.ask(Sink.doubled, array)).tolist() == [6.0] * size
        assert (await sink.ask(Sink.plain, array)).tolist() == [3.0] * size
        assert await sink.ask(Sink.put, array) == 3.0
        assert (await sink.ask(Sink.host, array)).tolist() == [3.0] * size
        back = await (await both.here.spawn(Source, on="n1")).ask(Source.made, size, 4.0)
        assert (await back.to_host()).tolist() == [4.0] * size


async def test_arrays_go_through_a_channel_in_their_order(spec: str) -> None:
    async with systems(2, SERVES) as both:
        source, sink = await both.here.spawn(Source), await both.here.spawn(Sink, on="n1")
        tx, rx = ap.open_channel[gpu.DeviceArray](3)
        _, found = await asyncio.gather(source.ask(Source.send, 12, 40_000, tx), sink.ask(Sink.all, rx))
        assert found == [float(number) for number in range(12)]


async def test_an_array_that_was_not_used_goes_on_to_a_third_node_as_it_came(spec: str) -> None:
    async with systems(3, SERVES) as three:
        source = await three.here.spawn(Source)
        sink = await three.here.spawn(Sink, on="n2")
        between = await three.here.spawn(Between, sink, on="n1")
        array = await source.ask(Source.made, 100_000, 5.0)
        assert (await between.ask(Between.doubled, array) == 10.0).all()


async def test_an_array_that_nobody_uses_is_let_go_at_both_ends(spec: str) -> None:
    async with systems(2, SERVES) as both:
        source, sink = await both.here.spawn(Source), await both.here.spawn(Sink, on="n1")
        array = await source.ask(Source.made, 300_000, 1.0)
        await sink.ask(Sink.dropped, array)
        del array
        await turn_until(lambda: gc.collect() is not None and not crossing._SENDING)


async def test_an_array_of_a_node_that_is_lost_has_not_come_whole(spec: str) -> None:
    async with systems(2, SERVES) as both:
        source = await both.here.spawn(Source, on="n1")
        array = await source.ask(Source.made, 300_000, 1.0)
        await both.lose(1)
        with pytest.raises(gpu.ArrayLost, match="of the 1200000 bytes"):
            await array.to_host()


async def test_an_array_of_a_device_that_is_lost_has_not_come_whole(spec: str) -> None:
    async with systems(2, SERVES) as both:
        sink = await both.here.spawn(Sink, on="n1")
        source = await both.here.spawn(Source)
        array = await source.ask(Source.made, 300_000, 1.0)
        arriving = asyncio.ensure_future(sink.ask(Sink.host, array))
        await turn_until(lambda: crossing._SENDING)
        array.device.lose(gpu.DeviceLost("it burns"))
        with pytest.raises(ap.HandlerFailed) as failed:
            await arriving
        assert "ArrayLost" in repr(failed.value.__cause__)


async def test_an_array_on_no_device_says_what_to_do_and_one_to_the_host_needs_none(spec: str) -> None:
    async with systems(2, SERVES) as both:
        array = await (await both.here.spawn(Source, on="n1")).ask(Source.made, 10, 1.0)
        with pytest.raises(gpu.InvalidDevice, match="is used in a slot first"):
            array.device.check()
        assert "that has arrived" in repr(array)
        assert (await array.to_host()).tolist() == [1.0] * 10


async def test_two_who_use_an_array_at_a_time_bring_it_once_and_a_cancelled_one_harms_none(spec: str) -> None:
    async with systems(2, SERVES) as both:
        array = await (await both.here.spawn(Source, on="n1")).ask(Source.made, 300_000, 2.0)
        slots = gpu.Slots(gpu.open_device(spec), {}, 3)

        async def get() -> float:
            async with slots.slot() as slot:
                return float((await slot.get(array)).sum())

        doomed, one, two = (asyncio.ensure_future(get()) for _ in range(3))
        await asyncio.sleep(0)
        doomed.cancel()
        assert list(await asyncio.gather(one, two)) == [600_000.0, 600_000.0]
        await asyncio.wait([doomed])
        assert array.device is slots.device


@pytest.mark.parametrize(
    ("dtype", "shape", "why"),
    [
        ("|O8", [3], "only plain numbers"),
        ("<f4", [-3], "makes no sense"),
        ("<f4", [1] * 33, "makes no sense"),
        ("<f8", [1 << 30, 1 << 30], "larger than the memory"),
        ("<f99", [1], "no type of numbers"),
        ("<M8[s]", [1], "only plain numbers"),
    ],
)
async def test_a_ticket_that_makes_no_sense_is_refused(spec: str, dtype: str, shape: list[int], why: str) -> None:
    data = msgspec.msgpack.encode([dtype, shape, b"", b"", None])
    with pytest.raises(CodecError, match=why):
        ArrayCarrier().arrive(data, lambda declared, end: pytest.fail("it was accepted"))
    with pytest.raises(CodecError, match="describes no array"):
        ArrayCarrier().arrive(data + b"\x01", lambda declared, end: None)


@pytest.mark.parametrize("parts_of_it", [[10, 30], [50], [10, 31], [0, 40]])
async def test_more_or_less_than_the_ticket_tells_of_is_an_array_lost(spec: str, parts_of_it: list[int]) -> None:
    tx, rx = ap.open_channel[crossing.Part](4)
    data = msgspec.msgpack.encode(["<f4", [10], b"", b"", None])
    array = ArrayCarrier().arrive(data, lambda declared, end: rx)
    for size in parts_of_it:
        await tx.send(np.zeros(size, np.uint8))
    tx.close()
    if sum(parts_of_it) == 40 and all(parts_of_it):
        assert (await array.to_host()).shape == (10,)
    else:
        with pytest.raises(gpu.ArrayLost):
            await array.to_host()
