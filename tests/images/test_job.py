"""What can be asked for, and what is answered to that which cannot be done."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from job import BadJob, Job
from pictures import Source


def test_folders_files_and_urls_are_taken_in_their_order_each_with_a_name_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "my pictures"
    folder.mkdir()
    for name in ("b.jpg", "a.PNG", "notes.txt"):
        (folder / name).touch()
    url = "https://example.org/some/A%20b.jpg?size=9"
    job = Job.of({"IMAGES": f"'{folder}' {url} '{folder / 'b.jpg'}' https://example.org/"})
    assert job.pictures() == [
        Source("a", str(folder / "a.PNG")),
        Source("b", str(folder / "b.jpg")),
        Source("A b", url),
        Source("b-2", str(folder / "b.jpg")),
        Source("picture", "https://example.org/"),
    ]


def test_options_are_those_of_the_environment() -> None:
    told = {"IMAGES": "x", "IMAGES_BOX": "99", "IMAGES_SIGMA": "0.5", "IMAGES_OUT": "there", "IMAGES_READERS": ""}
    assert Job.of(told) == Job("x", out="there", box=99, sigma=0.5)


@pytest.mark.parametrize(
    ("told", "answer"),
    [
        ({"IMAGES_BOX": "0"}, "IMAGES_BOX is 0, and must be at least 1"),
        ({"IMAGES_BOX": "1.5"}, "IMAGES_BOX is a whole number, not '1.5'"),
        ({"IMAGES_SIGMA": "much"}, "IMAGES_SIGMA is a number, not 'much'"),
        ({"IMAGES_SIGMA": "nan"}, "IMAGES_SIGMA is nan, and must be from 0 to 50"),
        ({"IMAGES_SIGMA": "51"}, "IMAGES_SIGMA is 51.0, and must be from 0 to 50"),
        ({}, "IMAGES names no picture: set it to folders, files and URLs, with blanks between them"),
        ({"IMAGES": "/no/such"}, "there is no file and no folder '/no/such'; a URL begins with http:// or https://"),
        ({"IMAGES": "it's"}, "IMAGES cannot be split as a shell would do it: No closing quotation"),
    ],
)
def test_what_cannot_be_done_is_answered_by_what_can(told: dict[str, str], answer: str) -> None:
    with pytest.raises(BadJob, match=f"^{re.escape(answer)}$"):
        Job.of(told).pictures()
