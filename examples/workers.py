"""Fan-out and fan-in: several workers take jobs from one channel and put their results into another.

Each worker owns a clone of both ends. The results end when the last worker has returned: nobody counts, and nobody
sends a sentinel.
"""

import asyncio

import actorpar as ap

WORKERS = 4
WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog"]


async def worker(jobs: ap.Receiver[str], results: ap.Sender[tuple[str, int]]) -> None:
    async for word in jobs:
        await asyncio.sleep(0.001 * len(word))  # the longer the word, the longer the work
        await results.send((word, len(word)))


async def feed(words: list[str], jobs: ap.Sender[str]) -> None:
    await jobs.send_many(words)


async def main() -> None:
    jobs_tx, jobs_rx = ap.open_channel[str](WORKERS)
    results_tx, results_rx = ap.open_channel[tuple[str, int]](WORKERS)
    async with ap.ProcessGroup() as group:
        group.spawn(feed, WORDS, jobs_tx)
        for _ in range(WORKERS):
            group.spawn(worker, jobs_rx.clone(), results_tx.clone())
        jobs_rx.close()
        results_tx.close()  # ours; the workers' clones keep the channel open
        with results_rx:
            lengths = [result async for result in results_rx]
    for word, length in sorted(set(lengths)):
        print(f"{word}: {length}")
    print(f"{len(lengths)} results from {WORKERS} workers")


if __name__ == "__main__":
    ap.run(main)
