"""Count the words of text files: a map-reduce on one process, on several, or on nodes of several hosts.

    python examples/wordcount/wordcount.py
    actorpar run examples/wordcount/wordcount.py --nodes 4

The files are cut into numbered pieces. A piece is counted on whichever node has time; if that node dies with it,
another one counts it again, and the first result is the one that counts. So the totals are exact however many nodes are
lost.

WORDCOUNT_FOLDER is where the text files are, by default those of the Python library; WORDCOUNT_TIMES counts them so
many times over; WORDCOUNT_NODES is how many nodes to wait for.
"""

import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import actorpar as ap

FOLDER = Path(os.environ.get("WORDCOUNT_FOLDER", os.path.dirname(os.__file__)))
TIMES = int(os.environ.get("WORDCOUNT_TIMES", "1"))
NODES = int(os.environ.get("WORDCOUNT_NODES", "0"))
PIECE = 256 * 1024
WORD = re.compile(r"[a-z]+")


class Piece(NamedTuple):
    number: int
    path: str
    begin: int
    end: int


class Counted(NamedTuple):
    number: int
    pid: int
    words: dict[str, int]


def cut(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Pieces of the files, each from the begin of a line to the end of one."""
    for path in sorted(folder.glob("*.py")):
        with path.open("rb") as file:
            size, begin = path.stat().st_size, 0
            while begin < size:
                file.seek(min(begin + PIECE, size))
                file.readline()
                yield str(path), begin, file.tell()
                begin = file.tell()


def count(piece: Piece) -> Counted:
    """Map: the words of one piece."""
    with open(piece.path, "rb") as file:
        file.seek(piece.begin)
        text = file.read(piece.end - piece.begin).decode("utf-8", "replace")
    return Counted(piece.number, os.getpid(), dict(Counter(WORD.findall(text.lower()))))


async def main() -> None:
    pieces = [
        Piece(number, *place) for number, place in enumerate(place for _ in range(TIMES) for place in cut(FOLDER))
    ]
    totals: Counter[str] = Counter()
    by_process: Counter[int] = Counter()
    async with ap.ActorSystem() as system:
        if NODES:
            await system.wait_for_nodes(NODES)
        names = {node.pid: node.name for node in system.nodes}
        again = ap.Retry(attempts=1000, base=0.01, cap=0.5, only=(ap.WorkerLost, ap.NodeDown))
        counting = ap.stage(count, per_node=2, ordered=False, blocking=True, retry=again)
        async with ap.pipeline(pieces, counting, system=system) as results:
            async for counted in results:  # reduce
                totals.update(counted.words)
                by_process[counted.pid] += 1
                names.update({node.pid: node.name for node in system.nodes})
            lost = results.view().stages[0].retried
        for node, (sent, received) in system.traffic().items():
            print(f"{node}: {sent:,} bytes sent, {received:,} received", file=sys.stderr)
    for pid, done in by_process.most_common():
        print(f"{names.get(pid, 'this process')}: {done / len(pieces):.0%} of the pieces", file=sys.stderr)
    print(f"{len(pieces)} pieces, {lost} of them counted again", file=sys.stderr)
    print(f"{totals.total()} words, {len(totals)} different ones")
    print(*(f"{word} {times}" for word, times in totals.most_common(5)), sep="\n")


if __name__ == "__main__":
    ap.run(main)
