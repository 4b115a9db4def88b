"""What goes from stage to stage: a picture as a place, as a file, as pixels, and developed."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import actorpar as ap


class BadPicture(ap.Reject):
    """There is something wrong with this one picture; the text says what. It is left out, and the others go on."""


class Unreachable(BadPicture):
    """Its server did not answer, or is too busy: another attempt may bring it."""


class Source(NamedTuple):
    """Where a picture is, a path or a URL, and what its results are called."""

    name: str
    where: str


class Encoded(NamedTuple):
    """The file of a picture."""

    name: str
    where: str
    data: bytes


class Decoded(NamedTuple):
    """A picture: red, green and blue of each pixel, (height, width, 3)."""

    name: str
    where: str
    size: int  # bytes of its file
    pixels: NDArray[np.uint8]


class Developed(NamedTuple):
    """What the device made of a picture: blurred and shrunk, and the histogram of what it was before."""

    name: str
    where: str
    size: int
    width: int
    height: int
    pixels: NDArray[np.uint8]
    histogram: NDArray[np.uint32]


class Written(NamedTuple):
    """A picture whose results are on the disk."""

    name: str
    size: int
    width: int
    height: int
    path: str
