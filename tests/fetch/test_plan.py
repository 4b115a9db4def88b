"""Who brings which bytes of a file, and whether an answer is of the file that was begun."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorpar.fetch.errors import Changed, ProtocolViolation, ShortBody
from actorpar.fetch.plan import Claim, Plan, Ranges
from actorpar.fetch.resume import (
    Version,
    check_range,
    http_date,
    range_version,
    same_file,
    takes_ranges,
    version_of,
)

SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=20)
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


@given(SPANS)
def test_ranges_are_the_set_of_their_bytes(spans: list[tuple[int, int]]) -> None:
    ranges = Ranges(spans)
    model = {byte for start, stop in spans for byte in range(start, stop)}
    kept = list(ranges)
    assert {byte for start, stop in kept for byte in range(start, stop)} == model
    assert all(start < stop for start, stop in kept)
    assert all(before[1] < after[0] for before, after in pairwise(kept))
    assert ranges.size == len(model)
    holes = {byte for start, stop in ranges.holes(50) for byte in range(start, stop)}
    assert holes == set(range(50)) - model


@given(st.integers(1, 200), SPANS, st.integers(1, 20), st.integers(0, 2**32))
def test_every_missing_byte_is_brought_exactly_once(
    total: int, done: list[tuple[int, int]], least: int, seed: int
) -> None:
    chance = random.Random(seed)
    plan = Plan(total, done, min_split=least, split=chance.randint(1, 4))
    there = [0] * total
    for start, stop in done:
        there[start : min(stop, total)] = [1] * (min(stop, total) - min(start, total))
    streams: list[Claim] = []
    for _ in range(10_000):
        if plan.complete:
            break
        claim = plan.claim() if not streams or (len(streams) < 4 and chance.random() < 0.3) else None
        if claim is not None:
            streams.append(claim)
            continue
        stream = chance.choice(streams)
        brought = min(chance.randint(1, 8), stream.left)
        for byte in range(stream.position, stream.position + brought):
            there[byte] += 1
        stream.position += brought
        met = not stream.left and not (chance.random() < 0.5 and plan.extend(stream, total))
        if met or chance.random() < 0.1:  # the end, or a failure on the way
            plan.release(stream)
            streams.remove(stream)
    assert plan.complete
    assert plan.missing == 0
    assert there == [1] * total


def test_a_second_stream_takes_a_share_from_the_end_of_the_first() -> None:
    plan = Plan(1000, min_split=10, split=4)
    first, second = plan.claim(), plan.claim()
    assert first is not None
    assert second is not None
    assert (first.stop, second.position, second.stop) == (938, 938, 1000)


def test_a_claim_too_small_to_share_is_left_alone() -> None:
    plan = Plan(100, min_split=60)
    assert plan.claim() is not None
    assert plan.claim() is None


def test_a_claim_runs_on_into_what_another_gave_back_as_far_as_its_answer_goes() -> None:
    plan = Plan(1000, min_split=100, split=1)
    first, second = plan.claim(), plan.claim()
    assert first is not None
    assert second is not None
    assert not plan.extend(first, 1000)
    plan.release(second)
    assert plan.extend(first, 900)
    assert first.stop == 900
    assert plan.extend(first, 1000)
    assert not plan.extend(first, 1000)
    assert first.stop == 1000


def test_a_plan_is_not_complete_before_the_last_claim_is_released() -> None:
    plan = Plan(10, min_split=1)
    claim = plan.claim()
    assert claim is not None
    claim.position = claim.stop
    assert not plan.complete
    plan.release(claim)
    assert plan.complete


@pytest.mark.parametrize(
    ("version", "validator"),
    [
        (Version(1, '"a"', DATE), '"a"'),
        (Version(1, 'W/"a"', DATE), DATE),
        (Version(1, 'W/"a"', None), None),
        (Version(1, None, DATE), DATE),
        (Version(1, None, None), None),
    ],
)
def test_only_a_strong_tag_or_a_date_is_asked_for_a_range(version: Version, validator: str | None) -> None:
    assert version.validator == validator


def test_versions_contradict_only_in_what_both_tell() -> None:
    begun = Version(10, '"a"', DATE)
    assert not begun.contradicts(Version())
    assert not begun.contradicts(Version(10, None, DATE))
    assert begun.contradicts(Version(11, '"a"', DATE))
    assert begun.contradicts(Version(10, '"b"', None))


@pytest.mark.parametrize(
    ("headers", "total"),
    [
        ({"Content-Length": "12"}, 12),
        ({"Content-Length": "12", "Content-Encoding": "gzip"}, None),
        ({"Content-Length": "12", "Content-Encoding": "identity"}, 12),
        ({"Content-Length": "-1"}, None),
        ({}, None),
    ],
)
def test_the_length_of_an_encoded_body_is_not_the_length_of_the_file(
    headers: dict[str, str], total: int | None
) -> None:
    assert version_of(headers).total == total


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes 5-9",
        "bytes */100",
        "bytes 6-9/100",
        "bytes 5-4/100",
        "bytes 5-100/100",
        "items 5-9/100",
        "bytes 5-9/x",
    ],
)
def test_a_range_that_makes_no_sense_is_refused(header: str) -> None:
    with pytest.raises(ProtocolViolation):
        range_version({"Content-Range": header}, 5)


def test_a_range_tells_the_version_and_its_end() -> None:
    assert range_version({"Content-Range": "bytes 5-9/100", "ETag": '"a"'}, 5) == (Version(100, '"a"'), 10)
    assert range_version({"Content-Range": "BYTES 5-9/*"}, 5) == (Version(), 10)


def test_a_range_of_another_version_or_too_short_is_refused() -> None:
    with pytest.raises(Changed):
        check_range(Version(100, '"a"'), Version(100, '"b"'), 10, 10)
    with pytest.raises(ShortBody):
        check_range(Version(100, '"a"'), Version(100, '"a"'), 9, 10)
    check_range(Version(100, '"a"'), Version(None, None), 10, 10)


def test_a_file_is_the_same_only_if_length_and_date_prove_it() -> None:
    date = http_date(DATE)
    assert date is not None
    assert same_file(10, date, Version(10, None, DATE))
    assert not same_file(11, date, Version(10, None, DATE))
    assert not same_file(10, date + 1, Version(10, None, DATE))
    assert not same_file(10, date, Version(10))
    assert not same_file(10, date, Version(None, None, DATE))
    assert not same_file(10, date, Version(10, None, "yesterday"))


def test_ranges_are_offered_by_name() -> None:
    assert takes_ranges({"Accept-Ranges": "bytes"})
    assert not takes_ranges({"Accept-Ranges": "none"})
    assert not takes_ranges({})
