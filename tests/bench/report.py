"""What a person reads: tables in the terminal, and the same as Markdown."""

from collections.abc import Sequence

from rich.table import Table

from .goals import Goal, Verdict
from .session import Result

_PER_BASE_UNIT = {"ns": 1e9, "us": 1e6, "ms": 1e3, "s": 1.0, "B": 1.0}  # of seconds, or of bytes

Rows = list[tuple[str, ...]]


def figure(amount: float, unit: str) -> str:
    """Three significant figures or more, in the unit."""
    value = amount * _PER_BASE_UNIT[unit]
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def group_rows(results: Sequence[Result]) -> tuple[tuple[str, ...], Rows]:
    """Heading and rows of one group: for each loop the median, its spread and the ratio to the base."""
    group = results[0].group
    heading: list[str] = ["case"]
    for result in results:
        heading += [f"{result.loop}, {group.unit}" if result.loop != "-" else group.unit, "spread", "of base"]
    rows = []
    for case in group.cases:
        row = [case.name]
        for result in results:
            row += _cells(result, case.name, group.cases[0].name)
        rows.append(tuple(row))
    return tuple(heading), rows


def _cells(result: Result, case: str, base: str) -> list[str]:
    median = result.median(case)
    if median is None:
        return ["not installed" if case in result.absent else "failed" if case in result.failed else "…", "", ""]
    ratio, spread = result.ratio(case, base), result.spread(case)
    return [
        figure(median, result.group.unit),
        "" if spread is None else f"±{spread:.0%}",
        "" if ratio is None else f"{ratio:.3f}" if ratio < 0.1 else f"{ratio:.2f}",
    ]


def goal_rows(verdicts: Sequence[Verdict]) -> tuple[tuple[str, ...], Rows]:
    """Heading and rows of the goals."""
    return ("group", "case", "of", "loop", "goal", "reached", "verdict"), [
        (
            verdict.goal.group,
            verdict.goal.ours,
            _of(verdict.goal),
            verdict.loop,
            "≤ " + _limit(verdict, verdict.limit),
            "-" if verdict.reached is None else _limit(verdict, verdict.reached),
            "not measured" if verdict.reached is None else "met" if verdict.met else "missed",
        )
        for verdict in verdicts
    ]


def _of(goal: Goal) -> str:
    if goal.base is None:
        return goal.figure
    return goal.base if goal.over is None else f"{goal.base}, each over {goal.over}"


def _limit(verdict: Verdict, value: float) -> str:
    return f"{figure(value, verdict.goal.unit)} {verdict.goal.unit}" if verdict.goal.base is None else f"{value:.3f}"


def group_table(results: Sequence[Result], progress: str = "") -> Table:
    """One group as a table for the terminal."""
    group = results[0].group
    table = Table(title=f"{group.name}  {progress}", caption=group.what, title_justify="left", caption_justify="left")
    heading, rows = group_rows(results)
    for index, name in enumerate(heading):
        two_lines = name.replace(", ", "\n").replace(" ", "\n")
        table.add_column(two_lines, justify="right" if index else "left", no_wrap=index > 0)
    for row in rows:
        table.add_row(*row, style="bold" if row[0].startswith("actorpar") else None)
    return table


def goal_table(verdicts: Sequence[Verdict]) -> Table:
    """The goals as a table for the terminal."""
    table = Table(title="goals", title_justify="left")
    heading, rows = goal_rows(verdicts)
    for name in heading:
        table.add_column(name)
    colours = {"met": "green", "missed": "red", "not measured": "yellow"}
    for row in rows:
        table.add_row(*row, style=colours[row[-1]])
    return table


def complaints(results: Sequence[Result]) -> list[str]:
    """One line for every case that failed, and one for each reason why peers were left out."""
    absent: dict[str, list[str]] = {}
    for result in results:
        for case, reason in result.absent.items():
            absent.setdefault(reason, []).append(f"{result.group.name}: {case}")
    return [
        f"{result.group.name} ({result.loop}): {case}: {reason}"
        for result in results
        for case, reason in result.failed.items()
    ] + [
        f"left out, {reason} (pip install -e '.[bench]' brings it): {', '.join(dict.fromkeys(cases))}"
        for reason, cases in absent.items()
    ]


def markdown(by_group: Sequence[Sequence[Result]], verdicts: Sequence[Verdict], about: str) -> str:
    """The whole run as a Markdown page."""
    parts = [about, "## Goals", _markdown_table(*goal_rows(verdicts))]
    for results in by_group:
        group = results[0].group
        parts += [
            f"## {group.name}",
            f"{group.what}; {results[0].items} a repeat.",
            _markdown_table(*group_rows(results)),
        ]
    return "\n\n".join(parts) + "\n"


def _markdown_table(heading: tuple[str, ...], rows: Rows) -> str:
    lines = [heading, ("---",) + ("---:",) * (len(heading) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
