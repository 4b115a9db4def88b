"""`actorpar bench`: choose the groups, run them with a live table, judge, and write the files."""

import argparse
import importlib.util
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live

from . import record, report
from .cases import BOTH_LOOPS, NO_LOOP, Group
from .catalogue import every_group, matching
from .goals import judge
from .session import Result, measure

QUICK_REPEATS, QUICK_SCALE = 3, 0.2
WIDE = 160  # columns, where the output is not a terminal


def run(args: argparse.Namespace) -> int:
    """Exit status 0; 1 if a case of ours failed; 2 if no group matches."""
    console = Console()
    if not console.is_terminal:
        console.width = WIDE
    patterns = args.only or ["*"]
    groups = matching(*patterns)
    if not groups:
        console.print(
            f"No group matches {' or '.join(patterns)}. Groups:",
            *(f"  {group.name}" for group in every_group()),
            sep="\n",
        )
        return 2
    repeats = args.repeats or (QUICK_REPEATS if args.quick else 7)
    loops = BOTH_LOOPS if args.loop == "both" else (args.loop,)
    about = record.surroundings()
    console.print(record.describe(about, repeats), highlight=False)
    by_group = [
        _run_group(console, group, loops, repeats, QUICK_SCALE if args.quick else 1.0)
        for group in groups
        if set(group.loops) & {*loops, NO_LOOP}
    ]
    return _finish(console, args, about, repeats, by_group)


def _run_group(console: Console, group: Group, loops: Sequence[str], repeats: int, scale: float) -> list[Result]:
    wanted = [loop for loop in group.loops if loop in loops or loop == NO_LOOP]
    results = [Result(group, loop, group.scaled(scale)) for loop in wanted]
    with Live(console=console, auto_refresh=False, transient=True) as live:

        def changed() -> None:
            done = sum(len(samples) for result in results for samples in result.samples.values())
            live.update(report.group_table(results, f"{done}/{repeats * len(group.cases) * len(wanted)}"), refresh=True)

        for result in results:
            measure(result, repeats, scale, changed)
        live.update("", refresh=True)
    console.print(report.group_table(results))
    return results


def _finish(
    console: Console, args: argparse.Namespace, about: dict[str, object], repeats: int, by_group: list[list[Result]]
) -> int:
    results = [result for group in by_group for result in group]
    verdicts = judge(results)
    console.print(report.goal_table(verdicts))
    for line in report.complaints(results):
        console.print(line, highlight=False, markup=False)  # errors and extras have brackets
    options = {"only": args.only or ["*"], "repeats": repeats, "quick": args.quick, "loop": args.loop}
    record.write(args.json, about, options, results, verdicts)
    console.print(f"wrote {args.json}")
    if args.markdown:
        args.markdown.write_text(report.markdown(by_group, verdicts, record.describe(about, repeats)))
        console.print(f"wrote {args.markdown}")
    _plot(console, args.plot, results, record.describe(about, repeats))
    ours_failed = any(case.startswith("actorpar") for result in results for case in result.failed)
    return 1 if ours_failed else 0


def _plot(console: Console, path: Path, results: list[Result], about: str) -> None:
    if importlib.util.find_spec("matplotlib") is None:
        console.print(f"no plot at {path}: matplotlib is not installed (it comes with the extra 'bench')")
        return
    from .plot import draw

    draw(path, results, judge(results), about)
    console.print(f"wrote {path}")
