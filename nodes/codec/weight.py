"""How much of a MessagePack text can become objects: all but the contents of its byte strings and extensions.

A megabyte of empty arrays takes sixty-nine when it is decoded; a megabyte in one byte string takes one. So what is
limited, where no type says what may come, is not the length of the text but this weight; and where a type does, how
many values there are, of which none takes much more than 200 bytes beyond its contents.
"""

from __future__ import annotations

from typing import Any, Final

#: Sizes, header included, of what has one size by its first byte; containers weigh as their headers.
_FIXED: Final = [0] * 256
#: For what tells its length: bytes of the length, bytes behind the length, and whether the contents weigh.
_TELLING: Final[dict[int, tuple[int, int, bool]]] = {
    0xC4: (1, 0, False), 0xC5: (2, 0, False), 0xC6: (4, 0, False),
    0xC7: (1, 1, False), 0xC8: (2, 1, False), 0xC9: (4, 1, False),
    0xD9: (1, 0, True), 0xDA: (2, 0, True), 0xDB: (4, 0, True),
}  # fmt: skip

for _code in range(256):
    if 0xA0 <= _code <= 0xBF:
        _FIXED[_code] = 1 + (_code & 0x1F)
    elif _code not in _TELLING:
        _FIXED[_code] = 1
for _code, _size in {
    0xCA: 5, 0xCB: 9, 0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9, 0xD0: 2, 0xD1: 3, 0xD2: 5, 0xD3: 9,
    0xD4: 3, 0xD5: 4, 0xD6: 6, 0xD7: 10, 0xD8: 18, 0xDC: 3, 0xDD: 5, 0xDE: 3, 0xDF: 5,
}.items():  # fmt: skip
    _FIXED[_code] = _size


def is_heavy(body: Any, most: int) -> bool:
    """True if the weight is more than `most`. Takes a step for each object, and at most `most` of them."""
    end = len(body)
    if end <= most:
        return False
    at = weight = 0
    while at < end and weight <= most:
        size = _FIXED[body[at]]
        if size:
            weight += size
        else:
            size, head, weighs = _told(body, at)
            weight += size if weighs else head
        at += size
    return weight > most


def is_many(body: Any, most: int) -> bool:
    """True if the text holds more than `most` values, whatever their size; as long as it takes `is_heavy`."""
    end = len(body)
    if end <= most:
        return False
    at = count = 0
    while at < end and count <= most:
        at += _FIXED[body[at]] or _told(body, at)[0]
        count += 1
    return count > most


def _told(body: Any, at: int) -> tuple[int, int, bool]:
    """The size of what tells its length, the size of its header, and whether its contents weigh."""
    width, more, weighs = _TELLING[body[at]]
    head = 1 + width + more
    return head + int.from_bytes(body[at + 1 : at + 1 + width], "big"), head, weighs
