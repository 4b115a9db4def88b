"""Heartbeats, suspicion, and the end of patience, on a clock of the test."""

from __future__ import annotations

from actorpar.nodes.protocol.liveness import Alive, Down, Liveness, SendHeartbeat, Stalled, Suspect


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
