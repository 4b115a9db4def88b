"""A process that owns device memory and an event, and does what the lines of its input say; see test_fake_ipc.py.

Each line is a name of a function below and its arguments; the answer is a line of JSON.
"""

from __future__ import annotations

import importlib
import json
import struct
import sys
from typing import Any

from tests.gpu.fake import controls

N = 1000


class Owner:
    def __init__(self, cuda: Any) -> None:
        self.cuda = cuda
        flags = cuda.event_flags
        self.stream = cuda.Stream(1)
        self.event = cuda.Event(flags.INTERPROCESS | flags.DISABLE_TIMING)
        self.memory = cuda.mem_alloc(4 * N)
        self.module = cuda.module_from_buffer(b"FAKE fill gate trap")

    def _launch(self, name: str, packed: bytes) -> None:
        self.module.get_function(name)._launch_kernel((4, 1, 1), (256, 1, 1), packed, 0, self.stream)

    def handles(self) -> list[str]:
        return [self.cuda.mem_get_ipc_handle(self.memory).hex(), self.event.ipc_handle().hex()]

    def fill(self, value: str) -> None:
        self._launch("fill", struct.pack("Pfi", int(self.memory), float(value), N))
        self.stream.synchronize()

    def record_behind_a_gate(self, value: str) -> None:
        self._launch("gate", struct.pack("i", 0))
        self._launch("fill", struct.pack("Pfi", int(self.memory), float(value), N))
        self.event.record(self.stream)

    def trap(self) -> None:
        self._launch("trap", b"")

    def open_gate(self) -> None:
        controls.open_gate(0)

    def free(self) -> None:
        self.memory.free()

    def read(self) -> list[float]:
        data = bytearray(8)
        self.cuda.memcpy_dtoh(data, self.memory)
        return list(struct.unpack("ff", data))


def main() -> None:
    cuda: Any = importlib.import_module("pycuda.driver")
    cuda.init()
    context = cuda.Device(0).retain_primary_context()
    context.push()
    owner = Owner(cuda)
    for line in sys.stdin:
        name, *arguments = line.split()
        print(json.dumps(getattr(owner, name)(*arguments)), flush=True)
    del owner
    context.pop()


if __name__ == "__main__":
    main()
