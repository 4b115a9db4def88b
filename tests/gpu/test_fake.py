"""The fake CUDA driver does what the real one promises, as far as tests rely on it. Seen through PyCUDA."""

from __future__ import annotations

import ctypes
import gc
import importlib
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tests.gpu.fake import controls

pytestmark = pytest.mark.over_fake_cuda

N = 1000
NON_BLOCKING = 1
#: The kernels, and how their arguments are packed.
LAYOUTS = {"scale": "Pfi", "fill": "Pfi", "add": "PPi", "gate": "i", "trap": "", "fault": "i"}
HOST_FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class Bench:
    """A module with all kernels, streams, and memory of N floats."""

    def __init__(self, cuda: Any) -> None:
        self.cuda = cuda
        self.module = cuda.module_from_buffer(b"FAKE scale add fill spin gate trap fault\n")
        self.functions = {name: self.module.get_function(name) for name in LAYOUTS}
        self.x = cuda.mem_alloc(4 * N)
        self.raw = ctypes.CDLL("libcuda.so.1")

    def launch(self, name: str, stream: Any, *arguments: Any, threads: int = N) -> None:
        packed = struct.pack(LAYOUTS[name], *arguments)
        self.functions[name]._launch_kernel(((threads + 255) // 256, 1, 1), (256, 1, 1), packed, 0, stream)

    def fill(self, value: float, stream: Any = None) -> None:
        self.launch("fill", stream, int(self.x), value, N)

    def scale(self, by: float, stream: Any = None) -> None:
        self.launch("scale", stream, int(self.x), by, N)

    def pinned(self) -> Any:
        return self.cuda.pagelocked_zeros(N, np.float32)

    def get(self) -> Any:
        out = np.empty(N, np.float32)
        self.cuda.memcpy_dtoh(out, self.x)
        return out

    def in_thread(self, function: Callable[[], object]) -> threading.Thread:
        """Call it on a thread that has the same context current."""
        context = ctypes.c_void_p()
        self.raw.cuCtxGetCurrent(ctypes.byref(context))

        def run() -> None:
            self.raw.cuCtxSetCurrent(context)
            function()

        thread = threading.Thread(target=run)
        thread.start()
        return thread


@pytest.fixture
def bench(cuda: Any) -> Iterator[Bench]:
    bench = Bench(cuda)
    yield bench
    controls.open_gate()  # what it has is given back before `cuda` ends, and waits for the streams
    controls.heal()


# -- order


def test_a_stream_does_its_work_in_the_order_in_which_it_was_given(bench: Bench) -> None:
    stream = bench.cuda.Stream(NON_BLOCKING)
    out = bench.pinned()
    bench.launch("gate", stream, 0)
    bench.fill(1, stream)
    for _ in range(10):
        bench.scale(2, stream)
    bench.cuda.memcpy_dtoh_async(out, bench.x, stream)
    assert not stream.is_done()
    assert out.max() == 0
    controls.open_gate(0)
    stream.synchronize()
    assert (out == 1024).all()


def test_a_stream_that_waits_for_an_event_goes_on_when_the_other_stream_has_come_there(bench: Bench) -> None:
    first, second = bench.cuda.Stream(NON_BLOCKING), bench.cuda.Stream(NON_BLOCKING)
    event = bench.cuda.Event()
    bench.launch("gate", first, 0)
    bench.fill(5, first)
    event.record(first)
    bench.launch("gate", first, 1)
    second.wait_for_event(event)
    bench.scale(2, second)
    assert (event.query(), second.is_done()) == (False, False)
    controls.open_gate(0)
    second.synchronize()
    assert (event.query(), first.is_done()) == (True, False)
    controls.open_gate(1)
    assert (bench.get() == 10).all()


def test_waiting_for_an_event_means_what_was_recorded_before_and_nothing_if_it_never_was(bench: Bench) -> None:
    held, free = bench.cuda.Stream(NON_BLOCKING), bench.cuda.Stream(NON_BLOCKING)
    event = bench.cuda.Event()
    assert event.query()
    free.wait_for_event(event)
    bench.launch("gate", held, 0)
    event.record(held)
    free.synchronize()
    assert not event.query()


def test_the_null_stream_and_streams_that_may_block_wait_for_each_other(bench: Bench) -> None:
    blocking, free = bench.cuda.Stream(), bench.cuda.Stream(NON_BLOCKING)
    bench.launch("gate", blocking, 0)
    bench.fill(1)
    bench.scale(4, blocking)
    bench.launch("gate", free, 1)
    assert not blocking.is_done()
    controls.open_gate(0)
    assert (bench.get() == 4).all()
    assert not free.is_done()


def test_what_is_in_a_stream_is_done_though_the_stream_is_destroyed(bench: Bench) -> None:
    stream, event = bench.cuda.Stream(NON_BLOCKING), bench.cuda.Event()
    bench.launch("gate", stream, 0)
    bench.fill(7, stream)
    event.record(stream)
    del stream
    gc.collect()
    another = bench.cuda.Stream(NON_BLOCKING)
    another.synchronize()
    controls.open_gate(0)
    event.synchronize()
    assert (bench.get() == 7).all()


def test_events_tell_how_long_it_took_unless_they_were_made_without_a_time(bench: Bench) -> None:
    cuda = bench.cuda
    start, end, untimed = cuda.Event(), cuda.Event(), cuda.Event(cuda.event_flags.DISABLE_TIMING)
    with pytest.raises(cuda.LogicError, match="invalid resource handle"):
        start.time_till(end)
    for event in (start, end, untimed):
        event.record()
    untimed.synchronize()
    assert start.time_till(end) >= 0
    with pytest.raises(cuda.LogicError, match="invalid resource handle"):
        start.time_till(untimed)
    with pytest.raises(cuda.LogicError, match="invalid argument"):
        cuda.Event(cuda.event_flags.INTERPROCESS)


# -- the host


def test_a_host_function_is_called_in_its_turn(bench: Bench) -> None:
    stream = bench.cuda.Stream(NON_BLOCKING)
    seen: list[tuple[int, float]] = []
    out = bench.pinned()
    function = HOST_FUNCTION(lambda data: seen.append((data, float(out[0]))))
    bench.fill(2, stream)
    bench.cuda.memcpy_dtoh_async(out, bench.x, stream)
    assert bench.raw.cuLaunchHostFunc(ctypes.c_void_p(stream.handle), function, ctypes.c_void_p(41)) == 0
    stream.synchronize()
    assert seen == [(41, 2.0)]


def test_a_call_waits_while_1024_pieces_of_work_are_in_the_queue(bench: Bench) -> None:
    stream = bench.cuda.Stream(NON_BLOCKING)
    handle, nothing = ctypes.c_void_p(stream.handle), ctypes.cast(ctypes.CDLL(None).free, ctypes.c_void_p)
    bench.launch("gate", stream, 0)
    for _ in range(1023):
        bench.raw.cuLaunchHostFunc(handle, nothing, None)
    assert (controls.count("queued"), controls.count("blocked")) == (1024, 0)
    thread = bench.in_thread(lambda: bench.raw.cuLaunchHostFunc(handle, nothing, None))
    controls.await_count("blocked", 1)
    controls.open_gate(0)
    thread.join()
    stream.synchronize()
    assert (controls.count("queued"), controls.count("blocked")) == (0, 0)


# -- faults


def test_after_a_fault_every_call_fails_and_nothing_that_was_queued_is_done(bench: Bench) -> None:
    cuda, stream = bench.cuda, bench.cuda.Stream(NON_BLOCKING)
    bench.fill(1, stream)
    stream.synchronize()
    bench.launch("gate", stream, 0)
    bench.launch("trap", stream)
    bench.fill(2, stream)
    controls.open_gate(0)
    with pytest.raises(cuda.LogicError, match="illegal memory access"):
        stream.synchronize()
    waits = [stream.is_done, stream.synchronize, cuda.Context.synchronize]
    for call in [*waits, cuda.Event, lambda: cuda.mem_alloc(4), lambda: bench.fill(3, stream)]:
        with pytest.raises(cuda.LogicError, match="illegal memory access"):
            call()
    assert cuda.Device(0).name() == "Fake device 0"
    controls.heal()
    assert (bench.get() == 1).all()


def test_a_fault_on_one_stream_ends_what_waits_on_others(bench: Bench) -> None:
    cuda, held, faulty = bench.cuda, bench.cuda.Stream(NON_BLOCKING), bench.cuda.Stream(NON_BLOCKING)
    event = cuda.Event()
    bench.launch("gate", held, 0)
    event.record(held)
    bench.launch("fault", faulty, 719)
    with pytest.raises(cuda.LaunchError, match="unspecified launch failure"):
        event.synchronize()


def test_after_a_fault_a_host_function_is_not_called_but_a_callback_is_and_is_told(bench: Bench) -> None:
    stream = bench.cuda.Stream(NON_BLOCKING)
    handle = ctypes.c_void_p(stream.handle)
    called: list[str | int] = []
    function = HOST_FUNCTION(lambda data: called.append("host function"))
    callback = CALLBACK(lambda stream, status, data: called.append(status))
    bench.launch("gate", stream, 0)
    bench.launch("trap", stream)
    bench.raw.cuLaunchHostFunc(handle, function, None)
    bench.raw.cuStreamAddCallback(handle, callback, None, 0)
    controls.open_gate(0)
    with pytest.raises(bench.cuda.LogicError):
        stream.synchronize()
    controls.await_count("queued", 0)
    assert called == [700]


def test_without_a_current_context_calls_fail(bench: Bench) -> None:
    context = ctypes.c_void_p()
    bench.raw.cuCtxPopCurrent_v2(ctypes.byref(context))
    try:
        for call in (bench.cuda.Context.synchronize, lambda: bench.cuda.mem_alloc(4), bench.cuda.Event):
            with pytest.raises(bench.cuda.LogicError, match="invalid device context"):
                call()
    finally:
        bench.raw.cuCtxPushCurrent_v2(context)


def test_a_launch_with_arguments_missing_or_of_no_kernel_or_shape_is_refused(bench: Bench) -> None:
    cuda = bench.cuda
    packed = struct.pack("Pfi", int(bench.x), 1.0, N)
    for grid, block, arguments in ((1, 256, packed[:-1]), (0, 1, packed), (1, 2048, packed)):
        with pytest.raises(cuda.LogicError, match="invalid argument"):
            bench.functions["scale"]._launch_kernel((grid, 1, 1), (block, 1, 1), arguments, 0, None)
    with pytest.raises(cuda.LaunchError, match="too many resources"):
        bench.functions["scale"]._launch_kernel((1, 1, 1), (256, 1, 1), packed + packed, 0, None)
    with pytest.raises(cuda.LogicError, match="named symbol not found"):
        bench.module.get_function("no_such_kernel")
    with pytest.raises(cuda.LogicError, match="kernel image is invalid"):
        cuda.module_from_buffer(b"\x7fELF")


def test_a_source_is_compiled_by_what_stands_for_nvcc(cuda: Any, tmp_path: Any) -> None:
    compiler: Any = importlib.import_module("pycuda.compiler")
    source = "__global__ void scale(float *x, float a, int n) { x[threadIdx.x] *= a; }  // not void add("
    module = compiler.SourceModule(source, arch="sm_90", cache_dir=str(tmp_path))
    assert module.get_function("scale") is not None
    with pytest.raises(cuda.LogicError, match="named symbol not found"):
        module.get_function("add")
    with pytest.raises(cuda.CompileError, match="expected a"):
        compiler.compile("__global__ void scale() {", arch="sm_90", cache_dir=str(tmp_path))


# -- memory


def test_memory_has_an_end_and_what_is_left_is_told(bench: Bench) -> None:
    cuda = bench.cuda
    free, total = cuda.mem_get_info()
    assert total == 1 << 30
    held = cuda.mem_alloc(600 << 20)
    assert cuda.mem_get_info()[0] == free - (600 << 20)
    with pytest.raises(cuda.MemoryError, match="out of memory"):
        cuda.mem_alloc(600 << 20)
    held.free()
    assert cuda.mem_get_info()[0] == free
    cuda.mem_alloc(600 << 20).free()


def test_a_function_can_be_made_to_fail(bench: Bench) -> None:
    controls.fail("cuStreamCreate", 400)
    with pytest.raises(bench.cuda.LogicError, match="cuStreamCreate failed: invalid resource handle"):
        bench.cuda.Stream()
    bench.cuda.Stream()
    controls.fail("cuMemAlloc", 2, times=2)
    with pytest.raises(bench.cuda.MemoryError, match="out of memory"):
        bench.cuda.mem_alloc(4)
    bench.cuda.mem_alloc(4).free()


def test_a_kernel_that_uses_freed_memory_faults_and_a_copy_is_refused(bench: Bench) -> None:
    cuda, memory = bench.cuda, bench.cuda.mem_alloc(4 * N)
    stale = int(memory)
    memory.free()
    with pytest.raises(cuda.LogicError, match="invalid argument"):
        cuda.memcpy_dtoh(np.empty(N, np.float32), stale)
    bench.launch("scale", None, stale, 2.0, N)
    with pytest.raises(cuda.LogicError, match="illegal memory access"):
        cuda.Context.synchronize()


def test_freeing_waits_for_the_streams(bench: Bench) -> None:
    stream, out = bench.cuda.Stream(NON_BLOCKING), bench.pinned()
    memory = ctypes.c_uint64()
    assert bench.raw.cuMemAlloc_v2(ctypes.byref(memory), ctypes.c_size_t(4 * N)) == 0
    bench.launch("gate", stream, 0)
    bench.launch("fill", stream, memory.value, 8.0, N)
    bench.cuda.memcpy_dtoh_async(out, memory.value, stream)
    thread = bench.in_thread(lambda: bench.raw.cuMemFree_v2(memory))
    assert thread.is_alive()
    controls.open_gate(0)
    thread.join()
    assert (out == 8).all()


def test_a_kernel_works_on_as_many_elements_as_it_has_threads(bench: Bench) -> None:
    bench.fill(1)
    bench.launch("fill", None, int(bench.x), 2.0, N, threads=256)
    assert (bench.get()[:256] == 2).all()
    assert (bench.get()[256:] == 1).all()


def test_a_copy_to_the_device_takes_pinned_memory_when_its_turn_comes_and_other_memory_at_once(bench: Bench) -> None:
    stream = bench.cuda.Stream(NON_BLOCKING)
    for memory, seen in ((np.zeros(N, np.float32), 0), (bench.pinned(), 9)):
        controls.close_gate(0)
        bench.launch("gate", stream, 0)
        bench.cuda.memcpy_htod_async(bench.x, memory, stream)
        memory[:] = 9
        controls.open_gate(0)
        stream.synchronize()
        assert (bench.get() == seen).all()


def test_a_copy_from_the_device_waits_unless_the_memory_is_pinned(bench: Bench) -> None:
    stream, pinned, plain = bench.cuda.Stream(NON_BLOCKING), bench.pinned(), np.zeros(N, np.float32)
    bench.launch("gate", stream, 0)
    bench.fill(6, stream)
    bench.cuda.memcpy_dtoh_async(pinned, bench.x, stream)
    assert pinned.max() == 0
    thread = bench.in_thread(lambda: bench.cuda.memcpy_dtoh_async(plain, bench.x, stream))
    controls.await_count("queued", 4)
    assert thread.is_alive()
    controls.open_gate(0)
    thread.join()
    assert (plain == 6).all()
    assert (pinned == 6).all()


def test_what_was_made_is_counted_until_it_is_gone(cuda: Any) -> None:
    made = {"allocations": 1, "bytes": 4096, "pinned": 1, "streams": 1, "events": 1, "modules": 1}
    before = {kind: controls.count(kind) for kind in made}
    bench = Bench(cuda)
    kept = [bench.pinned(), cuda.Stream(), cuda.Event()]
    assert {kind: controls.count(kind) - before[kind] for kind in made} == made
    del bench, kept
    gc.collect()
    assert {kind: controls.count(kind) for kind in made} == before


def test_a_context_that_ends_takes_all_with_it_and_leaves_nothing_waiting(cuda: Any) -> None:
    kinds = ("allocations", "streams", "gates", "queued")
    before = [controls.count(kind) for kind in kinds]
    raw = ctypes.CDLL("libcuda.so.1")
    context, stream, module, gate = (ctypes.c_void_p() for _ in range(4))
    memory, which = ctypes.c_uint64(), ctypes.c_int(0)
    raw.cuCtxCreate_v4(ctypes.byref(context), None, 0, 1)
    assert raw.cuStreamCreate(ctypes.byref(stream), NON_BLOCKING) == 0
    assert raw.cuMemAlloc_v2(ctypes.byref(memory), ctypes.c_size_t(64)) == 0
    assert raw.cuModuleLoadData(ctypes.byref(module), b"FAKE gate") == 0
    assert raw.cuModuleGetFunction(ctypes.byref(gate), module, b"gate") == 0
    pointers = (ctypes.c_void_p * 1)(ctypes.addressof(which))
    assert raw.cuLaunchKernel(gate, 1, 1, 1, 1, 1, 1, 0, stream, pointers, None) == 0
    controls.await_count("gates", 1)
    assert raw.cuCtxDestroy_v2(context) == 0
    assert [controls.count(kind) for kind in kinds] == before
    assert raw.cuCtxPushCurrent_v2(context) == 0
    assert raw.cuCtxSynchronize() == 709
    raw.cuCtxPopCurrent_v2(None)
