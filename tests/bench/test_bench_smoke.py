"""Every case of the bench runs and moves the items it says it moves; nothing here looks at a time.

The cases check their own counts (WrongCount), so a sample means that all items arrived.
"""

import argparse
import json
import shutil
import sys
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import pytest

import actorpar as ap
from actorpar.bench import add_arguments
from tests.gpu.pocl import why_no_opencl
from tests.mpi.lanes import LANES

from . import across, devices, links, ranks, record, report
from .cases import BOTH_LOOPS, DEFAULT, NO_LOOP, UVLOOP, Case, Group
from .catalogue import every_group, matching
from .goals import BLOCKING, GOALS, judge
from .measure import Sample, Stopwatch, WrongCount, expect
from .session import Result
from .worker import Event, alternate

TINY = {
    "ping-pong": 20,
    "import": 1,
    "downloads, small files": 3,
    "downloads, large files": 1,
    "memory of an idle actor": 100,
}
IN_PROCESS = [group for group in every_group() if group.loops == BOTH_LOOPS]
OUTSIDE = {
    "downloads, small files",
    "downloads, large files",
    "memory of an idle actor",
    "import",
    "pool, tasks of 1 ms",
    "pool, overhead",
}
LINKS = [*links.groups(), *across.groups()]
RANKS = ranks.groups()
DEVICES = devices.groups()
#: Of ranks, what is run each time: the others take seconds to start, or to idle.
QUICK_RANKS = {"ranks, mpich, latency", "ranks, mpich, one way", "ranks, mpich, 64 KiB", "ranks, mpich, allreduce"}


def run_tiny(group: Group, loop: str) -> Result:
    few = TINY.get(group.name, 10 if "under load" in group.name else 40)
    items = max(group.least, few // group.least * group.least)
    result = Result(group, loop, items)
    alternate(group, loop, 1, items, result.add)
    return result


@pytest.mark.parametrize("loop", BOTH_LOOPS)
@pytest.mark.parametrize("group", IN_PROCESS, ids=lambda group: group.name)
def test_every_case_of_a_group_moves_all_its_items(group: Group, loop: str) -> None:
    pytest.importorskip("uvloop")
    result = run_tiny(group, loop)
    assert result.failed == {}
    for case in group.cases:
        if case.name not in result.absent:
            assert [sample.items for sample in result.samples[case.name]] == [result.items], case.name


@pytest.mark.parametrize("name", sorted(OUTSIDE))
def test_clients_imports_and_workers_run_in_processes_of_their_own(name: str) -> None:
    [group] = [group for group in every_group() if group.name == name]
    result = run_tiny(group, NO_LOOP)
    assert result.failed == {}
    assert set(result.samples) == {case.name for case in group.cases} - set(result.absent)


@pytest.mark.parametrize("group", LINKS, ids=lambda group: group.name)
def test_every_case_of_what_joins_processes_moves_all_its_items(group: Group) -> None:
    pytest.importorskip("uvloop")
    result = run_tiny(group, UVLOOP)
    assert result.failed == {}
    assert set(result.samples) == {case.name for case in group.cases} - set(result.absent)


@pytest.mark.parametrize("group", DEVICES, ids=lambda group: group.name)
def test_every_contestant_on_a_device_does_what_it_is_told(group: Group) -> None:
    if why := why_no_opencl():
        pytest.skip(why)
    result = run_tiny(group, UVLOOP)
    assert result.failed == {}
    assert set(result.samples) == {case.name for case in group.cases}


def test_what_is_added_to_a_contestant_is_judged_by_the_difference() -> None:
    [group] = matching("devices, one by one")
    result = Result(group, UVLOOP, 1)
    times = {"actorpar, gpu.done(queue)": 15, BLOCKING: 10, "PyOpenCL, set_callback": 110, "thread, event.wait()": 20}
    result.samples = {case: [Sample(1, 1, 1, each * 1e-6)] for case, each in times.items()}
    over, callback, thread, *_ = judge([result])
    assert over.reached == pytest.approx(5e-6)
    assert callback.reached == pytest.approx(0.05)
    assert thread.reached == pytest.approx(0.5)
    assert (over.met, callback.met, thread.met) == (True, True, False)


def test_every_group_is_run_here() -> None:
    assert {group.name for group in every_group()} == {
        group.name for group in (*IN_PROCESS, *LINKS, *RANKS, *DEVICES)
    } | OUTSIDE


@pytest.mark.parametrize(
    "group",
    [
        pytest.param(group, marks=() if group.name in QUICK_RANKS else pytest.mark.slow, id=group.name)
        for group in RANKS
    ],
)
def test_every_contestant_among_ranks_does_what_it_is_told(group: Group) -> None:
    LANES[group.name.split(", ")[1]].require()
    result = Result(group, NO_LOOP, 64)
    alternate(group, NO_LOOP, 1, 64, result.add)
    assert result.failed == {}
    assert set(result.samples) == {case.name for case in group.cases} - set(result.absent)


def test_a_case_without_a_compiler_is_left_out_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, links.C, raising=False)
    monkeypatch.setattr(shutil, "which", lambda program: None)
    events: list[Event] = []
    case = Case("limit", lambda items, factory: Sample(items, 1, 1, 1), needs=(links.C,))
    alternate(Group("g", "", 1, (case,)), DEFAULT, 1, 1, events.append)
    assert events == [Event("limit", absent="no C compiler (cc)")]


