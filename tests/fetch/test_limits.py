"""Rates by an injected clock, compressed bodies under a cap, and the frontier's places."""

from __future__ import annotations

import gzip
import zlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorpar.fetch.encoding import PIECE, Decoder, encoding_of
from actorpar.fetch.errors import ProtocolViolation, ShortBody, TooLarge
from actorpar.fetch.frontier import BATCH, Frontier
from actorpar.fetch.job import Job
from actorpar.fetch.limits import SlowWatch, TokenBucket


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.tuples(st.integers(1, 5000), st.floats(0, 3)), min_size=1, max_size=60), st.integers(10, 10_000))
def test_a_bucket_lets_no_more_through_than_its_rate_and_a_burst(steps: list[tuple[int, float]], rate: int) -> None:
    clock = Clock()
    bucket = TokenBucket(rate, clock)
    used: list[tuple[float, int]] = []
    for amount, gap in steps:
        pause = bucket.take(amount)
        used.append((clock.now + pause, amount))
        clock.now += pause + gap
    begun = 100.0
    total = 0
    for at, amount in used:
        total += amount
        assert total <= rate * (at - begun) + rate / 4 + amount * 1e-9 + 1e-6


def test_takers_are_served_in_the_order_they_came() -> None:
    bucket = TokenBucket(100.0, Clock(), burst=0.0)
    assert [bucket.take(50), bucket.take(100), bucket.take(50)] == [0.5, 1.5, 2.0]


def test_an_idle_bucket_saves_up_no_more_than_a_burst() -> None:
    clock = Clock()
    bucket = TokenBucket(100.0, clock, burst=10.0)
    clock.now += 1000
    assert bucket.take(10) == 0.0
    assert bucket.take(100) == 1.0


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        TokenBucket(0.0, Clock())


def test_a_stream_is_too_slow_only_after_a_whole_window() -> None:
    watch = SlowWatch(1000.0, window=10.0)
    assert not watch.too_slow(1, 9.9)
    assert watch.too_slow(1, 0.2)
    assert not watch.too_slow(1, 0.2)
    assert not watch.too_slow(20_000, 10.0)


@given(st.binary(max_size=5000), st.integers(1, 700), st.sampled_from(["gzip", "deflate", "raw"]))
def test_a_compressed_body_is_decoded_wherever_it_is_cut(body: bytes, cut: int, way: str) -> None:
    raw = zlib.compressobj(wbits=-15)
    packed = {"gzip": gzip.compress(body), "deflate": zlib.compress(body), "raw": raw.compress(body) + raw.flush()}[way]
    decoder = Decoder("gzip" if way == "gzip" else "deflate", 1e9)
    pieces = [packed[at : at + cut] for at in range(0, len(packed), cut)]
    if way == "raw" and pieces[0][0] & 0x0F == 8:
        return  # looks like the standard's form; nobody can tell
    assert b"".join(chunk for piece in pieces for chunk in decoder.decode(piece)) == body
    decoder.finish()


def test_several_gzip_members_are_one_body() -> None:
    decoder = Decoder("gzip", 100)
    assert b"".join(decoder.decode(gzip.compress(b"one ") + gzip.compress(b"two"))) == b"one two"
    decoder.finish()


def test_a_bomb_is_refused_before_it_is_large() -> None:
    decoder = Decoder("gzip", 100)
    sizes: list[int] = []
    with pytest.raises(TooLarge):
        sizes.extend(map(len, decoder.decode(gzip.compress(bytes(64 << 20)))))
    assert max(sizes) <= PIECE
    assert sum(sizes) < 8 << 20


def test_a_small_page_of_blanks_is_no_bomb() -> None:
    assert len(b"".join(Decoder("gzip", 100).decode(gzip.compress(bytes(1 << 20))))) == 1 << 20


def test_a_damaged_or_cut_body_is_told() -> None:
    with pytest.raises(ProtocolViolation):
        list(Decoder("gzip", 100).decode(b"not gzip at all"))
    decoder = Decoder("gzip", 100)
    list(decoder.decode(gzip.compress(bytes(10_000))[:-9]))
    with pytest.raises(ShortBody):
        decoder.finish()
    with pytest.raises(ProtocolViolation):
        Decoder("br", 100)


def test_identity_is_no_encoding() -> None:
    headers = (None, "", "Identity", "GZIP", " br ")
    assert [encoding_of(header) for header in headers] == [None, None, None, "gzip", "br"]


def frontier(clock: Clock | None = None, *, places: int = 4, per_host: int = 2, memory: int = 8) -> Frontier:
    """A small frontier."""
    return Frontier(places=places, per_host=per_host, memory=memory, clock=clock or Clock())


def job(host: str, number: int) -> Job:
    """A job of a host."""
    return Job((f"http://{host}/{number}",))


