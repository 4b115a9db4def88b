"""Pictures are read or downloaded, decoded, blurred and shrunk on a device, and written: a pipeline that holds back.

    IMAGES='photos https://example.org/one.jpg' python examples/images/app.py
    IMAGES=photos actorpar run examples/images/app.py --nodes 2 --gpus all

They are decoded on the nodes with the label `worker`, and developed by an actor on each node of a device; without such
nodes, in this process. Each picture gets NAME.png and NAME.json, which has its histogram, in the folder of the results.

IMAGES names folders, files and URLs. IMAGES_OUT is the folder of the results, IMAGES_BOX into how many pixels they fit,
IMAGES_SIGMA how much they are blurred before; IMAGES_READERS and IMAGES_DECODERS are how many are read at a time, and
decoded on each node; IMAGES_NODES is how many nodes to wait for, IMAGES_SHEET where to write a sheet of the results.
"""

import asyncio
import os
import sys
import time
from pathlib import Path

import showing
from darkroom import supervised
from job import BadJob, Job
from line import Places, line
from pictures import Written
from reading import Reader
from sheet import MOST, write_sheet

import actorpar as ap


async def develop(job: Job, system: ap.ActorSystem) -> None:
    """Do the job."""
    sources = job.pictures()
    places = Places(system)
    await system.spawn(ap.Supervisor, supervised(places.devices, job.box, job.sigma))
    showing.tell(f"{len(sources)} pictures, {places.most(job)} in memory at most; {places}")

    tally, first, begin = showing.Tally(), list[Written](), time.perf_counter()

    def left_out(letter: ap.DeadLetterItem) -> None:
        nonlocal tally
        showing.told(letter)
        tally = tally._replace(left_out=tally.left_out + 1)

    async with Reader() as reader:
        pipeline = line(job, system, sources, reader, left_out)
        try:
            with showing.shown(len(sources)) as show:
                async with pipeline as results:
                    async for written in results:
                        show(written)
                        tally = tally._replace(pictures=tally.pictures + 1, read=tally.read + written.size)
                        first = [*first, written][:MOST]
        finally:  # after Ctrl-C, too
            seconds = time.perf_counter() - begin
            showing.tell(showing.loads(pipeline.view(), places.workers(job), seconds))
            print(tally.summary(len(sources), seconds))
    if job.sheet:
        await asyncio.to_thread(write_sheet, Path(job.sheet), first)


async def main() -> None:
    job = Job.of(os.environ)
    async with ap.ActorSystem("images") as system:
        if job.nodes:
            await system.wait_for_nodes(job.nodes)
        await develop(job, system)


if __name__ == "__main__":
    try:
        ap.run(main)
    except BadJob as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
