"""Pictures to try it with, drawn by formulas: `python examples/images/samples.py FOLDER [WIDTH [COUNT]]`.

One more file is no picture: a run leaves it out, and says so.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Plane = NDArray[np.float64]


def _rings(x: Plane, y: Plane, turn: float) -> tuple[Plane, Plane, Plane]:
    """Rings around two points, that meet."""
    first = np.hypot(x - 0.5, y + turn / 9)
    second = np.hypot(x + 0.5, y - turn / 9)
    return np.cos(22 * first), np.cos(20 * first) + np.cos(18 * second), np.cos(22 * second)


def _waves(x: Plane, y: Plane, turn: float) -> tuple[Plane, Plane, Plane]:
    """Waves that bend waves."""
    bent = np.sin(3 * x + 2 * np.sin(2 * y + turn))
    return bent, np.sin(4 * y + 2 * bent + turn), np.cos(3 * bent - 2 * x)


def _julia(x: Plane, y: Plane, turn: float) -> tuple[Plane, Plane, Plane]:
    """How soon z * z + c leaves a circle."""
    z, when = 1.5 * (x + 1j * y), np.zeros_like(x)
    c = 0.7885 * np.exp(1j * (2.6 + 0.45 * turn))
    for _ in range(60):
        inside = np.abs(z) < 4.0
        z = np.where(inside, z * z + c, z)
        when += inside
    level = np.sqrt(when / 60)
    return 2 * level - 1, np.cos(6 * level), np.cos(3 * level + 1)


def _sky(x: Plane, y: Plane, turn: float) -> tuple[Plane, Plane, Plane]:
    """A sun above a sea."""
    sun = np.exp(-6 * np.hypot(x - 0.8 * np.cos(turn), y + 0.2) ** 2)
    sea = np.where(y > 0.3, 0.3 * np.sin(40 * (y + 0.1) ** 2 + 6 * np.sin(5 * x)), 0.0)
    return 2.4 * sun + 0.6 * y - 0.3 + sea, 1.6 * sun - 0.4 * y - 0.2 + sea, 0.8 * sun - 0.9 * y + 0.2 + sea


FORMULAS: tuple[Callable[[Plane, Plane, float], tuple[Plane, Plane, Plane]], ...] = (_rings, _waves, _julia, _sky)


def draw(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """The picture with this number."""
    y, x = np.mgrid[-1.0 : 1.0 : height * 1j, -1.0 : 1.0 : width * 1j]
    planes = FORMULAS[number % len(FORMULAS)](x * width / height, y, number / len(FORMULAS))
    pixels: NDArray[np.uint8] = np.clip(np.stack(planes, axis=2) * 110 + 128, 0, 255).astype(np.uint8)
    return pixels


def write_samples(folder: Path, width: int = 1200, count: int = 12) -> None:
    """Write so many pictures and a file that is none. OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        size = (width, width * 3 // 4) if number % 3 else (width * 3 // 4, width)
        Image.fromarray(draw(number, *size)).save(folder / f"sample-{number:03}.jpg", quality=90)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture follows")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    write_samples(Path(sys.argv[1]), *map(int, sys.argv[2:]))
