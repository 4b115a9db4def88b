"""The weights of a Gaussian blur, as whole numbers: every device adds them up to the same result, bit for bit."""

import math

import numpy as np
from numpy.typing import NDArray

#: What the weights add up to. With pixels of 8 bits every sum of the kernels then fits 32 bits.
ONE = 1 << 16


def gaussian(sigma: float) -> NDArray[np.uint32]:
    """2 r + 1 weights, for the pixels up to r = 3 sigma to each side; one, if sigma is 0."""
    radius = math.ceil(3.0 * sigma)
    distances = np.arange(-radius, radius + 1)
    exact = np.exp(-0.5 * (distances / max(sigma, 1e-9)) ** 2)
    sums = np.round(np.cumsum(exact[:radius]) / exact.sum() * ONE)  # what is rounded off one is added to the next
    side = np.diff(sums, prepend=0.0)
    return np.concatenate([side, [ONE - 2 * side.sum()], side[::-1]]).astype(np.uint32)
