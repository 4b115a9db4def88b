"""The device computes what numpy does: bit for bit in whole numbers, and within a level of 255 of the exact formula."""

from __future__ import annotations

import asyncio
import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import weights
from darkroom import Darkroom, fitting
from pictures import Decoded, Developed
from samples import draw

import actorpar as ap
from tests.images import reference

KERNELS = Path(__file__).resolve().parents[2] / "examples" / "images" / "kernels.cu"
#: Widths and heights: one pixel, one row, one column, smaller and larger than the box, no multiples of anything.
SIZES = [(1, 1), (97, 1), (1, 97), (31, 17), (64, 64), (150, 110), (301, 203)]
BOX = 64


def noise(width: int, height: int) -> reference.Pixels:
    """Every bit of it counts."""
    return np.random.default_rng(width * height).integers(0, 256, (height, width, 3), np.uint8)


async def developed(pictures: list[reference.Pixels], sigma: float, box: int = BOX) -> list[Developed]:
    """What a darkroom makes of all these, given to it at once."""
    async with ap.ActorSystem() as system:
        darkroom = await system.spawn(Darkroom, box, sigma)
        asked = [
            darkroom.ask(Darkroom.develop, Decoded(str(number), "", 0, each)) for number, each in enumerate(pictures)
        ]
        return list(await asyncio.gather(*asked))


@pytest.mark.parametrize("sigma", [0.0, 0.7, 3.0])
async def test_noise_of_every_shape_is_blurred_and_shrunk_as_by_numpy_bit_for_bit(sigma: float, device: None) -> None:
    pictures = [noise(*size) for size in SIZES]
    for pixels, result in zip(pictures, await developed([each.copy() for each in pictures], sigma), strict=True):
        columns, rows = fitting(pixels.shape[1], pixels.shape[0], BOX)
        expected = reference.shrunk(reference.blurred(pixels, weights.gaussian(sigma)), columns, rows)
        assert (result.width, result.height) == (pixels.shape[1], pixels.shape[0])
        assert np.array_equal(result.pixels, expected), (result.width, result.height)
        assert np.array_equal(result.histogram, reference.histogram(pixels))


@pytest.mark.parametrize("sigma", [0.0, 1.5, 10.0, 50.0])
async def test_the_result_is_within_one_level_of_the_exact_formula(sigma: float, device: None) -> None:
    edge = np.zeros((90, 120, 3), np.uint8)
    edge[:, 60:] = 255
    pictures = [noise(120, 90), draw(2, 120, 90), edge]
    for pixels, result in zip(pictures, await developed([each.copy() for each in pictures], sigma, 120), strict=True):
        assert np.abs(result.pixels - reference.exact(pixels, sigma, 120, 90)).max() <= 1.0


async def test_what_is_sent_to_a_darkroom_stays_as_it_is(device: None) -> None:
    pixels = noise(80, 60)
    before = pixels.copy()
    await developed([pixels], 2.0)
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize("sigma", [0.0, 0.01, 0.3, 1.0, 7.3, 50.0])
def test_weights_are_symmetrical_and_add_up_to_one(sigma: float) -> None:
    found = weights.gaussian(sigma)
    assert found.sum() == weights.ONE
    assert np.array_equal(found, found[::-1])
    assert found.max() - found[len(found) // 2] <= 1, "but for rounding, the middle weighs most"


def test_the_largest_sum_of_the_kernels_fits_32_bits() -> None:
    across = (weights.ONE * 255 + (1 << 7)) >> 8
    assert across < 1 << 16
    assert weights.ONE * across + (1 << 23) < 1 << 32


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [(4000, 3000, (256, 192)), (3000, 4000, (192, 256)), (100, 50, (100, 50)), (10_000, 1, (256, 1))],
)
def test_a_picture_fits_into_the_box_and_is_never_enlarged(width: int, height: int, size: tuple[int, int]) -> None:
    assert fitting(width, height, 256) == size


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc, of the CUDA toolkit, is not installed")
def test_the_kernels_of_cuda_compile_without_a_warning(tmp_path: Path) -> None:
    command = ["nvcc", "-fatbin", "-arch=sm_90", "-Werror", "all-warnings", str(KERNELS), "-o", str(tmp_path / "made")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.fixture(scope="module")
def on_the_host(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The kernels of CUDA, compiled for this processor."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    made, source = tmp_path_factory.mktemp("made") / "kernels.so", Path(__file__).with_name("on_the_host.cpp")
    command = ["g++", "-O1", "-shared", "-fPIC", f"-I{KERNELS.parent}", "-o", str(made), str(source)]
    subprocess.run(command, check=True, timeout=120)
    return ctypes.CDLL(str(made))


@pytest.mark.parametrize("sigma", [0.0, 0.7, 3.0])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_kernels_of_cuda_compute_what_numpy_does_bit_for_bit(
    width: int, height: int, sigma: float, on_the_host: ctypes.CDLL
) -> None:
    pixels, found = noise(width, height), weights.gaussian(sigma)
    columns, rows = fitting(width, height, BOX)
    arrays = [
        pixels.copy(), np.zeros(256, np.uint32), found, np.empty(pixels.shape, np.uint16),
        np.empty((rows, columns, 3), np.uint8),
    ]  # fmt: skip
    places = [array.ctypes.data_as(ctypes.c_void_p) for array in arrays]
    on_the_host.develop(*places, *map(ctypes.c_int, (len(found) // 2, width, height, columns, rows)))
    assert np.array_equal(arrays[4], reference.shrunk(reference.blurred(pixels, found), columns, rows))
    assert np.array_equal(arrays[1], reference.histogram(pixels))
