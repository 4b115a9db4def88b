"""The program that is started: how it is named, imported, hashed, and what of it other nodes may start."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actorpar.launch.application import AppError, Application

MAIN = "async def main():\n    return 'main of ' + __name__\n"


@pytest.fixture(autouse=True)
def _imports_undone() -> Iterator[None]:
    modules, path = dict(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - set(modules):
        del sys.modules[name]
    sys.path[:] = path


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(MAIN)
    return path


def write(folder: Path, name: str, text: str = "") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


# -- its name


def test_a_program_is_a_file_and_a_function_which_is_main_by_default(program: Path) -> None:
    assert Application.parse(str(program)) == Application(program, "main")
    assert Application.parse(f"{program}:other") == Application(program, "other")


def test_a_path_may_hold_a_colon(tmp_path: Path) -> None:
    path = write(tmp_path, "a:b/app.py", MAIN)
    assert Application.parse(str(path)) == Application(path)
    assert Application.parse(f"{path}:run").function == "run"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no_such.py", "there is no such file"),
        ("no_such.py:main", "there is no such file"),
        (".", "there is no such file"),
        ("{}:", "'' is not the name of a function"),
        ("{}:a.b", "'a.b' is not the name of a function"),
    ],
)
def test_what_names_no_program_is_refused(program: Path, text: str, says: str) -> None:
    with pytest.raises(AppError) as refused:
        Application.parse(text.format(program))
    assert says in str(refused.value)


# -- its import


def test_it_is_imported_as_app_with_its_folder_first(program: Path) -> None:
    write(program.parent, "beside.py", "where = 'beside'")
    program.write_text("import beside\n" + MAIN)
    main = Application(program).load()
    assert asyncio.run(main()) == "main of app"
    assert sys.path[0] == str(program.parent)
    assert sys.modules["app"].beside is sys.modules["beside"]


def test_under_the_name_of_its_file_it_is_the_same_module(program: Path) -> None:
    write(program.parent, "beside.py", "from program import Page")
    program.write_text("class Page: ...\nimport beside\n" + MAIN)
    Application(program).load()
    assert sys.modules["beside"].Page is sys.modules["app"].Page
    assert sys.modules["app"].Page.__module__ == "app"


def test_a_name_of_the_standard_library_is_not_taken_from_it(tmp_path: Path) -> None:
    path = write(tmp_path, "this.py", MAIN)  # a module that nobody has imported
    Application(path).load()
    assert "this" not in sys.modules


def test_an_import_that_fails_raises_what_it_raised_and_leaves_no_half_module(program: Path) -> None:
    program.write_text("1 / 0")
    with pytest.raises(ZeroDivisionError):
        Application(program).load()
    assert not {"app", "program"} & set(sys.modules)


@pytest.mark.parametrize("hidden", ["app.py", "app/__init__.py"])
def test_a_module_app_beside_it_would_be_hidden_and_is_refused(program: Path, hidden: str) -> None:
    write(program.parent, hidden)
    with pytest.raises(AppError, match="would be hidden"):
        Application(program).load()


@pytest.mark.parametrize("text", ["", "def main(): ...", "main = 1"])
def test_a_program_without_an_async_main_is_refused(program: Path, text: str) -> None:
    program.write_text(text)
    with pytest.raises(AppError, match=r"no `async def main\(\)`"):
        Application(program).load()


def test_a_file_that_is_no_python_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AppError, match="no Python file"):
        Application(write(tmp_path, "program.txt", MAIN)).load()


# -- what is served, and hashed


def test_the_modules_that_are_served_are_those_beside_it_and_regular_packages(program: Path) -> None:
    for name in (
        "beside.py",
        "pack/__init__.py",
        "pack/deep.py",
        "plain/module.py",
        "not-a-name.py",
        "a-b/__init__.py",
    ):
        write(program.parent, name)
    assert Application(program).modules() == ("app", "beside", "pack")


@pytest.mark.parametrize("name", ["program.py", "beside.py", "pack/__init__.py", "pack/deep.py", "pack/below/leaf.py"])
def test_the_hash_changes_with_whatever_is_served(program: Path, name: str) -> None:
    write(program.parent, "pack/__init__.py")
    before = Application(program).fingerprint()
    write(program.parent, name, "changed = 1")
    assert Application(program).fingerprint() != before


@pytest.mark.parametrize(
    "name", ["data.txt", "plain/module.py", "not-a-name.py", ".hidden.py", "pack/__pycache__/x.py", "pack/data.json"]
)
def test_the_hash_does_not_change_with_what_is_not(program: Path, name: str) -> None:
    write(program.parent, "pack/__init__.py")
    before = Application(program).fingerprint()
    write(program.parent, name, "changed = 1")
    assert Application(program).fingerprint() == before


def test_the_hash_is_the_same_wherever_the_folder_lies(tmp_path: Path) -> None:
    hashes = set()
    for folder in (tmp_path / "one", tmp_path / "other/place"):
        write(folder, "pack/__init__.py")
        hashes.add(Application(write(folder, "program.py", MAIN)).fingerprint())
    assert len(hashes) == 1


def test_text_that_moves_from_one_file_to_the_next_changes_the_hash(tmp_path: Path) -> None:
    hashes = set()
    for folder, first, second in ((tmp_path / "one", "a", "b"), (tmp_path / "other", "ab", "")):
        write(folder, "first.py", first)
        write(folder, "second.py", second)
        hashes.add(Application(write(folder, "program.py")).fingerprint())
    assert len(hashes) == 2


def test_a_link_that_leads_back_is_no_endless_package(program: Path) -> None:
    write(program.parent, "pack/__init__.py")
    (program.parent / "pack/again").symlink_to(program.parent / "pack")
    assert len(Application(program).fingerprint()) == 32
