"""The pipeline: read, decode, develop, write. How much it has in hand is bounded, whichever stage is slow."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from darkroom import GROUP, SLOTS, Darkroom
from decoding import decode, decode_pinned
from job import Job
from pictures import Decoded, Developed, Encoded, Source, Unreachable, Written
from reading import Reader
from writing import Writer

import actorpar as ap
from actorpar import gpu

#: Places in each channel between two stages.
ROOM = 1
#: Pictures that are written at a time.
WRITERS = 2
#: Pictures for each device: one more than it has in hand, so that it never waits for the next.
FOR_DEVICE = SLOTS + 1


class Places:
    """Where the stages run: the names of the nodes for devices, and how many others decode."""

    def __init__(self, system: ap.ActorSystem) -> None:
        devices = [node for node in system.nodes if "gpu" in node.labels]
        decoders = [node for node in system.nodes if "worker" in node.labels]
        self.devices = [node.name for node in devices]
        self.decoders = len(decoders)
        self._told = f"decoded {_on(decoders)}, developed {_on(devices)}"

    def workers(self, job: Job) -> dict[str, int]:
        """How many pictures each stage has in hand at most."""
        decoding = 2 * job.decoders * self.decoders if self.decoders else job.decoders  # on nodes, the next one, too
        developing = FOR_DEVICE * max(1, len(self.devices))
        return {"read": job.readers, "decode": decoding, "develop": developing, "write": WRITERS}

    def most(self, job: Job) -> int:
        """How many pictures are in memory at most: as files, decoded and developed."""
        return sum(self.workers(job).values()) + 4 * ROOM

    def __str__(self) -> str:
        return self._told


def line(
    job: Job,
    system: ap.ActorSystem,
    sources: Iterable[Source],
    reader: Reader,
    left_out: Callable[[ap.DeadLetterItem], object],
) -> ap.Pipeline[Written]:
    """The pipeline of a job. What is wrong with one picture goes to `left_out`; all else ends it."""

    def tell(letter: ap.DeadLetterItem) -> None:
        if not isinstance(letter.error, ap.Reject):
            raise letter.error
        left_out(letter)

    places = Places(system)
    again = ap.Retry(attempts=3, base=0.5, only=(Unreachable,))
    return ap.pipeline(
        sources,
        ap.stage(reader.read, workers=job.readers, ordered=False, on_error="skip", retry=again),
        _decoding(job, places),
        _developing(job, places, system),
        ap.stage(Writer(job.out).write, workers=WRITERS, ordered=False, blocking=True),
        capacity=ROOM,
        on_dead_letter=tell,
        system=system,
    )


def _on(nodes: list[Any]) -> str:
    return "on " + ", ".join(f"{node.name} (pid {node.pid})" for node in nodes) if nodes else "here"


def _decoding(job: Job, places: Places) -> ap.Stage[Encoded, Decoded]:
    """On the nodes with the label `worker`, or in threads: into shared memory, if the pixels have to go to a node."""
    if places.decoders:
        again = ap.Retry(attempts=10, base=0.1, only=(ap.WorkerLost, ap.NodeDown))
        return ap.stage(
            decode, on="worker", per_node=job.decoders, ordered=False, blocking=True, on_error="skip", retry=again
        )
    if places.devices:
        return ap.stage(decode, workers=job.decoders, ordered=False, blocking=True, on_error="skip")
    into_pinned = partial(decode_pinned, gpu.open_device())
    return ap.stage(into_pinned, workers=job.decoders, ordered=False, on_error="skip", name="decode")


def _developing(job: Job, places: Places, system: ap.ActorSystem) -> ap.Stage[Decoded, Developed]:
    """By whichever darkroom has the least to do. A picture that was in one that is lost is developed again."""
    darkrooms = ap.Router.of_group(system, GROUP, Darkroom, choice="least_loaded")

    async def develop(picture: Decoded) -> Developed:
        return await darkrooms.choose().within(None).ask(Darkroom.develop, picture)

    again = ap.Retry(attempts=20, base=0.1, cap=2.0, only=(ap.ActorDead, ap.NodeDown, ap.NoMembers))
    workers = places.workers(job)["develop"]
    return ap.stage(develop, workers=workers, ordered=False, on_error="skip", retry=again)