async def test_a_channel_that_is_starved_gives_no_figure() -> None:
    with pytest.raises(across.Starved, match="one channel has had 0 items when another has had 800"):
        await consume_from(4, fed=3)


async def test_channels_that_all_get_their_share_give_a_figure() -> None:
    assert await consume_from(4, fed=4) == 4 * 800


async def consume_from(channels: int, fed: int) -> int:
    """What the consumer of the row counts; it comes to an end by itself only where all channels are fed."""
    pairs = [ap.open_channel[bytes](across.CAPACITY) for _ in range(channels)]
    done, says = ap.open_channel[int](2)
    with ExitStack() as ends:
        for end in (done, says, *chain(*pairs)):
            ends.enter_context(end)
        async with ap.ProcessGroup() as group:
            for tx, _ in pairs[:fed]:
                group.spawn(across.feed, tx, 800, across.BATCH)
            await across.consume_all([rx for _, rx in pairs], 800, done)
        ready, total = await says.receive_many(2)
    assert ready == 0
    return total


def test_every_goal_names_cases_that_exist() -> None:
    cases = {(group.name, case.name) for group in every_group() for case in group.cases}
    wanted = {(goal.group, case) for goal in GOALS for case in (goal.ours, goal.base) if case}
    assert wanted <= cases


def test_group_names_are_unique() -> None:
    names = [group.name for group in every_group()]
    assert len(names) == len(set(names))


def test_a_pattern_chooses_groups_by_part_of_their_name_or_by_wildcard() -> None:
    assert [group.name for group in matching("ping-")] == ["ping-pong"]
    assert [group.name for group in matching("cap*64")] == ["capacity 64"]
    assert matching("no such group") == []
    assert len(matching("*")) == len(every_group())


def test_a_wrong_count_is_not_a_sample() -> None:
    with pytest.raises(WrongCount, match="items: 3 instead of 4"):
        expect("items", 3, 4)


def test_the_99th_percentile_is_the_worst_of_a_hundred_but_one() -> None:
    with Stopwatch() as watch:
        pass
    assert watch.latency([float(number) for number in range(100)]).value == 98.0


def test_an_event_survives_the_pipe_from_the_worker() -> None:
    for event in (Event("a", sample=Sample(3, 0.5, 0.6, 0.1)), Event("b", absent="no b"), Event("c", failed="boom")):
        assert Event.from_json(event.to_json()) == event


def test_a_goal_is_met_at_its_limit_and_missed_above_it(tmp_path: Path) -> None:
    [group] = matching("ring of 1000")
    result = Result(group, "uvloop", 1000)
    for ours in (0.45, 0.46):
        result.samples = {
            "asyncio.Queue": [Sample(1, 1, 1, 1.0)],
            "actorpar, processes": [Sample(1, 1, 1, ours)],
        }
        [verdict] = judge([result])
        assert (verdict.reached, verdict.met) == (ours, ours == 0.45)
    path = tmp_path / "run.json"
    record.write(path, {"python": "3"}, {}, [result], judge([result]))
    written = json.loads(path.read_text())
    assert written["goals"][0]["met"] is False
    assert written["groups"][0]["samples"]["actorpar, processes"][0]["value"] == 0.46
    assert "| missed |" in report.markdown([[result]], judge([result]), "about")


def test_the_command_line_refuses_zero_repeats(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--repeats", "0"])
    assert "at least 1" in capsys.readouterr().err
