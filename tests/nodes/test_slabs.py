"""Shared memory that is lent: read in place, used again only when it came back, and never left behind."""

from __future__ import annotations

import errno
import fcntl
import gc
import itertools
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actorpar.channels import env
from actorpar.nodes import shm, slabs
from actorpar.nodes.borrowed import Borrowed
from actorpar.nodes.errors import CodecError, OutOfSlabs, ProtocolError
from actorpar.nodes.segment import PAGE
from actorpar.nodes.shm import NAME, Descriptor, sweep
from actorpar.nodes.slabs import Arena

PEER = "the peer"
#: A process that does not exist: beyond the largest number that Linux gives.
DEAD = 4_194_305


class Lending:
    """An arena, and one who borrows from it."""

    def __init__(self, folder: Path, *, limit: int = 64 * PAGE) -> None:
        self.folder = folder
        self.arena = Arena(limit=limit, folder=folder)
        self.back: list[Descriptor] = []
        self.borrowed = Borrowed(self.back.append, folder=folder)

    def take_back(self) -> None:
        """What was released over there comes back."""
        while self.back:
            self.arena.returned(self.back.pop(), PEER)

    def files(self) -> list[str]:
        return sorted(os.listdir(self.folder))


@pytest.fixture
def lending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lending]:
    monkeypatch.setattr(slabs, "SEGMENT", 16 * PAGE)
    made = Lending(tmp_path)
    yield made
    made.borrowed.close()
    made.arena.close()


# -- there and back


@pytest.mark.parametrize("size", [1, PAGE, 3 * PAGE + 17])
def test_what_is_put_is_what_the_borrower_reads_in_place_or_copied(lending: Lending, size: int) -> None:
    data = os.urandom(size)
    one, other = lending.arena.put(data, PEER), lending.arena.put(data, PEER)
    view = lending.borrowed.view(one)
    assert view == data
    assert lending.borrowed.copy(other) == data
    assert lending.back == [other]
    del view
    assert lending.back == [other, one]
    lending.take_back()
    assert lending.arena.used == 0


def test_an_array_that_is_built_in_the_arena_is_lent_without_a_copy(lending: Lending) -> None:
    array = lending.arena.empty((3, 5), "f8")
    array[:] = numpy.arange(15).reshape(3, 5)
    descriptor = lending.arena.lend(memoryview(array.reshape(-1).view("u1")), PEER)
    assert descriptor is not None
    theirs: Any = numpy.frombuffer(lending.borrowed.view(descriptor), "f8").reshape(3, 5)
    assert (theirs == array).all()
    theirs[1, 1] = 4711  # it is the receiver's, and the same memory
    assert array[1, 1] == 4711


def test_a_part_of_an_array_is_lent_as_this_part(lending: Lending) -> None:
    array = lending.arena.empty(2 * PAGE, "u1")
    array[:] = 0
    array[5:9] = (1, 2, 3, 4)
    descriptor = lending.arena.lend(array[5:9], PEER)
    assert descriptor is not None
    assert lending.borrowed.copy(descriptor) == b"\1\2\3\4"
    lending.take_back()
    assert lending.arena.used == 2 * PAGE
    del array
    assert lending.arena.used == 0


def test_what_stands_elsewhere_or_is_read_only_or_scattered_is_to_be_copied(lending: Lending) -> None:
    array = lending.arena.empty(100, "u1")
    assert lending.arena.lend(bytearray(100), PEER) is None
    assert lending.arena.lend(b"x", PEER) is None
    assert lending.arena.lend(bytearray(), PEER) is None
    assert lending.arena.lend(array[::2], PEER) is None
    array.flags.writeable = False
    assert lending.arena.lend(array, PEER) is None


def test_an_array_of_objects_is_refused_and_an_empty_one_needs_no_memory(lending: Lending) -> None:
    with pytest.raises(TypeError, match="references"):
        lending.arena.empty(3, object)
    assert lending.arena.empty((0, 3)).shape == (0, 3)
    with pytest.raises(ValueError, match="0 bytes"):
        lending.arena.allocate(0)
    assert lending.files() == []


