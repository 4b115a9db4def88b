"""The pages keep their word: Python blocks run and are typed, links lead somewhere, CI runs the README's command.

A block fenced as `python` in README.md or docs/ is a program. Where it defines `main`, that is run here in a loop of
its own, within a time limit. Where it imports nothing, it begins with PREAMBLE. What is no program is fenced otherwise.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import actorpar as ap
from tests.gpu.pocl import why_no_opencl

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
PREAMBLE = "import asyncio\nimport math\n\nimport actorpar as ap\n\n"
TIME_LIMIT = 20.0


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """The Python blocks of a page: (page:line of the block, source)."""
    text = read(page)
    for found in re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        line = text.count("\n", 0, found.start()) + 2
        preamble = "" if "import actorpar as ap" in found[1] else PREAMBLE
        yield f"{page.relative_to(ROOT)}:{line}", preamble + found[1]


BLOCKS = [block for page in PAGES for block in blocks(page)]


@pytest.mark.parametrize(("place", "source"), BLOCKS, ids=[place for place, _ in BLOCKS])
def test_every_python_block_of_the_pages_runs(place: str, source: str) -> None:
    if ("import gpu" in source or "pyopencl" in source) and (why := why_no_opencl()):
        pytest.skip(why)
    namespace: dict[str, Any] = {"__name__": "a block of the pages"}
    exec(compile(source, place, "exec"), namespace)

    async def main() -> None:
        async with asyncio.timeout(TIME_LIMIT):
            await namespace["main"]()

    if "main" in namespace:
        ap.run(main)


def test_every_python_block_of_the_pages_is_typed(tmp_path: Path) -> None:
    for place, source in BLOCKS:
        (tmp_path / (re.sub(r"\W", "_", place) + ".py")).write_text(source, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--follow-imports=silent", str(tmp_path)]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_link_of_the_pages_leads_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```$|`[^`\n]*`", "", read(page), flags=re.DOTALL | re.MULTILINE)
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", prose)
    assert [target for target in targets if "://" not in target and not (page.parent / target).exists()] == []


def test_ci_runs_the_test_command_of_the_readme_literally() -> None:
    commands = re.findall(r"^```sh\n(python3 -m venv .*)\n```$", read(ROOT / "README.md"), re.MULTILINE)
    assert [command.rsplit("/", 1)[1] for command in commands] == ["actorpar demo", "python -m pytest"]
    assert commands[1] in read(ROOT / ".ci" / "run")


@pytest.mark.parametrize(
    "folder",
    ["channels", "actorpar/actors", "actorpar/flow", "actorpar/gpu", "actorpar/observe", "actorpar/testing"],
)
def test_the_architecture_page_names_every_file(folder: str) -> None:
    page = read(ROOT / "docs" / "architecture.md")
    files = [path.name for path in (ROOT / folder).rglob("*.py") if path.name != "__init__.py"]
    assert [name for name in files if f"{name}`" not in page] == []
