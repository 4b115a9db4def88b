"""The rules of the house that no linter knows: who imports whom, what touches the world, what stays light and small."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import actorpar

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("channels", "nodes", "actorpar")

FILE_LINES = 400
FUNCTION_LINES = 60

#: What is not deterministic, and is therefore reached through actorpar/channels/env.py alone: modules by their name,
#: functions by their dotted name.
SEAM = {
    *("time", "random", "uuid", "socket", "threading", "_thread", "secrets", "multiprocessing", "os.urandom"),
    *("asyncio.sleep", "asyncio.to_thread", "concurrent.futures.ThreadPoolExecutor"),
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today"),
}
#: (file, name of SEAM) -> why it may be used there.
SEAM_USERS = {
    ("channels/env.py", "time"): "the seam itself",
    ("channels/env.py", "random"): "the seam itself",
    ("channels/env.py", "uuid"): "the seam itself",
    ("channels/env.py", "threading"): "the seam itself",
    ("channels/env.py", "asyncio.sleep"): "the seam itself",
    (
        "actorpar/testing/trial.py",
        "asyncio.sleep",
    ): "that nothing happens can only be waited out",
    ("actorpar/fetch/addresses.py", "socket"): "transport of the downloader: resolves host names",
    ("actorpar/observe/sockets.py", "socket"): "transport of the control socket: its mode, and who is at the other end",
    ("actorpar/fetch/retry.py", "random"): "the type of the generator it is given; it draws from no other",
    ("actorpar/fetch/pipeline.py", "concurrent.futures.ThreadPoolExecutor"): "the disk has threads of its own, for one "
    "that hangs must not take those of everybody else",
    ("nodes/address.py", "socket"): "transport of links: resolves host names",
    ("nodes/dial.py", "socket"): "transport of links: connects",
    ("nodes/listener.py", "socket"): "transport of links: binds and accepts",
    ("nodes/stream.py", "socket"): "transport of links: reads and writes",
    ("nodes/peercred.py", "socket"): "transport of links: who is at the other end",
    ("nodes/node.py", "socket"): "the type of the pipe to a parent or a child; it opens none",
    ("nodes/departure.py", "multiprocessing"): "knows the process that multiprocessing starts just now",
    ("actorpar/parallel/processes.py", "multiprocessing"): "starts the workers of a pool",
    ("nodes/departure.py", "socket"): "transport of links: the pipe to such a process",
    ("nodes/arrival.py", "socket"): "transport of links: the pipe to the process that has started this one",
    ("nodes/mpi/farbell.py", "socket"): "how a rank of another host is woken",
    ("nodes/mpi/bell.py", "socket"): "transport of links: wakes another rank",
    ("nodes/mpi/ranks.py", "socket"): "transport of links: connects ranks of one host",
    ("nodes/heartbeat.py", "threading"): "the thread of the heartbeat",
    ("nodes/security/keys.py", "secrets"): "a key is drawn from the system, never from a source that can be replayed",
    ("actorpar/launch/child.py", "multiprocessing"): "starts the nodes of this host",
    ("actorpar/launch/child.py", "socket"): "transport of links: the pipe to a child",
    ("actorpar/launch/serving.py", "socket"): "the type of the pipe to the parent; it opens none",
    ("actorpar/launch/output.py", "threading"): "the thread that waits for a slow terminal, so that the loop does not",
}
#: Test files that sleep for a reason of their own. Tests in virtual time may sleep as they like.
SLEEPERS = {
    "tests/actors/staff.py": "what the actors of its tests do, which run in virtual time",
    "tests/flow/workers.py": "what the stages of its tests do, which run in virtual time",
    "tests/supervision/acting.py": "what the actors of its tests do, which run in virtual time",
    "tests/nodes/meshed.py": "nodes tell who has come, not that all have: it looks again",
    "tests/nodes/security/test_attacks_on_links.py": "the pace of a peer that writes a byte at a time",
    "tests/nodes/sharing.py": "looks at real links and at /dev/shm, which tell nobody of what is waited for",
    "tests/nodes/test_nodes.py": "looks at real links, which tell nobody of what is waited for",
    "tests/gpu/lending_program.py": "looks at another node, which tells nobody of what is waited for",
    "tests/gpu/faulty_program.py": "looks at another node, which tells nobody of what is waited for",
    "tests/chaos/campaign.py": "faults last for a while, in real time",
    "tests/chaos/faults.py": "faults last for a while, in real time",
    "tests/chaos/program.py": "sends at a pace, and sleeps where it is to be slow",
    "tests/launch/slurm.py": "looks at the daemons of Slurm, which tell nobody that they are ready",
    "tests/parallel/chores.py": "what the calls of its tests do in other processes",
    "tests/parallel/test_processpool.py": "looks for another operating-system process, which tells nobody",
    "tests/remote/subjects.py": "what actors on another node do, which is to take a while",
    "tests/remote/children.py": "what children on another node do, which is to take a while",
    "tests/remote/systems.py": "looks at other nodes, which tell nobody of what is waited for",
    "tests/remote/references_program.py": "looks at other processes, which tell nobody of what is waited for",
    "tests/remote/supervised_program.py": "looks at other processes, which tell nobody of what is waited for",
    "tests/remote/test_references.py": "looks at other nodes, which tell nobody of what is waited for",
    "tests/remote/test_supervision.py": "looks at other nodes, which tell nobody of what is waited for",
    "tests/remote/test_remote_actors.py": "looks at another node, which tells nobody of what is waited for",
    "tests/remote/test_stages_on_nodes.py": "looks at another node, which tells nobody of what is waited for",
    "tests/gpu/hardware/faulting.py": "looks at another process, which tells nobody of what is waited for",
    "tests/bench/echo_client.py": "the pace of the load that is measured",
    "tests/bench/rank_program.py": "what an idle rank costs; and a message of MPI is no event",
    "tests/bench/file_server.py": "a server in a process of its own has no event to wait for",
    "tests/fetch/answers.py": "the server that misbehaves is slow on purpose",
    "tests/fetch/running.py": "looks at another operating-system process, which has no event to wait for",
    "tests/fetch/test_faults.py": "a peer that is slow on purpose",
}
#: Functions that may be long -> why.
LONG = {
    "channels/sender.py: send": "the hot path is written out: every call less is a tenth of its cost",
    "channels/receiver.py: receive": "as send",
}
#: What a room may import beside the standard library.
LIBRARIES = {"channels": [], "nodes": ["msgspec.", "msgpack.", "numpy.", "cryptography.", "mpi4py."]}
#: What `import actorpar` must not load: it has to cost little more than asyncio.
HEAVY = (
    *("aiohttp", "numpy", "multiprocessing", "msgspec", "msgpack", "rich", "uvloop", "mpi4py", "anyio"),
    *("prometheus_client", "opentelemetry"),
)


class Source:
    """A file of this repository, and what its text says."""

    def __init__(self, path: Path, text: str | None = None) -> None:
        self.path = path
        self.name = str(path.relative_to(ROOT))
        self.text = path.read_text("utf-8") if text is None else text

    @property
    def nodes(self) -> list[ast.AST]:
        """Its syntax tree, parsed anew: kept for every file, it would make each garbage collection of the run slow."""
        return list(ast.walk(ast.parse(self.text)))

    def imports(self) -> Iterator[str]:
        """Every name that is imported, absolute and dotted, wherever in the file the import stands."""
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        package = parts if parts[0] == "actorpar" else ("actorpar", *parts)
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = package[: len(package) - node.level] if node.level else ()
                yield from (".".join([*base, *filter(None, [node.module]), alias.name]) for alias in node.names)

    def touches(self) -> set[str]:
        """What of SEAM it imports or names."""
        nodes = self.nodes
        imported = set(self.imports())
        modules = [alias for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        real = {alias.asname: alias.name for alias in modules if alias.asname}
        chains = [ast.unparse(node).partition(".") for node in nodes if isinstance(node, ast.Attribute)]
        named = {f"{real.get(first, first)}.{rest}" for first, _, rest in chains}
        return SEAM & (imported | named | {name.split(".")[0] for name in imported})

    def sleeps(self) -> list[str]:
        """The lines that sleep for longer than a turn of the loop."""
        calls = [
            node for node in self.nodes if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".sleep")
        ]
        return [
            f"{self.name}:{call.lineno}: {ast.unparse(call)}"
            for call in calls
            if ast.unparse(call.func) in ("time.sleep", "asyncio.sleep", "anyio.sleep", "trio.sleep", "env.sleep")
            and not (call.args and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0)
        ]

    def is_virtual(self) -> bool:
        """True if its tests run in virtual time, by the fixture or on a clock of their own."""
        return any(
            (isinstance(node, ast.Attribute) and node.attr == "virtual_time")
            or (isinstance(node, ast.Name) and node.id in ("VirtualClock", "run_virtual"))
            for node in self.nodes
        )


def sources_of(room: str) -> list[Source]:
    """The files of one room; the links actorpar/channels and actorpar/nodes lead to other rooms."""
    links = [ROOT / "actorpar" / other for other in ROOMS if other != "actorpar"]
    paths = sorted((ROOT / room).rglob("*.py"))
    return [Source(path) for path in paths if not any(path.is_relative_to(link) for link in links)]


CODE = {room: sources_of(room) for room in ROOMS}
TESTS = [Source(path) for path in sorted((ROOT / "tests").rglob("*.py"))]


def python(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a fresh interpreter at the root of the repository."""
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)