# -- used again


def test_memory_is_used_again_when_nobody_stands_on_it_here_or_there(lending: Lending) -> None:
    array = lending.arena.empty(PAGE, "u1")
    first = lending.arena.lend(array, PEER)
    assert first is not None
    theirs = numpy.frombuffer(lending.borrowed.view(first), "u1")
    part = theirs[7:]
    del array, theirs
    assert lending.arena.put(b"x", PEER) != first
    assert lending.back == []
    del part
    lending.take_back()
    assert lending.arena.put(bytes(PAGE), PEER) == first


def test_a_block_that_is_lent_twice_has_to_come_back_twice(lending: Lending) -> None:
    array = lending.arena.empty(10, "u1")
    one, other = lending.arena.lend(array, PEER), lending.arena.lend(array, "another")
    assert one is not None
    assert one == other == lending.arena.lend(array, PEER)
    del array
    for borrower in (PEER, "another", PEER):
        assert lending.arena.used == PAGE
        lending.arena.returned(one, borrower)
    assert lending.arena.used == 0
    assert not lending.arena.returned(one, PEER)


def test_who_returns_what_he_does_not_have_changes_nothing_and_is_told(lending: Lending) -> None:
    one = lending.arena.put(b"x", PEER)
    assert not lending.arena.returned(one, "a stranger")
    assert not lending.arena.returned(Descriptor("no such file", 0, 1), PEER)
    assert not lending.arena.returned(Descriptor(one.name, 5 * PAGE, 1), PEER)
    assert not lending.arena.returned(Descriptor(one.name, -1, 1), PEER)
    assert lending.arena.used == PAGE
    assert lending.arena.returned(one, PEER)
    assert not lending.arena.returned(one, PEER)
    assert lending.arena.used == 0


def test_what_was_dropped_in_another_thread_comes_back(lending: Lending) -> None:
    held = [lending.arena.empty(PAGE), lending.borrowed.view(lending.arena.put(b"x", PEER))]
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    lending.take_back()
    assert lending.arena.used == 0


