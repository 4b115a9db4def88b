"""`gpu.done` with the streams of other libraries, as far as these show themselves, and with what is none."""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import types
from typing import Any

import pytest

from actorpar import gpu
from tests.gpu.fake import controls


def every_form(handle: int) -> dict[str, Any]:
    """A stream as each library shows it."""
    return {
        "a raw handle": handle,
        "torch": types.SimpleNamespace(cuda_stream=handle),
        "cupy": types.SimpleNamespace(ptr=handle),
        "numba": types.SimpleNamespace(handle=ctypes.c_void_p(handle)),
        "cuda.core": types.SimpleNamespace(__cuda_stream__=lambda: (0, handle), handle=object()),
        "cuda.core before 0.2": types.SimpleNamespace(__cuda_stream__=(0, handle)),
    }


@pytest.mark.over_fake_cuda
@pytest.mark.parametrize("form", list(every_form(0)))
async def test_a_stream_of_each_library_is_awaited_by_what_it_shows(cuda: Any, form: str) -> None:
    stream = cuda.Stream(1)
    module = cuda.module_from_buffer(b"FAKE gate\n")
    module.get_function("gate")._launch_kernel((1, 1, 1), (1, 1, 1), (7).to_bytes(4, "little"), 0, stream)
    task = asyncio.ensure_future(gpu.done(every_form(stream.handle)[form]))
    await asyncio.sleep(0)
    assert not task.done()
    controls.open_gate(7)
    await task


@pytest.mark.over_fake_cuda
async def test_a_stream_of_pycuda_is_awaited_as_it_is(cuda: Any) -> None:
    stream = cuda.Stream()
    memory = cuda.mem_alloc(1 << 16)
    host = cuda.pagelocked_empty(1 << 16, "u1")
    host[:] = 3
    back = cuda.pagelocked_empty(1 << 16, "u1")
    cuda.memcpy_htod_async(memory, host, stream)
    cuda.memcpy_dtoh_async(back, memory, stream)
    await gpu.done(stream)
    assert (back == 3).all()


@pytest.mark.over_fake_cuda
async def test_without_a_current_context_the_default_stream_is_refused_with_what_to_do() -> None:
    importlib.import_module("pycuda.driver").init()
    with pytest.raises(gpu.InvalidDevice, match="make a context of CUDA current"):
        await gpu.done(0)


async def test_a_queue_of_pyopencl_is_awaited_as_it_is(opencl: None) -> None:
    cl = importlib.import_module("pyopencl")
    numpy = importlib.import_module("numpy")
    context = cl.Context([next(each for platform in cl.get_platforms() for each in platform.get_devices())])
    queue = cl.CommandQueue(context)
    buffer = cl.Buffer(context, cl.mem_flags.READ_WRITE, 4096)
    host, back = numpy.full(4096, 3, "u1"), numpy.zeros(4096, "u1")
    events = [cl.enqueue_copy(queue, buffer, host, is_blocking=False)]
    events.append(cl.enqueue_copy(queue, back, buffer, is_blocking=False))
    await gpu.done(queue)
    assert (back == 3).all()
    with pytest.raises(gpu.InvalidDevice, match="give the CommandQueue"):
        await gpu.done(context)


async def test_an_event_of_pyopencl_is_awaited_itself(opencl: None) -> None:
    cl = importlib.import_module("pyopencl")
    numpy = importlib.import_module("numpy")
    context = cl.Context([next(each for platform in cl.get_platforms() for each in platform.get_devices())])
    queue = cl.CommandQueue(context)
    buffer = cl.Buffer(context, cl.mem_flags.READ_WRITE, 4096)
    event = cl.enqueue_copy(queue, buffer, numpy.full(4096, 3, "u1"), is_blocking=False)
    await gpu.done(event)
    assert event.command_execution_status == cl.command_execution_status.COMPLETE
    signal = cl.UserEvent(context)  # which has no queue
    waiting = asyncio.ensure_future(gpu.done(signal))
    await asyncio.sleep(0)
    assert not waiting.done()
    signal.set_status(cl.command_execution_status.COMPLETE)
    await waiting


@pytest.mark.parametrize("nonsense", [None, "stream", True, -1, object()])
async def test_what_is_no_stream_is_refused(nonsense: object) -> None:
    with pytest.raises(gpu.InvalidDevice, match="is no stream"):
        await gpu.done(nonsense)


@pytest.mark.parametrize(
    ("sources", "kernels", "why"),
    [
        ({}, {"f": "i"}, "has the source for a kind of device"),
        ({"cuda": "x"}, {}, "and a kernel or more"),
        ({"metal": "x"}, {"f": "i"}, "'metal' is no kind of device"),
        ({"cuda": "x"}, {"f": "Pz"}, "'z' is no argument"),
    ],
)
def test_a_program_says_at_once_what_is_wrong_with_it(sources: Any, kernels: dict[str, str], why: str) -> None:
    with pytest.raises(gpu.InvalidLaunch, match=why):
        gpu.Program(sources, **kernels)