# -- who may import whom


@pytest.mark.parametrize("room", ["channels", "nodes"])
def test_channels_and_nodes_import_the_standard_library_and_the_rooms_below_them(room: str) -> None:
    below = [f"actorpar.{other}." for other in ROOMS[: ROOMS.index(room) + 1]] + LIBRARIES[room]
    strangers = [
        f"{source.name} imports {name}"
        for source in CODE[room]
        for name in source.imports()
        if name.split(".")[0] not in sys.stdlib_module_names and not any(f"{name}.".startswith(home) for home in below)
    ]
    assert strangers == []


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_imports_tests_or_examples_or_a_room_under_a_second_name(room: str) -> None:
    wrong = ("tests", "examples", "channels", "nodes")
    found = [(source.name, name) for source in CODE[room] for name in source.imports() if name.split(".")[0] in wrong]
    assert found == []


@pytest.mark.parametrize("room", ["channels", "nodes"])
def test_a_room_imported_under_its_bare_name_is_refused_and_told_what_to_write(room: str) -> None:
    refused = python(f"import {room}")
    assert refused.returncode == 1
    assert "ImportError" in refused.stderr
    assert f"from actorpar.{room} import" in refused.stderr


def test_importing_actorpar_stays_light() -> None:
    found = python(f"import sys, actorpar; print(*sorted(set({HEAVY}) & set(sys.modules)))")
    assert (found.stdout.split(), found.stderr) == ([], "")


