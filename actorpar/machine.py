"""What this machine offers: limits, cores, shared memory, TLS, MPI, devices. For `actorpar doctor`.

Everything is looked at from outside, or in a process of its own: no library is loaded here, so that a broken one cannot
break the report.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from .gpu import completion
from .gpu.finding import Findings
from .launch import cores as launch_cores
from .nodes.mpi.launchers import launch_in

#: Open files below which many connections at once will fail.
FEW_FILES: Final = 1024
#: Processes below which nodes of one host may not start.
FEW_PROCESSES: Final = 256
#: Bytes of shared memory below which large items go over sockets.
LITTLE_MEMORY: Final = 256 << 20
#: Seconds that a launcher of MPI has to tell its version.
PATIENCE: Final = 5.0
#: What a launcher of MPI says of itself, and whose it is.
VENDORS: Final = (("Open MPI", "Open MPI"), ("OpenRTE", "Open MPI"), ("Intel", "Intel MPI"), ("HYDRA", "MPICH"))


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `status` is "ok", "note" (works, but worth knowing), "absent" (what is not there and
    need not be) or "missing" (actorpar needs it)."""

    subject: str
    text: str
    status: str = "ok"


def open_files() -> Finding:
    """How many files and sockets this process may open."""
    limits = _limits("RLIMIT_NOFILE")
    if limits is None:
        return Finding("open files", "no limit that could be asked for")
    soft, hard = limits
    if soft is not None and soft < FEW_FILES:
        return Finding(
            "open files", f"{soft}, few for many connections; raise it with `ulimit -n {_told(hard)}`", "note"
        )
    return Finding("open files", f"{_told(soft)} (at most {_told(hard)})")


def processes() -> Finding:
    """How many processes and threads this user may have."""
    limits = _limits("RLIMIT_NPROC")
    if limits is None:
        return Finding("processes", "no limit that could be asked for")
    soft, hard = limits
    if soft is not None and soft < FEW_PROCESSES:
        return Finding("processes", f"{soft}, few for nodes and their threads; see `ulimit -u {_told(hard)}`", "note")
    return Finding("processes", f"{_told(soft)} (at most {_told(hard)})")


def _limits(name: str) -> tuple[int | None, int | None] | None:
    """Soft and hard limit, None for unlimited."""
    try:
        import resource

        number = getattr(resource, name)
    except (ImportError, AttributeError):  # Windows
        return None
    soft, hard = (None if limit == resource.RLIM_INFINITY else limit for limit in resource.getrlimit(number))
    return soft, hard


def _told(limit: int | None) -> str:
    return "unlimited" if limit is None else str(limit)


def cores(environment: Mapping[str, str]) -> Finding:
    """The cores this program may use, against the threads that numeric libraries start in every process."""
    count = launch_cores.usable()
    told = {name: environment[name] for name in launch_cores.THREADS if environment.get(name)}
    text = f"{count}" + "".join(f"; {name}={value}" for name, value in told.items())
    if not told:
        shares = "`actorpar run --nodes N` gives each node its share"
        if count == 1:
            return Finding("cores", f"{text}; {shares}")
        return Finding("cores", f"{text}; numeric libraries start {count} threads in every process; {shares}")
    most = max((int(value) for value in told.values() if value.isdecimal()), default=0)
    if not most:
        return Finding("cores", f"{text}: no number of threads", "note")
    if most > count:
        return Finding("cores", f"{text}: more threads than cores in every process", "note")
    fit = count // most
    return Finding(
        "cores", f"{text}: {fit} process{'' if fit == 1 else 'es'} at a time without more threads than cores"
    )


