"""What the device has to compute, by numpy: in whole numbers, every bit of it; and exactly, as a formula says it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def histogram(pixels: Pixels) -> NDArray[np.int64]:
    """How many pixels have each luminance."""
    red, green, blue = (pixels[..., colour].astype(np.int64) for colour in range(3))
    return np.bincount(((77 * red + 150 * green + 29 * blue + 128) >> 8).ravel(), minlength=256)


def blurred(pixels: Pixels, weights: NDArray[np.uint32]) -> Pixels:
    """Blurred by weights that add up to 65536, rounded to 16 bits between the rows and the columns."""
    across = (_sum(pixels.astype(np.int64), weights.astype(np.int64), 1) + (1 << 7)) >> 8
    down: Pixels = ((_sum(across, weights.astype(np.int64), 0) + (1 << 23)) >> 24).astype(np.uint8)
    return down


def shrunk(pixels: Pixels, columns: int, rows: int) -> Pixels:
    """The mean of the area of each pixel, rounded."""
    area = pixels.shape[0] * pixels.shape[1]
    mean: Pixels = ((_areas(pixels.astype(np.int64), columns, rows) + area // 2) // area).astype(np.uint8)
    return mean


def exact(pixels: Pixels, sigma: float, columns: int, rows: int) -> NDArray[np.float64]:
    """A Gaussian blur cut off at 3 sigma, and the means: not rounded anywhere."""
    radius = math.ceil(3 * sigma)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / max(sigma, 1e-9)) ** 2)
    smooth = pixels.astype(np.float64)
    for axis in (1, 0):
        smooth = _sum(smooth, weights / weights.sum(), axis)
    mean: NDArray[np.float64] = _areas(smooth, columns, rows) / (pixels.shape[0] * pixels.shape[1])
    return mean


def _sum(values: NDArray[Any], weights: NDArray[Any], axis: int) -> NDArray[Any]:
    """The weighted sum around each value along an axis; beyond the edge is what is at the edge."""
    radius, length = len(weights) // 2, values.shape[axis]
    places = np.arange(length)
    total = np.zeros_like(values)
    for number, weight in enumerate(weights):
        total += weight * values.take(np.clip(places + number - radius, 0, length - 1), axis=axis)
    return total


def _areas(values: NDArray[Any], columns: int, rows: int) -> NDArray[Any]:
    """The sum over the area of each pixel."""
    across, down = _covered(values.shape[1], columns), _covered(values.shape[0], rows)
    return np.stack([down @ values[..., colour] @ across.T for colour in range(3)], axis=2)


def _covered(length: int, parts: int) -> NDArray[np.int64]:
    """How much of each of `length` pixels each of `parts` covers, in pieces of which each pixel has `parts`."""
    part, pixel = np.arange(parts)[:, None], np.arange(length)[None, :]
    begin, end = np.maximum(part * length, pixel * parts), np.minimum((part + 1) * length, (pixel + 1) * parts)
    covered: NDArray[np.int64] = np.maximum(end - begin, 0)
    return covered
