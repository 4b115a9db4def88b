"""What runs where the work is done: jobs come through one channel, what became of them goes back through another.

Plain functions run in the event loop: a worker has nothing else to do. What it has done is on its way at the latest
when the next job begins after `PAUSE`, however many jobs wait.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Final

from ..channels import env
from ..channels.group import ProcessGroup
from ..channels.receiver import Receiver
from ..channels.runqueue import run_queue
from ..channels.sender import Sender
from ..nodes.codec.signature import signature_of
from ..nodes.errors import CodecError, NotImportable
from ..nodes.node import Node
from ..remote.naming import resolve_function
from .wire import Done, Failure, Job, Outcome, decode_calls, encode_outcomes, refuse

#: Seconds of work after which the loop gets a turn, so that results go and jobs come.
PAUSE: Final = 0.002


async def work(jobs: Receiver[Job], results: Sender[Done], at_once: int, blocking: bool) -> None:
    """Do jobs until there are none any more, `at_once` at a time where their functions wait for something.

    `blocking`: plain functions are called in threads.
    """
    served = served_here()
    async with ProcessGroup("worker") as group:
        for _ in range(at_once):
            group.spawn(keep_working, jobs.clone(), results.clone(), served, blocking)
        jobs.close()
        results.close()


async def keep_working(
    jobs: Receiver[Job],
    results: Sender[Done],
    served: tuple[str, ...] | None,
    blocking: bool,
    begin: Callable[[int], object] = int,
) -> None:
    """Do one job after the other until there are none any more; `begin` is called with the number of each before."""
    clock, rested = env.clock, env.clock()
    async for job in jobs:
        begin(job[0])
        await results.send(await do(job, served, blocking))
        if clock() - rested > PAUSE:
            await env.sleep(0)
            rested = clock()


async def do(job: Job, served: tuple[str, ...] | None, blocking: bool) -> Done:
    """Do one job. Whatever goes wrong in it is told in what it returns."""
    number, name, *_ = job
    began = env.clock()
    try:
        function = _function(name, served)
        signature = signature_of(function)
        calls = decode_calls(signature, job)
    except (NotImportable, CodecError) as error:
        return refuse(job, error)
    outcomes: list[Outcome] = []
    for args, kwargs in calls:
        try:
            call = functools.partial(function, *args, **kwargs)
            value = env.run_in_thread(call) if blocking else call()
            if inspect.isawaitable(value):
                value = await value
        except Exception as error:
            outcomes.append(Failure(error))
        else:
            outcomes.append(value)
    try:
        body, buffers, failed = encode_outcomes(signature, outcomes)
    except CodecError as error:
        return refuse(job, error)
    return number, body, buffers, failed, env.clock() - began


@functools.lru_cache(1024)
def _function(name: str, served: tuple[str, ...] | None) -> Callable[..., Any]:
    return resolve_function(name, served)


def served_here() -> tuple[str, ...] | None:
    """The modules that this node serves; None in a process that was started to do this and nothing else."""
    queue = run_queue()
    for node in Node.living:
        if node.queue is queue and node.references is not None:
            return tuple(node.references.served)  # type: ignore[attr-defined]  # the hub's
    return None
