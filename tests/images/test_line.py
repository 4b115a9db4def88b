"""The pipeline: what comes out, what is left out and why, and how it holds back when the device is slow."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reading
from darkroom import Darkroom, supervised
from decoding import opened
from job import Job
from line import Places, line
from pictures import BadPicture, Encoded, Source, Written
from PIL import Image
from reading import Reader
from weights import gaussian

import actorpar as ap
from actorpar import gpu
from tests.images import reference
from tests.images.server import serving


async def run(job: Job, sources: Iterator[Source] | None = None) -> tuple[list[Written], list[str]]:
    """What was written, and what was left out and why."""
    left_out: list[str] = []

    def tell(letter: ap.DeadLetterItem) -> None:
        left_out.append(f"{letter.stage}: {letter.item.name}: {letter.error}")

    async with ap.ActorSystem() as system, Reader() as reader:
        await system.spawn(ap.Supervisor, supervised([], job.box, job.sigma))
        written = await line(job, system, sources or job.pictures(), reader, tell).collect()
    return sorted(written), left_out


async def test_each_picture_of_a_folder_is_developed_and_written_with_its_histogram(
    device: None, samples: Path, tmp_path: Path
) -> None:
    written, left_out = await run(Job(str(samples), out=str(tmp_path), box=64, sigma=2.0))
    assert [picture.name for picture in written] == [f"sample-{number:03}" for number in range(6)]
    assert left_out == ["decode: broken: it is no picture"]
    for picture in written:
        with Image.open(samples / f"{picture.name}.jpg") as image:
            pixels = np.asarray(image)
        columns, rows = (48, 64) if pixels.shape[0] > pixels.shape[1] else (64, 48)
        with Image.open(picture.path) as image:
            assert np.array_equal(
                np.asarray(image), reference.shrunk(reference.blurred(pixels, gaussian(2.0)), columns, rows)
            )
        about = json.loads((tmp_path / f"{picture.name}.json").read_text())
        assert about["source"] == str(samples / f"{picture.name}.jpg")
        assert about["histogram"] == reference.histogram(pixels).tolist()
    assert len(os.listdir(tmp_path)) == 2 * 6, "and nothing else"


async def test_pictures_are_downloaded_and_a_busy_server_is_asked_again(
    device: None, samples: Path, tmp_path: Path
) -> None:
    async with serving(samples) as pictures:
        names = ["sample-001.jpg", "busy.jpg", "missing.jpg", "broken.jpg"]
        written, left_out = await run(Job(" ".join(f"{pictures.root}/{name}" for name in names), out=str(tmp_path)))
    assert [picture.name for picture in written] == ["busy", "sample-001"]
    assert sorted(left_out) == ["decode: broken: it is no picture", "read: missing: its server answers 404"]
    assert pictures.asked.count("/busy.jpg") == 2


async def test_nobody_reads_or_downloads_on_while_the_device_is_held(
    device: None, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()
    develop = Darkroom._develop

    async def held(self: Any, slot: Any, picture: Any) -> Any:
        await gate.wait()
        return await develop(self, slot, picture)

    monkeypatch.setattr(Darkroom, "_develop", held)
    job = Job("", out=str(tmp_path), box=32)
    async with ap.ActorSystem() as system, serving(samples) as pictures, Reader() as reader:
        await system.spawn(ap.Supervisor, supervised([], job.box, job.sigma))
        places = Places(system)
        workers = places.workers(job)
        before_the_device = workers["read"] + 1 + workers["decode"] + 1 + workers["develop"]
        taken: list[int] = []
        written: list[Written] = []

        def sources() -> Iterator[Source]:
            for number in range(60):
                taken.append(number)
                assert len(taken) - len(written) <= places.most(job)
                yield Source(f"picture-{number}", f"{pictures.root}/sample-00{number % 6}.jpg")

        async with line(job, system, sources(), reader, print) as results:
            await pictures.until(before_the_device)
            for _ in range(1000):
                await asyncio.sleep(0)
            assert len(taken) == len(pictures.asked) == before_the_device < places.most(job) == 16
            gate.set()
            async for picture in results:
                written.append(picture)
    assert len(written) == len(taken) == 60


@pytest.mark.parametrize("where", ["host", "device"])
async def test_a_picture_for_which_there_is_no_room_is_left_out_and_costs_no_darkroom(
    where: str, device: None, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = (150, 200, 3)
    of_device = gpu.Device.empty if where == "device" else gpu.Device.pinned

    def empty(self: gpu.Device, shape: Any, dtype: Any) -> Any:
        if shape == large:
            raise gpu.OutOfDeviceMemory("no room")
        return of_device(self, shape, dtype)

    monkeypatch.setattr(gpu.Device, of_device.__name__, empty)
    written, left_out = await run(Job(str(samples), out=str(tmp_path), box=32))
    assert [picture.name for picture in written] == ["sample-000", "sample-003"]
    stage = "develop" if where == "device" else "decode"
    assert sorted(left_out)[-4:] == [f"{stage}: sample-00{number}: no room" for number in (1, 2, 4, 5)]


async def test_what_is_no_fault_of_a_picture_ends_the_pipeline(device: None, samples: Path, tmp_path: Path) -> None:
    job = Job(str(samples), out=str(tmp_path / "out"))
    async with ap.ActorSystem() as system, Reader() as reader:
        await system.spawn(ap.Supervisor, supervised([], job.box, job.sigma))
        pipeline = line(job, system, job.pictures(), reader, print)
        (tmp_path / "out").rmdir()
        with pytest.raises(FileNotFoundError):
            await pipeline.run()


async def test_a_file_or_an_answer_that_is_too_large_is_refused_before_it_fills_the_memory(
    samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LARGEST", 1000)
    async with serving(samples) as pictures, Reader() as reader:
        for where in (str(samples / "sample-000.jpg"), f"{pictures.root}/sample-000.jpg"):
            with pytest.raises(BadPicture, match="it has more than"):
                await reader.read(Source("large", where))


@pytest.mark.parametrize(
    ("where", "why"),
    [("/there/is/none.jpg", "No such file"), ("http://[", "this is no URL"), ("http://127.0.0.1:1/x.jpg", "Connect")],
)
async def test_a_picture_that_cannot_be_had_says_why(where: str, why: str) -> None:
    async with Reader() as reader:
        with pytest.raises(BadPicture, match=why):
            await reader.read(Source("x", where))


def encoded(image: Image.Image, **options: Any) -> Encoded:
    file = BytesIO()
    image.save(file, **options)
    return Encoded("x", "x", file.getvalue())


def test_a_picture_is_turned_upright_and_has_three_colours() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    assert opened(encoded(Image.new("L", (20, 10)), format="JPEG", exif=turned)).size == (10, 20)
    assert opened(encoded(Image.new("P", (20, 10)), format="GIF")).mode == "RGB"


def test_a_picture_that_is_cut_off_or_would_be_huge_is_refused() -> None:
    whole = encoded(Image.effect_noise((200, 200), 90), format="JPEG")
    with pytest.raises(BadPicture, match="cannot be decoded: image file is truncated"):
        opened(whole._replace(data=whole.data[: len(whole.data) // 2]))
    with pytest.raises(BadPicture, match="it has 20000 x 20000 pixels, and 100000000 are the most"):
        opened(encoded(Image.new("1", (20_000, 20_000)), format="PNG"))
