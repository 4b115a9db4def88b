"""One node for each device: `--gpus` of `actorpar run`, `--device` of `actorpar node`.

A process can hold one context of CUDA well, and a fault of a kernel ends it: so each device has a process of its own,
which sees no other device and can be replaced alone.

Invariants
- Nothing here loads a driver: the launcher's process stays as it is.
- A CUDA_VISIBLE_DEVICES that the user or Slurm has set says which devices there are, and in which order. Its entries
  are handed on as they stand: numbers, UUIDs, slices of a device (MIG).
"""

from __future__ import annotations

import argparse
import logging
import os
import re
from collections.abc import Mapping
from typing import Final

from ..gpu.errors import NoDevice
from ..gpu.finding import KINDS, VARIABLE, Findings, Found, Kind, available, parse, there_are
from .specs import NodeSpec

logger = logging.getLogger("actorpar.launch")

#: The label of every node that is for a device; another one says of which kind that is.
GPU: Final = "gpu"
_VISIBLE: Final = "CUDA_VISIBLE_DEVICES"
_LISTED: Final = re.compile(r"(?:cuda|opencl):\d+(?:,(?:cuda|opencl):\d+)*")


def wanted(text: str) -> str:
    """What --gpus may say: all, cuda, opencl, a number, or devices one by one."""
    if text in ("all", *KINDS) or (text.isdecimal() and int(text)):
        return text
    if not _LISTED.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} names no devices: write all, cuda, opencl, cuda:0,cuda:1 or 2")
    each = text.split(",")
    if len(set(each)) < len(each):
        raise argparse.ArgumentTypeError(f"{text!r} names a device twice: each has one process")
    return text


def one(text: str) -> str:
    """What --device may say: one device, or a kind for its first."""
    try:
        parse(text)
    except NoDevice as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no device: write cuda:0, opencl:0, cuda or opencl") from error
    return text


def plan(gpus: str) -> list[NodeSpec]:
    """The nodes that --gpus asks for. NoDevice, with the reasons, if there are not that many."""
    if ":" in gpus:
        listed = [parse(each) for each in gpus.split(",")]
        findings = _look(tuple(dict.fromkeys(kind for kind, _ in listed)))
        return [node_for(_named(f"{kind}:{index}", findings), os.environ) for kind, index in listed]
    found = _all(_look(("opencl",) if gpus == "opencl" else ("cuda",)))
    if gpus.isdecimal():
        if int(gpus) > len(found):
            raise NoDevice(f"--gpus {gpus} asks for more devices than there are: {there_are(found)}")
        found = found[: int(gpus)]
    return [node_for(each, os.environ) for each in found]


def find(device: str) -> NodeSpec:
    """What a node for one device is to be. NoDevice."""
    kind, index = parse(device)
    return node_for(_named(f"{kind}:{index or 0}", _look((kind,))), os.environ)


def _look(kinds: tuple[Kind, ...]) -> Findings:
    findings = available(kinds)
    if not _all(findings):
        hint = "; for devices of OpenCL write --gpus opencl" if kinds == ("cuda",) else ""
        raise NoDevice(f"there is no device for a node: {'; '.join(findings.missing)}{hint}")
    if findings.unusable:
        logger.warning("nodes start, and device actors cannot use their device: %s", "; ".join(findings.missing))
    return findings


def _all(findings: Findings) -> list[Found]:
    """Those that drivers have: another library may use what actorpar cannot."""
    return sorted((*findings.devices, *findings.unusable), key=lambda each: (each.kind, each.index))


def _named(spec: str, findings: Findings) -> Found:
    found = _all(findings)
    for each in found:
        if each.spec == spec:
            return each
    raise NoDevice("; ".join((f"there is no {spec}: {there_are(found)}", *findings.missing)))


def node_for(found: Found, environment: Mapping[str, str]) -> NodeSpec:
    """The node of a device, where the variables are these: of CUDA it sees that one alone, as its first."""
    labels = (GPU, found.kind)
    if found.kind == "opencl":
        return NodeSpec(f"opencl-{found.index}", labels, found.spec, {VARIABLE: found.spec})
    listed = [each.strip() for each in environment.get(_VISIBLE, "").split(",")]
    entry = listed[found.index] if _VISIBLE in environment else str(found.index)
    return NodeSpec(f"cuda-{found.index}", labels, "cuda:0", {_VISIBLE: entry, VARIABLE: "cuda:0"})