class Blocks(RuleBasedStateMachine):
    """Blocks are taken and given back in any order; each keeps what was written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.arena = Arena(limit=40 * PAGE, folder=Path(self.folder.name))
        self.here: list[tuple[int, memoryview]] = []
        self.number = 0

    @rule(pages=st.integers(1, 24))
    def take(self, pages: int) -> None:
        try:
            view = self.arena.allocate(pages * PAGE)
        except OutOfSlabs:
            return
        self.number = self.number % 250 + 1
        view[:] = bytes([self.number]) * len(view)
        self.here.append((self.number, view))

    @rule(which=st.integers(0, 100))
    def give(self, which: int) -> None:
        if self.here:
            self.here.pop(which % len(self.here))

    @invariant()
    def each_keeps_what_is_its_own(self) -> None:
        assert self.arena.used == sum(len(view) for _, view in self.here)
        assert self.arena.size <= 40 * PAGE
        for number, view in self.here:
            assert view[0] == view[-1] == view[len(view) // 2] == number

    @invariant()
    def what_is_free_is_in_order_and_never_adjacent(self) -> None:
        for segment in self.arena._segments.values():
            pieces = sorted([*segment.free, *((offset, block.size) for offset, block in segment.blocks.items())])
            assert pieces[0][0] == 0
            assert sum(pieces[-1]) == segment.size
            assert all(sum(one) == other[0] for one, other in itertools.pairwise(pieces))
            assert all(sum(one) < other[0] for one, other in itertools.pairwise(segment.free))

    def teardown(self) -> None:
        self.here.clear()
        self.arena.close()
        self.folder.cleanup()


TestBlocks = Blocks.TestCase
TestBlocks.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)


# -- bounds


def test_the_files_never_exceed_the_limit_and_idle_ones_make_room_for_another_size(lending: Lending) -> None:
    small = [lending.arena.put(bytes(8 * PAGE), PEER) for _ in range(8)]
    assert lending.arena.size == 64 * PAGE
    with pytest.raises(OutOfSlabs, match="of 262144 that are lent"):
        lending.arena.put(b"x", PEER)
    for each in small:
        lending.arena.returned(each, PEER)
    assert len(lending.files()) == 4
    assert lending.arena.put(bytes(60 * PAGE), PEER).size == 60 * PAGE
    assert len(lending.files()) == 1
    with pytest.raises(OutOfSlabs):
        lending.arena.put(bytes(65 * PAGE), PEER)


def test_a_full_dev_shm_is_told_when_memory_is_asked_for_and_leaves_no_file(
    lending: Lending, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    now = 0.0
    monkeypatch.setattr(env, "clock", lambda: now)
    monkeypatch.setattr(slabs, "SEGMENT", PAGE)
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OutOfSlabs, match="No space left"):
        lending.arena.put(bytes(2 * PAGE), PEER)
    monkeypatch.setattr(os, "posix_fallocate", lambda *_: os.truncate(_[0], _[2]))
    for _ in range(2):
        with pytest.raises(OutOfSlabs, match="No space left"):  # it is not asked again at once
            lending.arena.put(bytes(2 * PAGE), PEER)
    assert lending.arena.put(b"less", PEER).size == 4
    now = slabs.FULL
    assert lending.arena.put(bytes(2 * PAGE), PEER).size == 2 * PAGE
    monkeypatch.setattr(shm, "map_whole", full)
    files = lending.files()
    with pytest.raises(OutOfSlabs, match="No space left"):
        lending.arena.put(b"x", PEER)
    assert lending.files() == files


def test_a_system_without_dev_shm_has_no_slabs(tmp_path: Path) -> None:
    arena = Arena(folder=tmp_path / "none")
    with pytest.raises(OutOfSlabs):
        arena.put(b"x", PEER)
    arena.close()
    with pytest.raises(OutOfSlabs, match="closed"):
        arena.put(b"x", PEER)
    assert sweep(tmp_path / "none") == 0


def test_a_file_is_its_users_alone_and_names_its_process(lending: Lending) -> None:
    descriptor = lending.arena.put(b"x", PEER)
    found = NAME.fullmatch(descriptor.name)
    assert found is not None
    assert (int(found[1]), int(found[2])) == (os.getuid(), os.getpid())
    assert stat.S_IMODE((lending.folder / descriptor.name).stat().st_mode) == 0o600


# -- ends


def test_what_a_lost_borrower_had_is_never_used_again(lending: Lending) -> None:
    theirs = lending.borrowed.view(lending.arena.put(b"x" * PAGE, PEER))
    mine = lending.arena.empty(PAGE, "u1")
    mine[:] = 7
    kept = lending.arena.put(b"z", "another")
    lending.arena.lost(PEER)
    assert lending.files() == [kept.name]  # the other one has yet to find it
    lending.arena.mapped(kept.name, "another")
    assert lending.files() == []
    assert lending.arena.lend(mine, "another") is None  # there is no name under which it could be mapped
    fresh = lending.arena.put(b"y" * PAGE, "another")
    assert lending.files() == [fresh.name]
    theirs[:] = b"!" * PAGE  # it lives after all
    assert lending.borrowed.copy(fresh) == b"y" * PAGE
    assert (mine == 7).all()
    assert lending.arena.size == 32 * PAGE
    del mine
    lending.arena.returned(kept, "another")
    assert lending.arena.used == PAGE
    assert lending.arena.size == 16 * PAGE


def test_after_close_no_file_is_left_and_what_is_mapped_stays_readable(lending: Lending) -> None:
    mine = lending.arena.empty(4, "u1")
    mine[:] = 3
    theirs = lending.borrowed.view(lending.arena.put(b"abc", PEER))
    late = lending.arena.put(bytes(16 * PAGE), PEER)
    lending.arena.close()
    lending.arena.close()
    assert lending.files() == []
    assert mine.sum() == 12
    assert bytes(theirs) == b"abc"
    with pytest.raises(CodecError, match="gone with its node"):
        lending.borrowed.view(late)
    del mine, theirs
    assert not lending.arena.returned(lending.back.pop(), PEER)


def test_a_trim_removes_what_nobody_uses_and_leaves_what_lives(lending: Lending) -> None:
    mine = lending.arena.empty(4, "u1")
    lent = lending.arena.put(bytes(16 * PAGE), PEER)
    idle = lending.arena.put(bytes(17 * PAGE), PEER)
    lending.arena.returned(idle, PEER)
    assert len(lending.files()) == 3
    lending.arena.trim()
    assert len(lending.files()) == 2
    lending.arena.returned(lent, PEER)
    del mine
    lending.arena.trim()
    assert lending.files() == []


def test_what_was_lent_is_reached_when_its_file_is_mapped_or_it_came_back(lending: Lending) -> None:
    one, other = lending.arena.put(b"x", PEER), lending.arena.put(bytes(16 * PAGE), PEER)
    assert not lending.arena.is_reached(PEER)
    assert lending.arena.is_reached("another")
    lending.arena.mapped(one.name, PEER)
    lending.arena.mapped("no such file", PEER)
    assert not lending.arena.is_reached(PEER)
    lending.arena.returned(other, PEER)
    assert lending.arena.is_reached(PEER)


def test_an_arena_that_is_forgotten_removes_its_files(tmp_path: Path) -> None:
    arena = Arena(folder=tmp_path)
    arena.put(b"x", PEER)
    del arena
    gc.collect()
    assert os.listdir(tmp_path) == []


def in_a_process(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run a program with an arena that has lent something."""
    head = "import os, signal, sys\nfrom pathlib import Path\nfrom actorpar.nodes.slabs import Arena\n"
    head += "arena = Arena(limit=1 << 20, folder=Path(sys.argv[1])); arena.put(b'x', 1)\n"
    return subprocess.run(
        [sys.executable, "-c", head + program, str(folder)], capture_output=True, text=True, timeout=30, check=False
    )


