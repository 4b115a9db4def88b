"""`python -m tests.chaos [--each N] [--seconds S] [--seed S] [--json FILE]`: exit status 1 if a promise was broken.

It needs the right to make network namespaces. With `--json` the report is written there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from .campaign import Campaign
from .network import can_be_made


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--each", type=int, default=20, metavar="N", help="faults of every kind, 20")
    parser.add_argument("--seconds", type=float, default=900.0, metavar="S", help="begin no fault after that, 900")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="what the wires lose")
    parser.add_argument("--json", metavar="FILE", help="write the report there")
    options = parser.parse_args()
    if not can_be_made():
        print("network namespaces and TUN devices cannot be made here", file=sys.stderr)
        return 2
    report = asyncio.run(_run(options))
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=1) + "\n")
    print(text_of(report))
    return 1 if report["broken"] else 0


async def _run(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="actorpar-chaos-") as folder:
        campaign = Campaign(Path(folder), each=options.each, seconds=options.seconds, seed=options.seed)
        return await campaign.run()


def text_of(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = [f"{key}: {value:,}" for key, value in report["messages"].items()]
    lines += [f"controller, {key}: {value}" for key, value in report["controller"].items()]
    lines.append(f"{'fault':30} {'times':>6} {'counted':>9}   detected s p50, p99   recovered s p50, p99")
    for kind, fault in report["faults"].items():
        took = [", ".join(map(str, fault[key])) if fault[key] else "-" for key in ("detected s", "recovered s")]
        effect = f"{fault['took effect']}/{fault['times']}"
        lines.append(f"{kind:30} {effect:>6} {fault['counted']:>9,}   {took[0]:20}  {took[1]}")
    lines += [f"BROKEN: {what}" for what in report["broken"]] or ["every promise held"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