def test_using_every_public_name_loads_nothing_heavy_either() -> None:
    # But a pool of processes, which is made of them.
    program = "import sys, actorpar; [getattr(actorpar, name) for name in actorpar.__all__ if name != 'ProcessPool']"
    found = python(f"{program}; print(*sorted(set({HEAVY}) & set(sys.modules)))")
    assert (found.stdout.split(), found.stderr) == ([], "")


@pytest.mark.parametrize("package", ["channels", "actors", "flow", "observe", "testing"])
def test_every_module_can_be_the_first_that_is_imported(package: str) -> None:
    modules = sorted((ROOT / "actorpar" / package).glob("*.py"))
    names = [f"actorpar.{package}.{path.stem}" for path in modules if path.stem != "__init__"]
    program = f"""
import importlib, sys
for name in {names!r}:
    for known in [known for known in sys.modules if known.split(".")[0] == "actorpar"]:
        del sys.modules[known]
    importlib.import_module(name)
"""
    done = python(program)
    assert (done.returncode, done.stderr) == (0, "")


# -- what touches the world


def test_nothing_but_the_seam_touches_time_randomness_ids_threads_or_sockets() -> None:
    users = {(source.name, name) for sources in CODE.values() for source in sources for name in source.touches()}
    assert users - set(SEAM_USERS) == set(), "these go through actorpar.channels.env"
    assert set(SEAM_USERS) - users == set(), "these exceptions are not needed any more"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import time", {"time"}),
        ("import os, random as r", {"random"}),
        ("from threading import Lock", {"threading"}),
        ("def f():\n    import uuid", {"uuid"}),
        ("import asyncio\nasyncio.sleep(1)", {"asyncio.sleep"}),
        ("import asyncio as a\na.to_thread", {"asyncio.to_thread"}),
        ("from asyncio import sleep", {"asyncio.sleep"}),
        ("from concurrent.futures import ThreadPoolExecutor", {"concurrent.futures.ThreadPoolExecutor"}),
        ("import datetime\ndatetime.datetime.now()", {"datetime.datetime.now"}),
        ("import asyncio\nasyncio.timeout(1)", set()),
        ("from .channels import env\nenv.sleep(1)", set()),
    ],
)
def test_the_search_for_what_touches_the_seam_finds_it(text: str, expected: set[str]) -> None:
    assert Source(ROOT / "actorpar" / "sample.py", text).touches() == expected


