"""Whether there is a device of OpenCL for the tests."""

from __future__ import annotations

import functools
import importlib
import os
import subprocess
import sys

# PoCL is a device made of the processor: with one thread the tests leave a core to all the rest.
os.environ.setdefault("POCL_MAX_PTHREAD_COUNT", "1")

#: pip's PoCL is found everywhere and compiles for no processor that is newer than it: this tries.
_TRIAL = """
import numpy, pyopencl as cl
context = cl.Context([[d for p in cl.get_platforms() for d in p.get_devices()][0]])
cl.Program(context, "__kernel void one(__global float *x) { x[0] = 1; }").build()
"""


@functools.cache
def why_no_opencl() -> str:
    """Why no test can run on a device of OpenCL; empty if there is one that compiles. It blocks, so no loop asks."""
    found = subprocess.run([sys.executable, "-W", "ignore", "-c", _TRIAL], capture_output=True, text=True, timeout=60)
    if found.returncode == 0:
        for platform in importlib.import_module("pyopencl").get_platforms():  # loading it keeps a loop for too long
            platform.get_devices()
        return ""
    why = (found.stderr.strip().splitlines() or ["it crashed"])[-1]
    return f"no device of OpenCL that compiles: install pyopencl, and Debian's pocl-opencl-icd ({why})"
