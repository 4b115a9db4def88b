"""The second stage: pixels, in memory from which the device gets them without another copy on the way.

If the device is this process's own, that is pinned memory. If it is that of another node, it is memory that the nodes
of this host share: the array is written here and read there. Pillow decodes into memory of its own, and so there is the
one copy from that.
"""

import asyncio
import io

import numpy as np
from numpy.typing import NDArray
from pictures import BadPicture, Decoded, Encoded
from PIL import Image, ImageOps, UnidentifiedImageError

import actorpar as ap
from actorpar import gpu

#: A file may be small and its picture huge: none that is larger is decoded.
MOST_PIXELS = 100_000_000
Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit is only a warning


def decode(encoded: Encoded) -> Decoded:
    """Decode into shared memory, on whichever node this is called. BadPicture."""
    image = opened(encoded)
    pixels = _shared((image.height, image.width, 3))
    pixels[:] = np.asarray(image)
    return Decoded(encoded.name, encoded.where, len(encoded.data), pixels)


async def decode_pinned(device: gpu.Device, encoded: Encoded) -> Decoded:
    """Decode, in a thread, into memory from which `device` copies by itself. BadPicture."""
    image = await asyncio.to_thread(opened, encoded)
    try:
        pixels = await device.pinned((image.height, image.width, 3), np.uint8)
    except gpu.OutOfDeviceMemory as error:
        raise BadPicture(str(error)) from error
    await asyncio.to_thread(lambda: np.copyto(pixels, np.asarray(image)))
    return Decoded(encoded.name, encoded.where, len(encoded.data), pixels)


def opened(encoded: Encoded) -> Image.Image:
    """The picture of a file, upright, in red, green and blue. BadPicture."""
    try:
        with Image.open(io.BytesIO(encoded.data)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise BadPicture(f"it has {image.width} x {image.height} pixels, and {MOST_PIXELS} are the most")
            ImageOps.exif_transpose(image, in_place=True)
            image.load()
            return image if image.mode == "RGB" else image.convert("RGB")
    except BadPicture:
        raise
    except UnidentifiedImageError as error:
        raise BadPicture("it is no picture") from error
    except Exception as error:  # a decoder of Pillow raises whatever a broken file leads it to
        raise BadPicture(f"it cannot be decoded: {error or type(error).__name__}") from error


def _shared(shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    try:
        shared: NDArray[np.uint8] = ap.empty_shared(shape, np.uint8)
        return shared
    except ap.OutOfSlabs:
        return np.empty(shape, np.uint8)
