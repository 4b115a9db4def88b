"""The run as a picture: time per item of every contestant on both loops, and each goal as a part of its limit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .cases import BOTH_LOOPS, peer
from .goals import Verdict
from .session import Result

# one colour a library; ordinary tasks over actorpar's channels are drawn hollow
COLOURS = {
    "actorpar": "#c1121f",
    "asyncio": "#1d3557",
    "anyio": "#2a9d8f",
    "trio": "#8ab17d",
    "aiochan": "#e9a820",
    "janus": "#8d6fb8",
    "culsans": "#7f8c8d",
}
WIDEST = 2.0  # of the limit; longer bars are cut, their number tells


def draw(path: Path, results: Sequence[Result], verdicts: Sequence[Verdict], about: str) -> None:
    """Write the picture; the suffix of the path chooses the format."""
    costs = [result for result in results if result.group.unit == "ns" and result.samples]
    measured = [verdict for verdict in verdicts if verdict.reached is not None]
    names = list(dict.fromkeys(result.group.name for result in costs))
    loops = [loop for loop in BOTH_LOOPS if any(result.loop == loop for result in costs)]
    height = max(5.0, 0.75 * len(names) + 2, 0.24 * len(measured) + 2)
    figure = peer("matplotlib.figure").Figure(figsize=(5.5 * len(loops) + 7, height), layout="constrained")
    axes = figure.subplots(1, len(loops) + 1, squeeze=False)
    for axis, loop in zip(axes[0], loops, strict=False):
        _costs(axis, [result for result in costs if result.loop == loop], names, loop)
    _goals(axes[0][-1], measured)
    handles = {
        label: handle for axis in axes[0] for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=max(1, len(handles)), frameon=False
    )
    figure.suptitle(about, fontsize=8, wrap=True)
    figure.savefig(path, dpi=110)


def _costs(axis: Any, results: Sequence[Result], names: Sequence[str], loop: str) -> None:
    for result in results:
        row, cases = names.index(result.group.name), result.group.cases
        for place, case in enumerate(cases):
            median = result.median(case.name)
            if median is not None:
                _dot(axis, median * 1e9, row + (place / max(1, len(cases) - 1) - 0.5) * 0.66, case.name)
    for row in range(len(names) - 1):
        axis.axhline(row + 0.5, color="#dddddd", linewidth=0.8)
    axis.set(xscale="log", xlabel="processor time per item, ns", title=f"{loop} loop", ylim=(len(names) - 0.5, -0.5))
    axis.set_yticks(range(len(names)), names)
    axis.grid(axis="x", which="both", color="#eeeeee")
    axis.set_axisbelow(True)


def _dot(axis: Any, nanoseconds: float, height: float, case: str) -> None:
    library = "asyncio" if case.startswith(("asyncio", "call_soon")) else case.partition(",")[0].partition(" ")[0]
    colour, ours, hollow = COLOURS[library], library == "actorpar", case.endswith(", tasks")
    label = library + (", processes" if ours and not hollow else ", ordinary tasks" if hollow else "")
    known = axis.get_legend_handles_labels()[1]
    axis.plot(
        nanoseconds,
        height,
        marker="D" if ours else "o",
        markersize=7 if ours else 6,
        markerfacecolor="white" if hollow else colour,
        markeredgecolor=colour,
        linestyle="",
        label=None if label in known else label,
    )


def _goals(axis: Any, verdicts: Sequence[Verdict]) -> None:
    labels = [
        f"{verdict.goal.group}: {verdict.goal.ours.removeprefix('actorpar, ')}"
        + (f" / {verdict.goal.base}" if verdict.goal.base else f", {verdict.goal.figure}")
        + (f" ({verdict.loop})" if verdict.loop in BOTH_LOOPS else "")
        for verdict in verdicts
    ]
    parts = [verdict.of_the_limit or 0.0 for verdict in verdicts]
    colours = ["#6a994e" if verdict.met else "#bc4749" for verdict in verdicts]
    axis.barh(range(len(parts)), [min(part, WIDEST) for part in parts], color=colours)
    for row, part in enumerate(parts):
        axis.text(min(part, WIDEST) + 0.02, row, f"{part:.2f}", va="center", fontsize=7, backgroundcolor="white")
    axis.axvline(1, color="black", linewidth=1)
    axis.set(title="goals: reached / limit; met left of the line", xlim=(0, WIDEST + 0.25))
    axis.set(ylim=(max(1, len(verdicts)) - 0.5, -0.5))
    axis.set_yticks(range(len(verdicts)), labels, fontsize=7)
