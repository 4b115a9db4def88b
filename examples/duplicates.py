"""Which files are the same? A pool of actors reads and hashes them, each in a thread, four at a time.

`map` pulls the next path when a worker gets free. A worker that fails would be replaced, and its job raise at `map`.
"""

import hashlib
import tempfile
from collections import defaultdict
from pathlib import Path

import actorpar as ap


class Hasher(ap.Actor):
    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(64 * 1024))  # each worker has its own

    @ap.blocking
    def digest(self, path: Path) -> tuple[str, Path] | None:
        total = hashlib.sha256()
        try:
            with path.open("rb", buffering=0) as file:
                while count := file.readinto(self.buffer):
                    total.update(self.buffer[:count])
        except OSError as error:
            print(f"left out: {path.name} ({error.strerror})")
            return None
        return total.hexdigest(), path


def write_files(folder: Path) -> list[Path]:
    paths = [folder / f"{n}.txt" for n in range(40)]
    for n, path in enumerate(paths):
        path.write_text(f"page {n % 38}\n" * 10_000)
    return [*paths, folder / "gone"]


async def duplicates(paths: list[Path]) -> list[list[Path]]:
    same: defaultdict[str, list[Path]] = defaultdict(list)
    async with ap.ActorSystem() as system, ap.pool(system, Hasher, size=4) as hashers:
        async for hashed in hashers.map(Hasher.digest, paths, ordered=False):
            if hashed is not None:
                same[hashed[0]].append(hashed[1])
    return [sorted(paths) for paths in same.values() if len(paths) > 1]


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for same in sorted(await duplicates(write_files(Path(folder)))):
            print("the same:", ", ".join(path.name for path in same))


if __name__ == "__main__":
    ap.run(main)