def test_places_are_kept_per_host_and_in_all() -> None:
    queue = frontier()
    for number in range(5):
        queue.push(job("a", number))
    assert [bool(queue.next()) for _ in range(3)] == [True, True, False]
    for host in ("b", "c", "d"):
        queue.push(job(host, 0))
    assert [bool(queue.next()) for _ in range(3)] == [True, True, False]
    queue.leave("http://a")
    assert bool(queue.next())


def drained(queue: Frontier) -> list[Job]:
    """All that may start now, one after the other."""
    return [job for batch in iter(queue.next, []) for job in batch]


def test_a_long_queue_is_handed_out_in_batches_and_its_end_is_shared() -> None:
    queue = frontier(places=2, per_host=2, memory=1000)
    for number in range(100):
        queue.push(job("a", number))
    sizes = []
    while batch := queue.next():
        sizes.append(len(batch))
        queue.leave("http://a")
    assert sizes[0] == BATCH
    assert sizes[-8:] == [1] * 8
    assert sum(sizes) == 100


def test_hosts_take_turns() -> None:
    queue = frontier(places=100, per_host=100)
    for host in ("a", "a", "a", "b", "c"):
        queue.push(job(host, 0))
    order = [found.host for found in drained(queue)]
    assert order == ["http://a", "http://b", "http://c", "http://a", "http://a"]


def test_a_resting_host_delays_no_other_and_wakes_in_time() -> None:
    clock = Clock()
    queue = frontier(clock)
    queue.push(job("a", 0))
    queue.push(job("b", 0))
    assert queue.rest("http://a", 5.0) == 1
    assert queue.rest("http://a", 3.0) == 1, "failures during a rest are of requests sent before it"
    assert [found.host for found in drained(queue)] == ["http://b"]
    assert queue.wait() == 5.0
    clock.now += 5.0
    assert [found.host for found in queue.next()] == ["http://a"]
    assert queue.wait() is None
    assert queue.rest("http://a", 1.0) == 2
    queue.recovered("http://a")
    clock.now += 2.0
    assert queue.rest("http://a", 1.0) == 1


def test_a_host_that_wakes_just_after_the_last_look_is_not_waited_for_for_ever() -> None:
    clock = Clock()
    queue = frontier(clock)
    queue.push(job("a", 0))
    queue.rest("http://a", 0.01)
    assert queue.next() == []
    clock.now += 0.02
    assert queue.wait() == 0.0
    assert [found.host for found in queue.next()] == ["http://a"]


def test_jobs_beyond_memory_are_spilled_and_come_back_once_and_in_order() -> None:
    queue = frontier(places=1, per_host=1, memory=8)
    for number in range(100):
        queue.push(job("a", number))
    assert queue.spilled == 92
    seen = []
    while found := queue.next():
        seen += found
        queue.leave(found[0].host)
        queue.outstanding -= len(found)
    assert seen == [job("a", number) for number in range(100)]
    assert queue.outstanding == 0
    assert queue.spilled == 0


def test_a_job_that_comes_back_goes_first_and_counts_once() -> None:
    queue = frontier(places=1, per_host=1)
    queue.push(job("a", 0))
    queue.push(job("a", 1))
    (first,) = queue.next()
    queue.leave(first.host)
    queue.push(first, again=True)
    assert queue.next() == [first]
    assert queue.outstanding == 2


def test_helpers_get_only_places_that_no_waiting_file_wants() -> None:
    queue = frontier(places=4, per_host=3)
    queue.push(job("a", 0))
    assert bool(queue.next())
    queue.push(job("b", 0))
    assert queue.borrow("http://a", 5) == 2
    assert queue.borrow("http://a", 5) == 0
    assert queue.active == 3


EVENTS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4)), max_size=60)


@given(EVENTS, st.integers(1, 3), st.integers(1, 4))
def test_every_job_is_handed_out_once_whatever_happens(
    events: list[tuple[str, int]], per_host: int, places: int
) -> None:
    clock = Clock()
    queue = frontier(clock, places=places, per_host=per_host, memory=4)
    busy: Counter[str] = Counter()
    handed: list[Job] = []
    for number, (host, event) in enumerate(events):
        queue.push(job(host, number))
        clock.now += 0.5
        if event == 1:
            queue.rest(f"http://{host}", 1.0)
        while event != 2 and (found := queue.next()):
            handed += found
            busy[found[0].host] += 1
            assert busy[found[0].host] <= per_host
            assert busy.total() <= places
        if event == 3 and busy:
            done = next(iter(busy.elements()))
            busy[done] -= 1
            busy += Counter()
            queue.leave(done)
    clock.now += 10
    while busy or queue.outstanding > len(handed):
        for done in list(busy.elements()):
            queue.leave(done)
        busy.clear()
        while found := queue.next():
            handed += found
            busy[found[0].host] += 1
    assert Counter(done.url for done in handed) == Counter(f"http://{host}/{n}" for n, (host, _) in enumerate(events))
    queue.close()
