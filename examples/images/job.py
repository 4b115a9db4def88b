"""What is to be done: the options of the environment, and the pictures that they name."""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pictures import Source

import actorpar as ap

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
#: The weights of a wider blur would not fit the registers of any device well, and nobody would see a difference.
WIDEST = 50.0


class BadJob(ap.ActorparError):
    """What was asked for cannot be done; the text says why, and what can."""


@dataclass(frozen=True)
class Job:
    """What is to be done, and how. BadJob.

    sources   folders, files and URLs, as a shell splits them
    out       the folder of the results
    box       they fit into a square of so many pixels
    sigma     of the blur, in pixels of the original; 0 is none
    readers   how many files are read or downloaded at a time
    decoders  how many are decoded at a time, on each node that decodes
    nodes     how many nodes to wait for
    sheet     where to write a sheet of all results
    """

    sources: str
    out: str = "developed"
    box: int = 256
    sigma: float = 1.5
    readers: int = 4
    decoders: int = 2
    nodes: int = 0
    sheet: str = ""

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            if getattr(self, name) < least:
                raise BadJob(f"IMAGES_{name.upper()} is {getattr(self, name)}, and must be at least {least}")
        if not 0.0 <= self.sigma <= WIDEST:
            raise BadJob(f"IMAGES_SIGMA is {self.sigma}, and must be from 0 to {WIDEST:.0f}")

    @staticmethod
    def of(environment: Mapping[str, str]) -> "Job":
        """The job of IMAGES and IMAGES_… in the environment."""
        told = {name: environment.get(f"IMAGES_{name.upper()}", "") for name in (*LEAST, "out", "sigma", "sheet")}
        options: dict[str, object] = {}
        for name, text in told.items():
            if text:
                options[name] = _value(name, text)
        return Job(environment.get("IMAGES", ""), **options)  # type: ignore[arg-type]

    def pictures(self) -> list[Source]:
        """All pictures, each with a name of its own. BadJob: there is none."""
        try:
            each = shlex.split(self.sources)
        except ValueError as error:
            raise BadJob(f"IMAGES cannot be split as a shell would do it: {error}") from None
        places = [place for one in each for place in _places(one)]
        if not places:
            raise BadJob("IMAGES names no picture: set it to folders, files and URLs, with blanks between them")
        taken: set[str] = set()
        return [Source(_name(place, taken), place) for place in places]


#: The options that are whole numbers, and the least that each may be.
LEAST = {"box": 1, "readers": 1, "decoders": 1, "nodes": 0}


def is_url(where: str) -> bool:
    return where.startswith(("http://", "https://"))


def _value(name: str, text: str) -> object:
    if name in ("out", "sheet"):
        return text
    try:
        return float(text) if name == "sigma" else int(text)
    except ValueError:
        raise BadJob(f"IMAGES_{name.upper()} is a {'' if name == 'sigma' else 'whole '}number, not {text!r}") from None


def _places(each: str) -> list[str]:
    if is_url(each) or os.path.isfile(each):
        return [each]
    if not os.path.isdir(each):
        raise BadJob(f"there is no file and no folder {each!r}; a URL begins with http:// or https://")
    return [str(path) for path in sorted(Path(each).iterdir()) if path.suffix.lower() in SUFFIXES and path.is_file()]


def _name(place: str, taken: set[str]) -> str:
    """The name of the file without its ending; with a number, if another picture has that already."""
    plain = name = Path(unquote(urlsplit(place).path) if is_url(place) else place).stem or "picture"
    number = 1
    while name.lower() in taken:
        number += 1
        name = f"{plain}-{number}"
    taken.add(name.lower())
    return name
