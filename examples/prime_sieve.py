"""The prime sieve of Hoare and McIlroy: a chain of processes that grows by one filter with every prime it finds."""

import actorpar as ap


async def count_from(start: int, out: ap.Sender[int]) -> None:
    n = start
    while True:
        await out.send(n)
        n += 1


async def drop_multiples(prime: int, source: ap.Receiver[int], out: ap.Sender[int]) -> None:
    async for n in source:
        if n % prime:
            await out.send(n)


async def primes(count: int) -> list[int]:
    found: list[int] = []
    async with ap.ProcessGroup("sieve") as group:
        out, source = ap.open_channel[int](0)
        group.spawn(count_from, 2, out)
        for _ in range(count):
            prime = await source.receive()
            found.append(prime)
            out, filtered = ap.open_channel[int](0)
            group.spawn(drop_multiples, prime, source, out, name=f"drop multiples of {prime}")
            source = filtered
        group.cancel()  # the chain would go on for ever
        source.close()
    return found


async def main() -> None:
    print(*await primes(30))


if __name__ == "__main__":
    ap.run(main)
