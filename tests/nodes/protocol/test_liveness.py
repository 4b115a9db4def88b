"""Heartbeats, suspicion, and the end of patience, on a clock of the test."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from actorpar.nodes.protocol.liveness import (
    DOWN_AFTER,
    LATE,
    Alive,
    Down,
    Liveness,
    SendHeartbeat,
    Stalled,
    Suspect,
)


def ticks(liveness: Liveness, start: float, end: float, step: float = 0.5) -> list[object]:
    news: list[object] = []
    now = start
    while now <= end:
        news += liveness.tick(now)
        now += step
    return news


def test_net41_a_heartbeat_goes_only_when_nothing_was_written_for_an_interval() -> None:
    liveness = Liveness(0.0)
    liveness.wrote(0.4)
    assert ticks(liveness, 0.5, 1.0) == []
    assert ticks(liveness, 1.5, 1.5) == [SendHeartbeat()]
    assert ticks(liveness, 2.0, 2.0) == []


def test_net42_silence_is_suspected_after_3_s_and_ends_the_node_after_10() -> None:
    liveness = Liveness(0.0)
    news = [each for each in ticks(liveness, 0.5, 20.0) if not isinstance(each, SendHeartbeat)]
    assert news == [Suspect(3.0), Down(10.0)]
    assert liveness.is_down


def test_net41_any_byte_is_a_sign_of_life() -> None:
    liveness = Liveness(0.0)
    ticks(liveness, 0.5, 5.0)
    assert liveness.suspected
    assert liveness.heard(5.1) == [Alive()]
    assert liveness.heard(5.2) == []
    assert Down(10.0) not in ticks(liveness, 5.5, 14.0)


def test_net42_down_comes_once_and_nothing_after_it() -> None:
    liveness = Liveness(0.0, down_after=2.0)
    ticks(liveness, 0.5, 2.0)
    assert liveness.is_down
    assert ticks(liveness, 2.5, 30.0) == []
    assert liveness.heard(31.0) == []


def test_net41_time_in_which_this_loop_was_blocked_is_no_silence_of_the_other() -> None:
    liveness = Liveness(0.0)
    ticks(liveness, 0.5, 1.0)
    news = [each for each in liveness.tick(20.0) if not isinstance(each, SendHeartbeat)]
    assert news == []
    assert liveness.silence(20.0) < 3.0


def test_net41_a_late_loop_is_told_as_stalled_once_and_never_as_down() -> None:
    liveness = Liveness(0.0)
    assert liveness.age_told(0.1) == []
    assert liveness.age_told(3.0) == [Stalled(3.0)]
    assert liveness.age_told(4.0) == []
    assert liveness.age_told(0.0) == []
    assert liveness.age_told(5.0) == [Stalled(5.0)]
    assert not liveness.is_down


def test_net41_a_loop_that_has_said_something_since_it_was_told_as_stalled_runs_again() -> None:
    liveness = Liveness(0.0)
    assert liveness.age_told(3.0, 7) == [Stalled(3.0)]
    assert (liveness.stall(7), liveness.stall(8)) == (3.0, 0.0)
    assert liveness.age_told(3.5, 7) == []
    assert liveness.stall(7) == 3.5
    assert liveness.age_told(4.0, 9) == [Stalled(4.0)], "another stall, though no heartbeat came between the two"
    assert liveness.age_told(0.0, 9) == []
    assert liveness.stall(9) == 0.0


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 30), st.booleans()), max_size=60))
def test_net41_only_silence_that_was_listened_to_is_counted_whatever_the_loop_does(
    steps: list[tuple[float, bool]],
) -> None:
    liveness, now, listened = Liveness(0.0), 0.0, 0.0
    for passed, heard in steps:
        now += passed
        listened += min(passed, LATE)
        news = liveness.tick(now)
        if any(isinstance(each, Down) for each in news):
            assert listened >= DOWN_AFTER - 1e-6
            return
        assert liveness.silence(now) <= listened + 1e-6
        assert not liveness.is_down
        if heard:
            liveness.heard(now)
            listened = 0.0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0.05, LATE), min_size=40, max_size=40), st.floats(1.0, 12.0))
def test_net42_a_silent_node_is_down_in_time_if_this_loop_runs(steps: list[float], down_after: float) -> None:
    liveness, now = Liveness(0.0, down_after=down_after), 0.0
    for passed in [*steps, *[0.5] * 30]:
        now += passed
        news = liveness.tick(now)
        assert any(isinstance(each, Down) for each in news) == (now >= down_after), now
        if liveness.is_down:
            return


def test_net42_a_node_that_is_heard_once_in_3_s_is_never_down() -> None:
    liveness, now = Liveness(0.0), 0.0
    for _ in range(1000):
        now += 0.5
        assert not [each for each in liveness.tick(now) if isinstance(each, Down)]
        if now % 3 == 0:
            liveness.heard(now)
