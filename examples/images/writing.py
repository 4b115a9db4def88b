"""The last stage: the developed picture as a PNG, and beside it its histogram."""

import json
import os
from pathlib import Path

from pictures import Developed, Written
from PIL import Image


class Writer:
    """Writes into a folder, which is made if it is missing. A file has its name only when it is whole. OSError."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)

    def write(self, picture: Developed) -> Written:
        path = self._folder / f"{picture.name}.png"
        about = {
            "source": picture.where,
            "width": picture.width,
            "height": picture.height,
            "histogram": picture.histogram.tolist(),
        }
        with _whole(self._folder / f"{picture.name}.json") as part:
            part.write_text(json.dumps(about) + "\n", "utf-8")
        with _whole(path) as part:
            Image.fromarray(picture.pixels).save(part, "PNG")
        return Written(picture.name, picture.size, picture.width, picture.height, str(path))


class _whole:
    """A file that has its name when the block has ended well, and is gone when it has not."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.part")

    def __enter__(self) -> Path:
        return self._part

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            os.replace(self._part, self._path)
        else:
            self._part.unlink(missing_ok=True)
