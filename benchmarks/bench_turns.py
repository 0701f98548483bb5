# SPDX-License-Identifier: Apache-2.0
"""`ex4d run` of two source trees side by side, by turns: processor and wall seconds of each stage, peak memory.

    python -m benchmarks.bench_turns VIDEO --before OTHER/backend [--rounds 3] [-- OPTION …]

Each round reconstructs the clip and makes a take with each tree, then a second take of the same shot. Both trees run
with the Python that runs this. On a machine that others use, processor seconds say more than the clock; the medians of
the rounds are compared. What follows ``--`` is given to the commands of this tree alone, as ``--source-camera still``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

NOW = Path(__file__).parent.parent / "backend"
#: What lies between the ends of two stages counts for the second; this is what has no stage after it.
END = "(end)"


@dataclass
class Run:
    """One command: (processor, wall) seconds of each stage and of the whole, peak resident memory in MiB."""

    stages: dict[str, tuple[float, float]] = field(default_factory=dict)
    whole: tuple[float, float] = (0.0, 0.0)
    peak: float = 0.0


def timed_run(tree: Path, video: Path, out: Path, move: str, options: Sequence[str]) -> Run:
    """Run the command of a tree in its own process. Linux only (/proc)."""
    run, began = Run(), time.perf_counter()
    command = [
        sys.executable,
        "-P",
        "-m",
        "ex4d",
        "run",
        str(video),
        "--cam",
        move,
        "--out",
        str(out),
        "--json",
        *options,
    ]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    last = (0.0, 0.0)
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "end":
            now = (_processor(process.pid), time.perf_counter() - began)
            run.stages[event["stage"]] = (now[0] - last[0], now[1] - last[1])
            last = now
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed")
    run.whole = (usage.ru_utime + usage.ru_stime, time.perf_counter() - began)
    run.stages[END] = (run.whole[0] - last[0], run.whole[1] - last[1])
    run.peak = usage.ru_maxrss / 1024
    return run


def _processor(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(value) for value in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def table(title: str, before: list[Run], now: list[Run]) -> str:
    """Medians of the rounds, as Markdown: a row a stage that either tree has."""
    names = list(dict.fromkeys(name for run in [*before, *now] for name in run.stages if name != END))
    lines = [
        f"\n{title}\n",
        "| stage | before, s | now, s | ratio | before, clock | now, clock |",
        "|---|---|---|---|---|---|",
    ]
    for name in [*names, END, "all"]:
        cells = []
        for kind in (0, 1):
            for runs in (before, now):
                values = [(run.whole if name == "all" else run.stages.get(name, (0.0, 0.0)))[kind] for run in runs]
                cells.append(statistics.median(values))
        ratio = f"{cells[1] / cells[0]:.2f}" if cells[0] > 0.05 else "-"
        lines.append(f"| {name} | {cells[0]:.2f} | {cells[1]:.2f} | {ratio} | {cells[2]:.1f} | {cells[3]:.1f} |")
    peaks = [statistics.median(run.peak for run in runs) for runs in (before, now)]
    lines.append(f"| peak, MiB | {peaks[0]:.0f} | {peaks[1]:.0f} | {peaks[1] / peaks[0]:.2f} | | |")
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--before", type=Path, required=True, help="folder that holds the other tree's ex4d")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--moves", nargs=2, default=["orbit:30", "orbit:-30"], help="of the two takes")
    given = sys.argv[1:]
    end = given.index("--") if "--" in given else len(given)
    args, extra = parser.parse_args(given[:end]), given[end + 1 :]
    runs: dict[tuple[str, Path], list[Run]] = {}
    for _ in range(args.rounds):
        with tempfile.TemporaryDirectory() as scratch:
            for move in args.moves:
                for tree in (args.before, NOW):
                    shot = Path(scratch) / ("now" if tree == NOW else "before")
                    options = extra if tree == NOW else []
                    runs.setdefault((move, tree), []).append(timed_run(tree, args.video, shot, move, options))
    for title, move in zip(("First take", "Second take"), args.moves, strict=True):
        print(table(f"{title}, {move}, {args.rounds} rounds", runs[move, args.before], runs[move, NOW]))


if __name__ == "__main__":
    main()
