"""A log is read, parsed, looked up and counted: a pipeline of stages, each with its workers and its way with errors.

The file is read in a thread. A line that cannot be parsed is left out and reported. The service that knows where an
address is answers slowly, and now and then not at all: eight requests are under way at a time, each is tried up to
three times, and still every answer comes in the order of the lines. Half-way, the view tells what sets the pace.
"""

import asyncio
import itertools
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import actorpar as ap

COUNTRIES = ["Chile", "Ghana", "Japan", "Malta"]
requests = itertools.count(1)


class Visit(NamedTuple):
    address: str
    page: str


async def country_of(visit: Visit) -> str:
    """Stands for a request to a web service, of which every tenth fails."""
    await asyncio.sleep(0.004)
    if next(requests) % 10 == 0:
        raise ConnectionError("no answer")
    return COUNTRIES[sum(map(int, visit.address.split("."))) % len(COUNTRIES)]


def parse(line: str) -> Visit:
    address, method, page = line.split()
    if method != "GET":
        raise ValueError(f"not a visit: {method}")
    return Visit(address, page)


def write_log(path: Path) -> None:
    lines = [f"10.0.{n // 7}.{n} GET /page/{n % 5}" for n in range(200)]
    lines[40], lines[170] = "10.0.0.1 POST /form", "# rotated"
    path.write_text("\n".join(lines) + "\n")


def tell(letter: ap.DeadLetterItem) -> None:
    print(f"left out by {letter.stage}: {letter.item.strip()!r} ({letter.error})")


async def count_visits(path: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    with path.open() as lines:
        pipeline = ap.pipeline(
            ap.iterate_in_thread(lines),
            ap.stage(parse, on_error="skip"),
            ap.stage(country_of, workers=8, retry=ap.Retry(attempts=3, base=0.01, only=(ConnectionError,))),
            on_dead_letter=tell,
        )
        async with pipeline as countries:
            async for country in countries:
                counts[country] += 1
                if counts.total() == 100:
                    print(countries.view())
    retried = sum(stage.retried for stage in pipeline.view().stages)
    print(f"{counts.total()} visits, {retried} requests sent again")
    return counts


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "access.log")
        write_log(path)
        for country, visits in sorted((await count_visits(path)).items()):
            print(f"{country}: {visits}")


if __name__ == "__main__":
    ap.run(main)
