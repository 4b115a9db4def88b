"""Work that keeps the cores busy, in a pool of processes: which number below a limit takes the most Collatz steps?

Run it in a terminal: a bar tells how far it is.
"""

import actorpar as ap

LIMIT = 100_000
BLOCK = 1_000


def longest(first: int) -> tuple[int, int]:
    """Of the numbers of one block: the most steps, and the number that takes them."""
    return max((steps(n), n) for n in range(first, first + BLOCK))


def steps(n: int) -> int:
    count = 0
    while n != 1:
        n = 3 * n + 1 if n % 2 else n // 2
        count += 1
    return count


async def main() -> None:
    async with ap.ProcessPool() as pool:
        most, number = max(await pool.map(longest, range(1, LIMIT, BLOCK), progress=True))
    print(f"{number} takes {most} steps")


if __name__ == "__main__":
    ap.run(main)
