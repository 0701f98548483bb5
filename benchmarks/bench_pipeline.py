# SPDX-License-Identifier: Apache-2.0
"""Times and memory of `ex4d run` on this machine; the tables of docs/benchmarks.md come from here.

    python -m benchmarks.bench_pipeline [VIDEO] [--repeat 3] [--long 10]

1. Mesh and raster alone, per frame, without files: what the two stages cost; all rasterizers in turn, in one run.
2. The whole command with its stages, wall time and peak memory; then a second camera on the same shot.
3. The same clip played forth and back until it is LONG times as long: peak memory must not follow.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ex4d.camera import build_take, parse_preset
from ex4d.depth import BUILT_IN, create_depth_source
from ex4d.media.movie import MovieWriter
from ex4d.mesh import MeshSettings
from ex4d.mesh.dwmesh import build_mesh
from ex4d.plate import open_plate
from ex4d.protocol.errors import ResourceError
from ex4d.protocol.requests import PlateRequest
from ex4d.raster import create_rasterizer
from ex4d.shot.depth_plan import DepthPlan
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import Reconstruction, make_reconstruction
from ex4d.system.progress import Silent

ROOT = Path(__file__).parent.parent
#: Frames of the clip, spread over it, that the first table uses.
TIMED_FRAMES = 12


@dataclass
class Run:
    """One `ex4d run`: seconds per stage and in all, peak resident memory in GB (10^9 bytes)."""

    wall: float = 0.0
    peak: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)


def timed_run(video: Path, out: Path, move: str) -> Run:
    """Run the command in its own process; Linux and macOS only (wait4)."""
    run, started = Run(), time.perf_counter()
    command = [sys.executable, "-P", "-m", "ex4d", "run", str(video), "--cam", move, "--out", str(out), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "end":
            run.stages[event["stage"]] = event["seconds"]
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed")
    run.wall = time.perf_counter() - started
    run.peak = usage.ru_maxrss * (1024 if sys.platform == "linux" else 1) / 1e9
    return run


def mesh_and_raster(shot: Reconstruction, repeat: int) -> Iterator[tuple[str, float, float]]:
    """(name, minimum, median) seconds per frame; the rasterizers take turns, so that a busy moment hits all."""
    frames, depth = shot.frames, shot.depth
    numbers = frames.numbers[:: -(-len(frames) // TIMED_FRAMES)]
    maps = [depth.read(number) for number in numbers]
    pictures = [frames.read_8bit(number) for number in numbers]
    pivot = np.array([0.0, 0.0, shot.mesh.pivot])
    take = build_take(parse_preset("orbit:60"), depth.source, pivot, follow=True)
    times: dict[str, list[float]] = {"mesh": []}
    rasterizers = {}
    for name in ("opengl", "embree", "nvdiffrast"):
        try:
            rasterizers[name] = create_rasterizer(name)[0]
        except ResourceError as error:
            print(f"{name}: {error.message}", file=sys.stderr)
    for _ in range(repeat):
        for index, number in enumerate(numbers):
            place = frames.numbers.index(number)
            start = time.perf_counter()
            mesh = build_mesh(maps[index], depth.source[place], shot.mesh.far)
            times["mesh"].append(time.perf_counter() - start)
            for name, rasterizer in rasterizers.items():
                start = time.perf_counter()
                with rasterizer.upload(mesh, pictures[index]) as scene:
                    scene.render(take[place])
                times.setdefault(f"raster {name}", []).append(time.perf_counter() - start)
    for name, values in times.items():
        yield name, min(values), statistics.median(values)


def lengthened(video: Path, times: int, out: Path) -> None:
    """The clip forth and back until it has ``times`` as many frames."""
    reader = open_plate(video)
    frames = [frame.pixels for frame in reader.frames()]
    with MovieWriter(out, width=reader.info.width, height=reader.info.height, fps=reader.info.fps) as movie:
        for index in range(times * len(frames)):
            turn, place = divmod(index, len(frames))
            movie.write(frames[place if turn % 2 == 0 else -1 - place])


def table(title: str, head: list[str], rows: list[list[str]]) -> None:
    """Print a Markdown table."""
    print(f"\n{title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", nargs="?", type=Path, default=ROOT / "samples" / "toy_train.mp4")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--long", type=int, default=10, help="0 leaves out the third part")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        first = timed_run(args.video, scratch / "shot", "orbit:60")
        second = timed_run(args.video, scratch / "shot", "zoom_out")
        source = create_depth_source(BUILT_IN)
        shot = make_reconstruction(
            Shot(scratch / "shot"), PlateRequest(str(args.video)), DepthPlan(source), MeshSettings(), Silent()
        )
        count, size = len(shot.frames), shot.frames.size
        print(f"{args.video.name}: {count} frames {size[0]}x{size[1]}, {time.strftime('%Y-%m-%d')}")
        print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
        rows = [[name, f"{low:.3f}", f"{mid:.3f}"] for name, low, mid in mesh_and_raster(shot, args.repeat)]
        table("Seconds a frame, no files", ["part", "minimum", "median"], rows)
        runs = {"first camera": first, "second camera": second}
        if args.long:
            lengthened(args.video, args.long, scratch / "long.mp4")
            runs[f"{args.long * count} frames"] = timed_run(scratch / "long.mp4", scratch / "long", "orbit:60")
        stages = list(first.stages)
        body = [
            [name, *(f"{run.stages[stage]:.1f}" for stage in stages), f"{run.wall:.1f}", f"{run.peak:.2f}"]
            for name, run in runs.items()
        ]
        table("`ex4d run`: seconds a stage, peak memory", ["run", *stages, "wall s", "peak GB"], body)


if __name__ == "__main__":
    main()
