"""What is tried again, and after how long."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorpar.fetch.errors import FetchError, exit_code_of
from actorpar.fetch.retry import RetryPolicy, failure_of_status, parse_retry_after

NOW = 784111777.0  # Sun, 06 Nov 1994 08:49:37 GMT


@given(st.integers(1, 40), st.integers(0, 2**32))
def test_a_pause_lies_in_the_upper_half_of_a_doubling_bound(failures: int, seed: int) -> None:
    policy = RetryPolicy(tries=100, wait=1.0, wait_max=60.0)
    pause = policy.pause(failures, None, random.Random(seed))
    bound = min(2.0 ** (failures - 1), 60.0)
    assert pause is not None
    assert bound / 2 <= pause <= bound


def test_the_bound_doubles() -> None:
    policy = RetryPolicy(tries=10, wait=1.0, wait_max=1000.0)
    pauses = [policy.pause(failures, None, random.Random(7)) for failures in range(1, 6)]
    assert all(later == 2 * earlier for earlier, later in pairwise(pause or 0.0 for pause in pauses))


def test_two_clients_that_failed_together_do_not_return_together() -> None:
    policy = RetryPolicy()
    assert policy.pause(3, None, random.Random(1)) != policy.pause(3, None, random.Random(2))


def test_the_last_try_is_the_last() -> None:
    policy = RetryPolicy(tries=3)
    assert policy.pause(2, None, random.Random(1)) is not None
    assert policy.pause(3, None, random.Random(1)) is None


def test_a_server_is_given_the_time_it_asks_for_and_no_more_than_is_allowed() -> None:
    policy = RetryPolicy(wait=1.0, wait_max=120.0)
    assert policy.pause(1, 90.0, random.Random(1)) == 90.0
    assert policy.pause(1, 121.0, random.Random(1)) is None
    short = policy.pause(1, 0.0, random.Random(1))
    assert short is not None
    assert short >= 0.5


def test_an_absurd_number_of_failures_overflows_nothing() -> None:
    assert RetryPolicy(tries=10**9).pause(10**6, None, random.Random(1)) is not None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 5 ", 5.0),
        ("0", 0.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
        ("9" * 400, 999999999.0),
        ("Sun, 06 Nov 1994 08:50:07 GMT", 30.0),
        ("Sunday, 06-Nov-94 08:50:07 GMT", 30.0),
        ("Sun Nov  6 08:50:07 1994", 30.0),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, NOW) == seconds


@given(st.text())
def test_no_retry_after_is_negative_or_raises(header: str) -> None:
    seconds = parse_retry_after(header, NOW)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    ("status", "kind", "retryable", "host_wide"),
    [
        (400, "http", False, False),
        (401, "auth", False, False),
        (403, "auth", False, False),
        (404, "not-found", False, False),
        (407, "auth", False, False),
        (408, "http", True, False),
        (410, "not-found", False, False),
        (418, "http", False, False),
        (425, "http", True, False),
        (429, "overloaded", True, True),
        (500, "http", True, False),
        (501, "http", False, False),
        (502, "http", True, False),
        (503, "overloaded", True, True),
        (504, "http", True, False),
        (505, "http", False, False),
        (599, "http", True, False),
    ],
)
def test_a_status_is_tried_again_if_it_may_get_better(status: int, kind: str, retryable: bool, host_wide: bool) -> None:
    failure = failure_of_status(status, "Reason", None)
    assert (failure.kind, failure.retryable, failure.host_wide, failure.status) == (kind, retryable, host_wide, status)


def test_every_kind_has_one_exit_code() -> None:
    def all_of(cls: type[FetchError]) -> list[type[FetchError]]:
        return [cls, *(below for child in cls.__subclasses__() for below in all_of(child))]

    codes: dict[str, set[int]] = {}
    for cls in all_of(FetchError):
        codes.setdefault(cls.kind, set()).add(cls.exit_code)
    assert all(len(found) == 1 for found in codes.values()), codes


def test_failures_of_one_kind_give_its_code_and_of_several_give_one() -> None:
    assert exit_code_of({}) == 0
    assert exit_code_of({"not-found": 7}) == 3
    assert exit_code_of({"network": 1, "short-body": 2}) == 6
    assert exit_code_of({"network": 1, "dns": 2}) == 1