def shared_memory(folder: str = "/dev/shm") -> Finding:
    """Whether large items may pass between nodes of this host without a copy."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return Finding("shared memory", f"no {folder}: large items between nodes of this host are copied", "note")
    text = f"{folder}: {usage.free >> 20} MiB free of {usage.total >> 20}"
    if not os.access(folder, os.W_OK):
        return Finding("shared memory", f"{text}, and nothing may be written there", "note")
    if usage.free < LITTLE_MEMORY:
        return Finding("shared memory", f"{text}, little for large items (docker run --shm-size=1g)", "note")
    return Finding("shared memory", text)


def tls() -> Finding:
    """With which keys nodes of several hosts can know each other."""
    if not ssl.HAS_TLSv1_3:
        return Finding("tls", f"{ssl.OPENSSL_VERSION} has no TLS 1.3: only nodes of this host can be linked", "note")
    if getattr(ssl, "HAS_PSK", False):
        return Finding("tls", f"{ssl.OPENSSL_VERSION}: TLS 1.3, by one key (`actorpar key new`) or certificates")
    why = "one key for all came with Python 3.13"
    return Finding("tls", f"{ssl.OPENSSL_VERSION}: TLS 1.3, by certificates (`actorpar key certs`); {why}")


def mpi(environment: Mapping[str, str]) -> Finding:
    """Whose MPI would start ranks, and under which launcher this process runs already."""
    launch = launch_in(environment)
    ranks = f"; started by {launch.launcher} as one of {launch.size or 'several'} ranks" if launch is not None else ""
    found = _launcher(environment)
    return replace(found, text=found.text + ranks, status="ok" if ranks and found.status == "absent" else found.status)


def _launcher(environment: Mapping[str, str]) -> Finding:
    """The mpiexec beside this Python, which belongs to the MPI of its environment, or the one on PATH."""
    beside = Path(sys.executable).parent / "mpiexec"
    launcher = str(beside) if os.access(beside, os.X_OK) else shutil.which("mpiexec", path=environment.get("PATH"))
    if launcher is None:
        text = "no mpiexec beside this Python and none on PATH (pip install 'actorpar[mpi]')"
        return Finding("mpi", text, "absent")
    try:
        done = subprocess.run([launcher, "--version"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("mpi", f"{launcher} does not tell its version: {error}", "note")
    said = f"{done.stdout}\n{done.stderr}"
    vendor = next((vendor for word, vendor in VENDORS if word.lower() in said.lower()), None)
    if vendor is None:
        return Finding("mpi", f"{launcher} is of an unknown MPI", "note")
    return Finding("mpi", f"{vendor} ({launcher})")


def devices(environment: Mapping[str, str], found: Findings, root: str = "/") -> list[Finding]:
    """What device actors can use of CUDA and of OpenCL, beside what this system has drivers for; how waits end."""
    return [_cuda(environment, found, Path(root)), _opencl(found, Path(root)), _waits(found)]


def _cuda(environment: Mapping[str, str], found: Findings, root: Path) -> Finding:
    files = sorted(path.name for path in root.glob("dev/nvidia[0-9]*"))
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    told = [_those(found, "cuda") or _why(found, "CUDA")]
    told += [f"{', '.join(files)}, driver {_driver(root)}"] if files else []
    told += [] if visible is None else [f"CUDA_VISIBLE_DEVICES={visible!r}"]
    if _those(found, "cuda"):
        return Finding("cuda", "; ".join(told))
    return Finding("cuda", "; ".join(told), "note" if files or found.unusable else "absent")


def _driver(root: Path) -> str:
    try:
        first = (root / "proc/driver/nvidia/version").read_text().splitlines()[0]
    except (OSError, IndexError):
        return "not loaded"
    return next((word for word in first.split() if word[:1].isdigit() and "." in word), "unknown")


def _opencl(found: Findings, root: Path) -> Finding:
    those = _those(found, "opencl")
    if those:
        return Finding("opencl", those)
    vendors = sorted(path.stem for path in root.glob("etc/OpenCL/vendors/*.icd"))
    system = f"; drivers of the system: {', '.join(vendors)}" if vendors else ""
    broken = importlib.util.find_spec("pyopencl") is not None
    return Finding("opencl", f"{_why(found, 'OpenCL')}{system}", "note" if broken else "absent")


def _those(found: Findings, kind: str) -> str:
    return ", ".join(
        f"{each.spec} {each.name} ({each.memory / (1 << 30):.1f} GiB{', a CPU' if each.cpu else ''})"
        for each in found.devices
        if each.kind == kind
    )


def _why(found: Findings, kind: str) -> str:
    return next((each.removeprefix(f"{kind}: ") for each in found.missing if each.startswith(kind)), "not looked for")


def _waits(found: Findings) -> Finding:
    """How it becomes known that a device is done."""
    way = completion.path()
    return Finding("device waits", way, "note" if found.devices and way.startswith("threads") else "ok")
