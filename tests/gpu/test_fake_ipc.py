"""The fake CUDA driver lends device memory and events to other processes of the host, as the real one does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.gpu.fake import controls
from tests.gpu.fake.lane import ROOT

pytestmark = pytest.mark.over_fake_cuda

N = 1000
NON_BLOCKING = 1


class Owner:
    """A process that owns memory and an event; here are their handles."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.gpu.fake.owner"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )  # fmt: skip
        self.memory, self.event = (bytearray.fromhex(text) for text in self("handles"))

    def __call__(self, *words: str) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(*words, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def end(self) -> None:
        self.process.kill()
        with self.process:
            pass


@pytest.fixture
def owner() -> Iterator[Owner]:
    owner = Owner()
    yield owner
    owner.end()


def read(cuda: Any, memory: Any) -> Any:
    out = np.empty(N, np.float32)
    cuda.memcpy_dtoh(out, int(memory))
    return out


def test_another_process_sees_the_memory_and_writes_to_it(cuda: Any, owner: Owner) -> None:
    owner("fill", "3")
    lent = cuda.IPCMemoryHandle(owner.memory)
    assert (read(cuda, lent) == 3).all()
    cuda.memset_d32(int(lent), 0x40A00000, 1)
    cuda.Context.synchronize()
    assert owner("read") == [5.0, 3.0]
    lent.close()
    assert controls.count("imported") == 0


def test_memory_that_is_opened_twice_is_there_once_and_until_it_is_closed_twice(cuda: Any, owner: Owner) -> None:
    first, second = cuda.IPCMemoryHandle(owner.memory), cuda.IPCMemoryHandle(owner.memory)
    assert (int(first) == int(second), controls.count("imported")) == (True, 1)
    first.close()
    owner("fill", "4")
    assert (read(cuda, second) == 4).all()
    second.close()
    assert controls.count("imported") == 0
    with pytest.raises(cuda.LogicError, match="invalid argument"):
        read(cuda, second)


def test_a_stream_waits_for_an_event_of_another_process(cuda: Any, owner: Owner) -> None:
    owner("fill", "1")
    owner("record_behind_a_gate", "6")
    lent, event = cuda.IPCMemoryHandle(owner.memory), cuda.Event.from_ipc_handle(owner.event)
    stream, out = cuda.Stream(NON_BLOCKING), cuda.pagelocked_zeros(N, np.float32)
    stream.wait_for_event(event)
    cuda.memcpy_dtoh_async(out, int(lent), stream)
    assert (event.query(), stream.is_done(), read(cuda, lent)[0]) == (False, False, 1)
    owner("open_gate")
    stream.synchronize()
    assert event.query()
    assert (out == 6).all()
    lent.close()


def test_a_fault_of_the_owner_does_not_leave_others_waiting_nor_make_them_fail(cuda: Any, owner: Owner) -> None:
    owner("record_behind_a_gate", "6")
    event = cuda.Event.from_ipc_handle(owner.event)
    assert not event.query()
    owner("trap")
    owner("open_gate")
    event.synchronize()
    cuda.Context.synchronize()


def test_a_handle_is_not_opened_by_the_process_that_made_it(cuda: Any) -> None:
    memory = cuda.mem_alloc(64)
    handle = cuda.mem_get_ipc_handle(memory)
    assert len(handle) == 64
    with pytest.raises(cuda.LogicError, match="invalid device context"):
        cuda.IPCMemoryHandle(handle)
    event = cuda.Event(cuda.event_flags.INTERPROCESS | cuda.event_flags.DISABLE_TIMING)
    with pytest.raises(cuda.LogicError, match="invalid device context"):
        cuda.Event.from_ipc_handle(event.ipc_handle())
    with pytest.raises(cuda.LogicError, match="invalid resource handle"):
        cuda.Event().ipc_handle()


def test_what_is_no_handle_is_refused_and_so_is_one_whose_process_has_ended(cuda: Any, owner: Owner) -> None:
    with pytest.raises(cuda.LogicError, match="invalid argument"):
        cuda.IPCMemoryHandle(bytearray(64))
    with pytest.raises(cuda.LogicError, match="invalid argument"):
        cuda.IPCMemoryHandle(owner.event)
    owner.end()
    with pytest.raises(cuda.LogicError, match="invalid resource handle"):
        cuda.IPCMemoryHandle(owner.memory)


def test_memory_of_a_process_that_was_killed_is_there_until_it_is_closed_and_leaves_nothing_behind(
    cuda: Any, owner: Owner
) -> None:
    before = sorted(os.listdir("/dev/shm"))
    owner("fill", "2")
    lent = cuda.IPCMemoryHandle(owner.memory)
    owner.end()
    assert (read(cuda, lent) == 2).all()
    lent.close()
    assert sorted(os.listdir("/dev/shm")) == before


def test_what_its_owner_has_freed_shows_as_poison(cuda: Any, owner: Owner) -> None:
    owner("fill", "2")
    lent = cuda.IPCMemoryHandle(owner.memory)
    owner("free")
    assert np.isnan(read(cuda, lent)).all()
    lent.close()