def test_at_the_end_of_an_interpreter_its_files_are_removed(tmp_path: Path) -> None:
    done = in_a_process(tmp_path, "sys.exit(3)")
    assert (done.returncode, done.stderr, os.listdir(tmp_path)) == (3, "", [])


def test_what_a_killed_node_left_is_swept(tmp_path: Path) -> None:
    done = in_a_process(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
    assert done.returncode == -signal.SIGKILL
    assert len(os.listdir(tmp_path)) == 1
    assert sweep(tmp_path) == 1
    assert os.listdir(tmp_path) == []


def test_a_fork_removes_nothing_of_its_parent(tmp_path: Path) -> None:
    program = """
if os.fork() == 0:
    arena.close()
    sys.exit()
os.wait()
print(len(os.listdir(sys.argv[1])))
"""
    done = in_a_process(tmp_path, program)
    assert (done.stdout, done.stderr, os.listdir(tmp_path)) == ("1\n", "", [])


def test_a_fork_has_an_arena_of_its_own_and_its_parent_keeps_what_it_has() -> None:
    program = """
import os, sys
from actorpar.nodes import slabs
array = slabs.empty_shared(1000)
mine = slabs.arena()
assert slabs.arena() is mine
if os.fork() == 0:
    assert slabs.arena() is not mine
    slabs.empty_shared(1000)[:] = 1
    slabs.trim()
    array[:] = 2
    assert slabs.arena().lend(array, "peer") is None
    sys.exit()
assert os.wait()[1] == 0
assert slabs.arena().lend(array, "peer").name in os.listdir("/dev/shm")
print(array.sum())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("2000.0\n", "")


def left_by(folder: Path, process: int, user: int | None = None) -> Path:
    path = folder / f"actorpar-{os.getuid() if user is None else user}-{process}-{'0' * 32}"
    path.write_bytes(b"x")
    return path


def test_a_sweep_removes_what_is_certainly_dead_and_nothing_else(tmp_path: Path) -> None:
    left_by(tmp_path, DEAD)
    kept = [left_by(tmp_path, os.getpid()), left_by(tmp_path, DEAD, os.getuid() + 1)]
    for name in ("actorpar-1", "actorpar-0-1-x", f"psm_{DEAD}", f"actorpar-{os.getuid()}-{DEAD}-{'0' * 31}"):
        kept.append(tmp_path / name)
        kept[-1].write_bytes(b"x")
    linked = tmp_path / f"actorpar-{os.getuid()}-{DEAD}-{'1' * 32}"
    linked.symlink_to(kept[0])
    assert sweep(tmp_path) == 1
    assert set(tmp_path.iterdir()) == {*kept, linked}


def test_a_sweep_leaves_what_a_live_owner_holds_in_a_container_with_other_numbers(tmp_path: Path) -> None:
    path = left_by(tmp_path, DEAD)
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert sweep(tmp_path) == 0
    assert sweep(tmp_path) == 1


# -- what a borrower takes from outside


@pytest.mark.parametrize(("offset", "size"), [(-1, 1), (0, 0), (0, -5), (0, 2**63), (2**63, 1), (16 * PAGE, 1)])
def test_a_range_that_is_not_in_the_file_breaks_the_protocol(lending: Lending, offset: int, size: int) -> None:
    name = lending.arena.put(b"x", PEER).name
    for read in (lending.borrowed.view, lending.borrowed.copy):
        with pytest.raises(ProtocolError, match="of shared memory of"):
            read(Descriptor(name, offset, size))
    assert lending.back == []


@pytest.mark.parametrize("name", ["", "x", "../etc/passwd", "/etc/passwd", f"actorpar-{os.getuid() + 1}-1-{'0' * 32}"])
def test_a_name_that_no_node_of_this_user_gives_breaks_the_protocol(lending: Lending, name: str) -> None:
    with pytest.raises(ProtocolError, match="no shared memory"):
        lending.borrowed.view(Descriptor(name, 0, 1))


def test_a_link_and_a_file_with_holes_and_an_empty_one_are_not_mapped(lending: Lending) -> None:
    linked = lending.folder / shm.new_name()
    linked.symlink_to("/etc/passwd")
    with pytest.raises(CodecError):
        lending.borrowed.view(Descriptor(linked.name, 0, 1))
    sparse = lending.folder / shm.new_name()
    sparse.touch()
    with pytest.raises(ProtocolError, match="not what a node lends"):
        lending.borrowed.view(Descriptor(sparse.name, 0, 1))
    os.truncate(sparse, 1 << 40)
    with pytest.raises(ProtocolError, match="not what a node lends"):
        lending.borrowed.view(Descriptor(sparse.name, 0, 1))


def test_a_peer_cannot_make_this_node_map_without_bounds(lending: Lending) -> None:
    borrowed = Borrowed(lending.back.append, limit=20 * PAGE, folder=lending.folder)
    one, other = (lending.arena.put(bytes(16 * PAGE), PEER) for _ in range(2))
    borrowed.copy(one)
    with pytest.raises(ProtocolError, match="more than"):
        borrowed.copy(other)
    borrowed.close()


def test_a_file_stays_mapped_until_its_owner_has_removed_it_and_nothing_stands_on_it(lending: Lending) -> None:
    one = lending.borrowed.view(lending.arena.put(bytes(16 * PAGE), PEER))
    lending.borrowed.copy(lending.arena.put(bytes(16 * PAGE), PEER))
    lending.borrowed.tidy()
    assert lending.borrowed.mapped == 32 * PAGE
    lending.arena.close()
    lending.borrowed.tidy()
    assert lending.borrowed.mapped == 16 * PAGE
    del one
    lending.borrowed.tidy()
    assert lending.borrowed.mapped == 0
