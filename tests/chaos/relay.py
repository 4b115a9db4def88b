"""A wire between two network namespaces that loses, delays, doubles and reorders packets, and counts what it did.

Each lane is a pair of TUN devices, one in each namespace; a thread carries the packets between them.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import os
import random
import selectors
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

_TUNSETIFF: Final = 0x400454CA
_TUN, _NO_PI = 0x0001, 0x1000
_CLONE_NEWNET: Final = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def open_tun(namespace: str, name: str) -> int:
    """The descriptor of a new TUN device in a namespace."""
    there, here = os.open(f"/run/netns/{namespace}", os.O_RDONLY), os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if _libc.setns(there, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
        try:
            device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TUN | _NO_PI))
            return device
        finally:
            _libc.setns(here, _CLONE_NEWNET)
    finally:
        os.close(there)
        os.close(here)


@dataclass
class Lane:
    """One wire. `near` and `far` are the descriptors of its two ends; the rest says what is wrong with it now."""

    near: int
    far: int
    to_near_cut: bool = False
    to_far_cut: bool = False
    loss: float = 0.0
    delay: float = 0.0
    doubled: float = 0.0
    reordered: float = 0.0
    counted: Counter[str] = field(default_factory=Counter)

    def heal(self) -> None:
        """Nothing is wrong any more."""
        self.to_near_cut = self.to_far_cut = False
        self.loss = self.delay = self.doubled = self.reordered = 0.0


class Relay(threading.Thread):
    """Carries the packets of all lanes until it is stopped."""

    def __init__(self, lanes: list[Lane], seed: int) -> None:
        super().__init__(name="relay", daemon=True)
        self._lanes = lanes
        self._dice = random.Random(seed)
        self._due: list[tuple[float, int, int, bytes]] = []
        self._number = 0
        self.is_over = False

    def run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for lane in self._lanes:
                selector.register(lane.near, selectors.EVENT_READ, (lane, lane.near, lane.far))
                selector.register(lane.far, selectors.EVENT_READ, (lane, lane.far, lane.near))
            while not self.is_over:
                left = self._due[0][0] - time.monotonic() if self._due else 0.05
                for key, _ in selector.select(max(0.0, min(left, 0.05))):
                    self._read(*key.data)
                while self._due and self._due[0][0] <= time.monotonic():
                    _, _, to, packet = heapq.heappop(self._due)
                    self._write(to, packet)

    def _read(self, lane: Lane, source: int, to: int) -> None:
        for _ in range(64):
            try:
                packet = os.read(source, 1 << 16)
            except BlockingIOError:
                return
            lane.counted["packets"] += 1
            if lane.to_far_cut if to == lane.far else lane.to_near_cut:
                lane.counted["cut"] += 1
            elif lane.loss and self._dice.random() < lane.loss:
                lane.counted["lost"] += 1
            else:
                self._carry(lane, to, packet)

    def _carry(self, lane: Lane, to: int, packet: bytes) -> None:
        delay = 0.0
        if lane.delay:
            delay = lane.delay * self._dice.uniform(0.5, 1.5)
            lane.counted["delayed"] += 1
        if lane.doubled and self._dice.random() < lane.doubled:
            lane.counted["doubled"] += 1
            self._later(delay + 0.001, to, packet)
        if lane.reordered and self._dice.random() < lane.reordered:
            lane.counted["reordered"] += 1
            delay += 0.005  # those that come within it overtake this one
        if delay:
            self._later(delay, to, packet)
        else:
            self._write(to, packet)

    def _later(self, delay: float, to: int, packet: bytes) -> None:
        self._number += 1
        heapq.heappush(self._due, (time.monotonic() + delay, self._number, to, packet))

    def _write(self, to: int, packet: bytes) -> None:
        try:
            os.write(to, packet)
        except OSError:  # its queue is full, as that of a switch may be; or the device is down
            pass