def test_no_test_sleeps_to_wait_for_something() -> None:
    sleeping = {source.name: source.sleeps() for source in TESTS if not source.is_virtual()}
    sleeping = {name: lines for name, lines in sleeping.items() if lines}
    unexpected = [line for name, lines in sleeping.items() if name not in SLEEPERS for line in lines]
    assert unexpected == [], "wait for an event, use virtual time, or give the reason in SLEEPERS"
    assert set(SLEEPERS) - set(sleeping) == set(), "these exceptions are not needed any more"


# -- the face


@pytest.mark.parametrize("name", actorpar.__all__)
def test_a_public_name_resolves_and_states_its_contract(name: str) -> None:
    value = getattr(actorpar, name)
    assert value.__doc__, f"{name} has no docstring"
    members = vars(value).items() if inspect.isclass(value) else ()
    silent = [
        f"{name}.{member}"
        for member, attribute in members
        if not member.startswith("_")
        and (inspect.isfunction(attribute) or isinstance(attribute, property))
        and not inspect.getdoc(attribute)
    ]
    assert silent == [], "a public name without a docstring"


def test_an_unknown_name_is_an_attribute_error() -> None:
    name = "open_chanel"
    with pytest.raises(AttributeError, match=f"no attribute '{name}'"):
        getattr(actorpar, name)


def test_the_lazy_table_tells_type_checkers_and_the_interpreter_the_same() -> None:
    source = Source(ROOT / "actorpar" / "__init__.py")
    told = {
        (alias.asname, f"actorpar.{node.module}")
        for node in source.nodes
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    }
    assert told == {(name, getattr(actorpar, name).__module__) for name in actorpar.__all__}
    assert set(actorpar.__all__) <= set(dir(actorpar))


def test_every_command_of_the_command_line_offers_what_it_must() -> None:
    cli = importlib.import_module("actorpar.cli")
    for module, about in cli.COMMANDS.values():
        command = importlib.import_module(f"actorpar.{module}")
        assert callable(command.add_arguments)
        assert callable(command.main)
        assert about


# -- what stays small


def test_files_and_functions_stay_small() -> None:
    large = []
    for source in (source for sources in CODE.values() for source in sources):
        lines = source.text.count("\n")
        if lines > FILE_LINES:
            large.append(f"{source.name}: {lines} lines")
        for node in source.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES and f"{source.name}: {node.name}" not in LONG:
                    large.append(f"{source.name}: {node.name} has {length} lines")
    assert large == [], (
        f"more than {FILE_LINES} lines in a file or {FUNCTION_LINES} in a function: split what is two things"
    )
