"""A contact sheet: the results side by side, with the histogram of each below it."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pictures import Written
from PIL import Image, ImageDraw

#: A sheet shows so many pictures, in rows of so many, of so many pixels.
MOST, COLUMNS, CELL = 48, 6, 128
#: The histogram is so high, and the gaps so wide.
HIGH, GAP = 40, 8


def write_sheet(path: Path, pictures: Sequence[Written]) -> None:
    """Write a sheet of the first pictures by name. OSError."""
    shown = sorted(pictures, key=lambda picture: picture.name)[:MOST]
    columns = min(COLUMNS, max(1, len(shown)))
    rows = -(-len(shown) // columns)
    size = (columns * (CELL + GAP) + GAP, rows * (CELL + HIGH + 2 * GAP) + GAP)
    sheet = Image.new("RGB", size, "white")
    for number, picture in enumerate(shown):
        left, top = GAP + number % columns * (CELL + GAP), GAP + number // columns * (CELL + HIGH + 2 * GAP)
        with Image.open(picture.path) as small:
            small.thumbnail((CELL, CELL))
            sheet.paste(small, (left + (CELL - small.width) // 2, top + (CELL - small.height) // 2))
        histogram = json.loads(Path(picture.path).with_suffix(".json").read_text("utf-8"))["histogram"]
        _plot(ImageDraw.Draw(sheet), left, top + CELL + GAP, np.array(histogram))
    sheet.save(path)


def _plot(draw: ImageDraw.ImageDraw, left: int, top: int, histogram: NDArray[np.int_]) -> None:
    """Bars from dark to bright; the tallest is as high as there is room."""
    bins = histogram.reshape(CELL, -1).sum(axis=1)
    for x, count in enumerate(bins):
        height = round(HIGH * float(np.sqrt(count / max(1, bins.max()))))
        level = x * 3 // 2
        draw.line((left + x, top + HIGH - height, left + x, top + HIGH), fill=(level, level, level))
