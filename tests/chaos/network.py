"""Namespaces for the campaign: one for the controller, one for each other node, and wires between them."""

from __future__ import annotations

import os
import re
import subprocess

from .relay import Lane, Relay, open_tun


def run(*words: str, check: bool = True) -> str:
    """Run a command; what it printed."""
    return subprocess.run(words, capture_output=True, text=True, check=check).stdout


def can_be_made() -> bool:
    """True if this process may make namespaces and TUN devices."""
    name = f"ap-try-{os.getpid()}"
    try:
        run("ip", "netns", "add", name)
        run("ip", "netns", "del", name)
        return os.access("/dev/net/tun", os.R_OK | os.W_OK)
    except (OSError, subprocess.CalledProcessError):
        return False


class Network:
    """`with` it: namespaces and wires are there; afterwards nothing of them is left."""

    def __init__(self, lanes: int, seed: int) -> None:
        mark = f"ap{os.getpid()}"
        self.hub = f"{mark}-hub"
        self.names = [f"{mark}-{number}" for number in range(lanes)]
        self.lanes: list[Lane] = []
        self._seed = seed

    def __enter__(self) -> Network:
        for namespace in (self.hub, *self.names):
            run("ip", "netns", "add", namespace)
            run("ip", "-n", namespace, "link", "set", "lo", "up")
        for number, namespace in enumerate(self.names):
            near, far = open_tun(self.hub, f"hub{number}"), open_tun(namespace, "wire")
            for where, device, end in ((self.hub, f"hub{number}", 1), (namespace, "wire", 2)):
                run("ip", "-n", where, "addr", "add", f"10.77.{number}.{end}/24", "dev", device)
                run("ip", "-n", where, "link", "set", device, "mtu", "9000", "txqueuelen", "2000", "up")
            self.lanes.append(Lane(near, far))
        self.relay = Relay(self.lanes, self._seed)
        self.relay.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.relay.is_over = True
        self.relay.join()
        for lane in self.lanes:
            os.close(lane.near)
            os.close(lane.far)
        for namespace in (self.hub, *self.names):
            run("ip", "netns", "del", namespace, check=False)

    def reset_connections(self, number: int) -> int:
        """Kill the established connections of one node with a reset on both sides; how many the kernel killed."""
        told = run("ip", "netns", "exec", self.names[number], "ss", "-K", "-H", "-t", "dst", f"10.77.{number}.1")
        return len(re.findall(r"^ESTAB", told, re.MULTILINE))
