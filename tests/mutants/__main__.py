"""`python -m tests.mutants [--sample N] [--seed S] [--only RULE]`: exit status 1 if a bug survives its tests.

A run over the whole table writes docs/mutants.md.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .mutant import Mutant
from .planting import ROOT, Broken, Verdict, copy_tree, find, plant, run_pytest, try_tests
from .table import MUTANTS

#: Runs of pytest side by side.
WORKERS = 2


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--sample", type=int, metavar="N", help="try only N bugs, chosen by the seed")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="choose other bugs for --sample")
    parser.add_argument(
        "--only", type=rule, metavar="RULE", help="try only the bugs of one rule, as CH-7, or of all, as NET"
    )
    options = parser.parse_args(arguments)
    mutants = choose(options.sample, options.seed, options.only)
    if not mutants:
        parser.error(f"no bug is planted for {options.only}")
    try:
        with tempfile.TemporaryDirectory(prefix="actorpar-mutants-") as folder:
            verdicts = list(judge(mutants, Path(folder)))
    except Broken as error:
        print(error, file=sys.stderr)
        return 2
    survivors = [verdict for verdict in verdicts if not verdict.killed]
    print(f"{len(verdicts) - len(survivors)} of {len(verdicts)} planted bugs were found")
    if len(mutants) == len(MUTANTS):
        (ROOT / "docs" / "mutants.md").write_text(page(verdicts))
    return 1 if survivors else 0


def choose(sample: int | None, seed: int, only: str | None) -> list[Mutant]:
    """The bugs to try, in the order of the table."""
    mutants = [mutant for mutant in MUTANTS if only is None or only in (mutant.rule, mutant.rule.partition("-")[0])]
    if sample is not None and sample < len(mutants):
        chosen = set(random.Random(seed).sample(range(len(mutants)), sample))
        mutants = [mutant for place, mutant in enumerate(mutants) if place in chosen]
    return mutants


def rule(text: str) -> str:
    """CH-07 for CH-07, CH-7, ch7 and 7; AC-34 for AC-34 and ac34; NET for net, which is all of them."""
    found = re.fullmatch(r"(CH|AC|NET|TM|DV|)-?(\d*)", text.upper())
    if found is None or not any(found.groups()):
        raise ValueError(f"{text!r} is no rule")
    return f"{found[1] or 'CH'}-{int(found[2]):02}" if found[2] else found[1]


def judge(mutants: list[Mutant], folder: Path) -> Iterator[Verdict]:
    """Try the mutants one by one; Broken if the table does not fit the tree, or the tests fail without any bug."""
    base = folder / "sound"
    copy_tree(base)
    for mutant in mutants:
        find(mutant, base)
    check_baseline(mutants, base)

    def attempt(place: int) -> Verdict:
        tree = folder / str(place)
        shutil.copytree(base, tree, symlinks=True)  # not from the original, which may be edited meanwhile
        plant(mutants[place], tree)
        return try_tests(mutants[place], tree)

    with ThreadPoolExecutor(WORKERS) as pool:
        for done, verdict in enumerate(pool.map(attempt, range(len(mutants))), 1):
            outcome = "hung, so found" if verdict.hung else verdict.killed_by or "SURVIVED"
            print(f"{done:3}/{len(mutants)} {verdict.mutant.rule} {verdict.mutant.bug}: {outcome}", flush=True)
            yield verdict


def check_baseline(mutants: list[Mutant], base: Path) -> None:
    """Without a bug the same tests pass."""
    rules = sorted({mutant.rule for mutant in mutants})
    start = time.perf_counter()
    code, output = run_pytest(base, rules)
    if code != 0:
        raise Broken(f"without any bug, the tests of {', '.join(rules)} end with {code}:\n{output[-3000:]}")
    print(f"without a bug the tests pass, in {time.perf_counter() - start:.1f} s", flush=True)


def page(verdicts: list[Verdict]) -> str:
    """The result as a page of the documentation."""
    killed = sum(verdict.killed for verdict in verdicts)
    rows = "".join(
        f"| {verdict.mutant.rule} | `{verdict.mutant.file}` | {verdict.mutant.bug} "
        f"| {'the tests hang' if verdict.hung else f'`{verdict.killed_by}`' if verdict.killed_by else '**nobody**'} |\n"
        for verdict in verdicts
    )
    return (
        "# Planted bugs\n\n"
        "`python -m tests.mutants` plants each of these small bugs in a copy of the tree and runs the tests that are "
        "named after its rule. The first that fails is told here.\n\n"
        f"{killed} of {len(verdicts)} were found, with Python {sys.version.split()[0]}.\n\n"
        "| rule | file | bug | found by |\n|---|---|---|---|\n" + rows
    )


if __name__ == "__main__":
    sys.exit(main())
