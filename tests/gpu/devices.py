"""The devices that the shared tests run on, and the programs for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from actorpar import gpu

OPENCL = """
__kernel void scale(__global float *x, float a, int n) { int i = get_global_id(0); if (i < n) x[i] *= a; }
__kernel void add(__global float *x, __global const float *y, int n) {
    int i = get_global_id(0); if (i < n) x[i] += y[i];
}
__kernel void fill(__global float *x, float a, int n) { int i = get_global_id(0); if (i < n) x[i] = a; }
__kernel void spin(long n) { volatile long k = n; while (k > 0) k--; }
"""
CUDA = """
#define I (blockIdx.x * blockDim.x + threadIdx.x)
extern "C" {
__global__ void scale(float *x, float a, int n) { int i = I; if (i < n) x[i] *= a; }
__global__ void add(float *x, const float *y, int n) { int i = I; if (i < n) x[i] += y[i]; }
__global__ void fill(float *x, float a, int n) { int i = I; if (i < n) x[i] = a; }
__global__ void spin(long long ns) { long long t = clock64(); while (clock64() - t < ns) ; }
}
"""
#: On real hardware and on PoCL these kernels compute; on the fake driver its own of the same names do.
PROGRAM = gpu.Program({"opencl": OPENCL, "cuda": CUDA}, scale="Pfi", add="PPi", fill="Pfi", spin="q")

#: A parameter of a test: the device it runs on, and how the loop learns of it.
EVERY_DEVICE = (
    pytest.param("opencl:0", id="opencl"),
    pytest.param("opencl:0 threads", id="opencl-threads"),
    pytest.param("cuda:0", id="fake", marks=pytest.mark.over_fake_cuda),
    pytest.param("cuda:0 threads", id="fake-threads", marks=pytest.mark.over_fake_cuda),
    pytest.param("cuda:0", id="cuda", marks=pytest.mark.gpu),
)


async def turn_until(condition: Callable[[], object]) -> None:
    """Turns of the loop until it holds: devices tell nobody but those who wait for their work."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0)
