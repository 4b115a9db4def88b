"""A picture of a field, as a PNG: black is cold, then red, yellow, and white."""

import struct
import zlib
from pathlib import Path

import numpy as np
from plate import Field


def colours(field: Field) -> bytes:
    """Red, green and blue of each cell, of a field from 0 to 1; each row begins with the number of its filter, none."""
    heat = np.clip(field, 0.0, 1.0)[:, :, None] * 3.0 - np.arange(3.0)
    pixels = (np.clip(heat, 0.0, 1.0) * 255.0).astype(np.uint8).reshape(len(field), -1)
    filtered = np.insert(pixels, 0, 0, axis=1)
    return bytes(filtered)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write(path: Path, field: Field) -> None:
    """Write the picture. OSError."""
    rows, columns = field.shape
    header = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)  # eight bits for each of three colours
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(colours(field))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
