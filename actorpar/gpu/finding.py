"""Which devices there are here, why others are not, and which one a program gets.

`available` looks from another process, so that whoever asks, a launcher or the doctor, touches no driver: a process
that has started CUDA cannot be forked any more, and a driver that hangs or crashes would take it along. `choose` is for
a process that is about to use the device, and looks itself.

Invariant: what a program gets is what was asked for. "auto" takes a device of OpenCL only where there is none of CUDA.
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

from ..launch.ending import how
from . import looking
from .errors import NoDevice

logger = logging.getLogger("actorpar.gpu")

Kind: TypeAlias = Literal["cuda", "opencl"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
#: What a kind is called in texts.
NAMES: Final[dict[Kind, str]] = {"cuda": "CUDA", "opencl": "OpenCL"}
#: The variable that says which device a program is to use.
VARIABLE: Final = "ACTORPAR_DEVICE"
#: Seconds in which a driver says what it has. The first process after the start of a machine may wait for it to load.
PATIENCE: Final = 30.0

_SPEC: Final = re.compile(r"(cuda|opencl)(?::(\d+))?")
_told: set[str] = set()  # the choices that were logged


@dataclass(frozen=True, slots=True)
class Found:
    """A device: its position among those of its kind that this process may use, and its memory in bytes.

    cpu  it is no device of its own: OpenCL on the cores of this machine
    """

    kind: Kind
    index: int
    name: str
    memory: int
    cpu: bool = False

    @property
    def spec(self) -> str:
        """How it is asked for: "cuda:0"."""
        return f"{self.kind}:{self.index}"


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found.

    devices   those that can be used, CUDA first
    missing   for each kind of which none can be used, why
    unusable  devices that a driver has and actorpar cannot use, as `missing` says
    """

    devices: tuple[Found, ...] = ()
    missing: tuple[str, ...] = ()
    unusable: tuple[Found, ...] = ()


def available(kinds: Sequence[Kind] = KINDS, *, patience: float = PATIENCE) -> Findings:
    """The devices of these kinds, found by other processes: this one loads no driver.

    It blocks until they have said what they see, `patience` seconds for each at most.
    """
    # The file itself, by -P without its folder on sys.path: nothing beside a program can take the place of a package.
    command = [sys.executable, "-P", "-W", "ignore", str(Path(looking.__file__))]
    started = [
        subprocess.Popen([*command, kind], stdin=subprocess.DEVNULL, stdout=-1, stderr=-1, text=True) for kind in kinds
    ]
    return _together({kind: _heard(each, patience) for kind, each in zip(kinds, started, strict=True)})


def _heard(process: subprocess.Popen[str], patience: float) -> looking.Sight:
    with process:
        try:
            out, errors = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            why = f"the driver has not answered for {patience:g} s: look at the system's log, and restart the driver"
            return {"devices": [], "why": why}
    try:
        sight: looking.Sight = json.loads(out)
    except ValueError:
        last = (errors.strip().splitlines() or ["it printed nothing"])[-1]
        why = f"the process that looked for devices has ended, {how(process.returncode)}: {last}"
        return {"devices": [], "why": why}
    return sight


def _together(seen: dict[Kind, looking.Sight]) -> Findings:
    devices: list[Found] = []
    missing: list[str] = []
    unusable: list[Found] = []
    for kind, sight in seen.items():
        found = [Found(kind, index, **each) for index, each in enumerate(sight["devices"])]
        (unusable if sight["why"] else devices).extend(found)
        if sight["why"]:
            missing.append(f"{NAMES[kind]}: {sight['why']}")
    return Findings(tuple(devices), tuple(missing), tuple(unusable))


def choose(spec: str | None = None) -> Found:
    """The device of "cuda:0", "opencl:0", "cuda", "opencl" or "auto"; None: as ACTORPAR_DEVICE says, else "auto".

    A kind alone is its first device, and "auto" the first of CUDA; only where there is none of CUDA one of OpenCL, if
    possible no CPU. What "auto" took is logged, once. It loads the driver into this process. Raises NoDevice with all
    reasons.
    """
    wanted = spec if spec is not None else os.environ.get(VARIABLE) or "auto"
    if wanted == "auto":
        return _automatic()
    by = f" ({VARIABLE} asks for it)" if spec is None else ""
    kind, index = parse(wanted)
    findings = _together({kind: looking.LOOKS[kind](os.environ)})
    if (index or 0) < len(findings.devices):
        return findings.devices[index or 0]
    raise NoDevice(f"there is no {wanted}{by}: {'; '.join(findings.missing) or there_are(findings.devices)}")


def parse(spec: str) -> tuple[Kind, int | None]:
    """The kind and the index of "cuda:0"; None where it has none. NoDevice for what is no device."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise NoDevice(f"{spec!r} is no device: write cuda:0, opencl:0, cuda, opencl or auto")
    kind: Kind = "cuda" if match[1] == "cuda" else "opencl"
    return kind, None if match[2] is None else int(match[2])


def there_are(devices: Sequence[Found]) -> str:
    """The devices that there are, for a text; there is at least one."""
    known = ", ".join(f"{each.spec} ({each.name})" for each in devices)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    chosen = "" if visible is None or devices[0].kind != "cuda" else f"; CUDA_VISIBLE_DEVICES is {visible!r}"
    return f"there {'is' if len(devices) == 1 else 'are'} {known}{chosen}"


def _automatic() -> Found:
    cuda = _together({"cuda": looking.cuda(os.environ)})
    if cuda.devices:
        _tell(cuda.devices[0], "")
        return cuda.devices[0]
    if cuda.unusable:  # not what the program was made for would be taken, and nobody would know
        raise NoDevice(f"{cuda.unusable[0].name} cannot be used. {cuda.missing[0]}; or ask for opencl:0 by name")
    others = _together({"opencl": looking.opencl(os.environ)})
    if not others.devices:
        raise NoDevice("; ".join((*cuda.missing, *others.missing)))
    found = next((each for each in others.devices if not each.cpu), others.devices[0])
    _tell(found, f" ({cuda.missing[0]})")
    return found


def _tell(found: Found, why: str) -> None:
    """Once: a CPU is no device, so this is a warning for it."""
    if found.spec in _told:
        return
    _told.add(found.spec)
    level = logging.WARNING if found.cpu else logging.INFO
    logger.log(level, "auto: %s, %s%s%s", found.spec, found.name, ", which is the CPU" if found.cpu else "", why)
