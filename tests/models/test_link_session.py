"""A session over connections that break anywhere: 0 lost, 0 duplicated, 0 reordered, and nothing is ever stuck.

Every order in which two sides say, write, read, acknowledge, dial and learn that a connection is over, with a break at
any point and between any two pieces of a frame. The search is exhaustive; that it would find something is shown by
planting what it has to find.
"""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest

from actorpar.nodes.protocol.inbound import Inbound
from actorpar.nodes.protocol.outbound import Outbound

from .link_world import LinkWorld, Said, Violation, explore

A: Said = (1, b"a", ())
B: Said = (1, b"b", ())
CONTROL: Said = (0, b"c", ())
LARGE: Said = (1, b"ab", (b"cdefgh",))
OTHER_LARGE: Said = (2, b"", (b"ijklmn",))


class Scenario(NamedTuple):
    """What each side says, how many breaks, in how many pieces a frame is read, and whether frames may come twice."""

    dialer: Sequence[Said]
    acceptor: Sequence[Said]
    breaks: int = 1
    pieces: int = 1
    from_acks: bool = False


SCENARIOS: dict[str, Scenario] = {
    "small messages and control, both ways, torn frames": Scenario([A, CONTROL], [B], pieces=2),
    "one message each way, two breaks": Scenario([A], [B], breaks=2),
    "frames that come twice": Scenario([A, CONTROL], [B], from_acks=True),
    "a large message, torn frames": Scenario([LARGE], [], pieces=4),
    "a large message, two breaks": Scenario([LARGE], [], breaks=2),
    "a large message, torn frames that come twice": Scenario([LARGE], [], pieces=2, from_acks=True),
    "a large message of who accepts, behind a small one": Scenario([], [A, LARGE]),
    "two large messages of which one has to wait": Scenario([LARGE, OTHER_LARGE], []),
    "more than may be unacknowledged": Scenario([A, B, A], [CONTROL]),
}


def search(scenario: Scenario) -> str:
    dialer, acceptor, breaks, pieces, from_acks = scenario
    explored = explore(lambda: LinkWorld((dialer, acceptor), breaks=breaks, pieces=pieces, from_acks=from_acks))
    assert explored.resumed, "no connection was resumed with something to send again"
    assert bool(explored.duplicates) == from_acks, "frames come twice from the last acknowledgement on, and only then"
    return str(explored)


@pytest.mark.parametrize("name", SCENARIOS)
def test_net34_whatever_breaks_all_arrives_once_and_in_order_and_nothing_is_stuck(name: str) -> None:
    print(f"{name}: {search(SCENARIOS[name])}")


# -- the search finds planted bugs

fragment_done, target, acked, take = Inbound.fragment_done, Inbound.target, Outbound.acked, Outbound.take
resume, written_out = Outbound.resume, Outbound._written_out


def _takes_what_came_before(self: Inbound, seq: int) -> bool:
    return seq <= self.next_seq or self.next_seq == 1


def _counts_a_fragment_that_has_begun(self: Inbound, lane: int, size: int) -> memoryview:
    view = target(self, lane, size)
    self.next_seq += 1
    return view


def _counts_no_fragment_that_is_done(self: Inbound, lane: int) -> Any:
    message = fragment_done(self, lane)
    self.next_seq -= 1
    return message


def _drops_one_frame_too_many(self: Outbound, next_seq: int) -> None:
    acked(self, min(next_seq + 1, self.next_seq))


def _sends_nothing_again(self: Outbound, next_seq: int) -> None:
    resume(self, next_seq)
    self._again.clear()


def _sends_again_what_came_last_first(self: Outbound, next_seq: int) -> None:
    resume(self, next_seq)
    self._again.reverse()


def _numbers_a_frame_anew(self: Outbound, next_seq: int) -> None:
    self.next_seq -= len(self._retained) and 1
    self._retained = collections.deque(list(self._retained)[:-1])
    resume(self, min(next_seq, self.next_seq))


def _lets_control_overtake_what_is_sent_again(self: Outbound, budget: int) -> list[Any]:
    again, self._again = self._again, collections.deque()
    out = take(self, budget)
    self._again = again
    return out or take(self, budget)


def _forgets_who_waits(self: Outbound, lane: Any, large: Any) -> None:
    aside, self._aside = self._aside, {}
    written_out(self, lane, large)
    self._aside = aside


def _lets_all_begin(self: Outbound, lane: Any, large: Any, *, again: bool = False) -> bool:
    lane.admitted = True
    self._under_way += 1
    return True


TORN, TWO_LARGE = "a large message, torn frames", "two large messages of which one has to wait"
TWICE = "frames that come twice"
BOTH_WAYS = "small messages and control, both ways, torn frames"

PLANTED: dict[str, tuple[str, list[tuple[type, str, Any]]]] = {
    "a duplicate is delivered": (TWICE, [(Inbound, "expects", _takes_what_came_before)]),
    "a fragment counts before it is here": (
        TORN,
        [
            (Inbound, "target", _counts_a_fragment_that_has_begun),
            (Inbound, "fragment_done", _counts_no_fragment_that_is_done),
        ],
    ),
    "an acknowledgement drops one frame too many": (BOTH_WAYS, [(Outbound, "acked", _drops_one_frame_too_many)]),
    "nothing is sent again": (BOTH_WAYS, [(Outbound, "resume", _sends_nothing_again)]),
    "what is sent again is out of order": (BOTH_WAYS, [(Outbound, "resume", _sends_again_what_came_last_first)]),
    "a number is used twice": (BOTH_WAYS, [(Outbound, "resume", _numbers_a_frame_anew)]),
    "control overtakes what is sent again": (
        BOTH_WAYS,
        [(Outbound, "take", _lets_control_overtake_what_is_sent_again)],
    ),
    "a lane that was set aside is forgotten": (TWO_LARGE, [(Outbound, "_written_out", _forgets_who_waits)]),
    "all large messages begin at once": (TWO_LARGE, [(Outbound, "_admit", _lets_all_begin)]),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_of_a_session_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario, bugs = PLANTED[name]
    for owner, method, variant in bugs:
        monkeypatch.setattr(owner, method, variant)
    with pytest.raises(Violation) as found:
        search(SCENARIOS[scenario])
    print(found.value)
