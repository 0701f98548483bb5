# SPDX-License-Identifier: Apache-2.0
"""Seconds a frame and peak memory of the whole way with a film plate on this machine's CPU.

    python -m benchmarks.bench_film [--size 3840x2160] [--frames 10] [--long 100] [--keep FOLDER]

A plate of half-float EXR files (ZIP, ACEScg), light from −0.02 to 60 with noise; its depth is given, so that the
estimator does not count. `ex4d run` in its own process, with the preview fill; then the same plate LONG frames long:
peak memory must not follow. Linux and macOS only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import OpenEXR

#: Different pictures; longer plates repeat them.
PICTURES = 5


def make_plate(folder: Path, size: tuple[int, int], frames: int) -> None:
    """Frames 1001 … of soft light with grain and a few lamps, and ``depth.npz`` beside them: a ball before a wall."""
    width, height = size
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    soft = cv2.resize(rng.random((18, 32, 3)).astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    for index in range(min(frames, PICTURES)):
        picture = np.roll(soft, 8 * index, axis=1) ** 2 + rng.normal(0, 0.01, soft.shape).astype(np.float32)
        picture[height // 4 : height // 4 + 40, width // 3 : width // 3 + 60] = 60
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "colorInteropID": "lin_ap1_scene"}
        channels = {letter: np.ascontiguousarray(picture[..., k].astype(np.float16)) for k, letter in enumerate("RGB")}
        OpenEXR.File(header, channels).write(str(folder / f"p.{1001 + index}.exr"))
    for index in range(PICTURES, frames):
        os.link(folder / f"p.{1001 + index % PICTURES}.exr", folder / f"p.{1001 + index}.exr")
    y, x = np.mgrid[-1:1:270j, -1.78:1.78:480j]
    depth = np.where(x * x + y * y < 0.25, 2.0, 5.0).astype(np.float32)
    np.savez_compressed(folder / "depth.npz", depth=np.broadcast_to(depth, (frames, *depth.shape)))


def timed_run(plate: Path, out: Path) -> tuple[dict[str, float], float, float]:
    """Seconds of each stage, wall seconds, and peak resident GB (10^9 bytes)."""
    command = [sys.executable, "-P", "-m", "ex4d", "run", str(plate / "p.####.exr"), "--cam", "orbit:8"]
    command += ["--depth", str(plate / "depth.npz"), "--out", str(out), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    began, stages = time.perf_counter(), {}
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "end":
            stages[event["stage"]] = event["seconds"]
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed")
    return stages, time.perf_counter() - began, usage.ru_maxrss * (1024 if sys.platform == "linux" else 1) / 1e9


def size_of(path: Path) -> int:
    """Bytes of all files below."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", default="3840x2160")
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--long", type=int, default=100)
    parser.add_argument("--keep", type=Path, help="folder for the results; a temporary one is removed at the end")
    args = parser.parse_args()
    width, height = map(int, args.size.split("x"))
    root = args.keep or Path(tempfile.mkdtemp())
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {width}x{height}")
    for frames in dict.fromkeys((args.frames, args.long)):
        plate, out = root / f"plate{frames}", root / f"shot{frames}"
        make_plate(plate, (width, height), frames)
        stages, wall, peak = timed_run(plate, out)
        print(f"\n{frames} frames: {wall:.1f} s, peak {peak:.2f} GB; seconds a frame:")
        for name, seconds in stages.items():
            print(f"  {name:12} {seconds / frames:6.2f}")
        of_plate = sum(file.stat().st_size for file in plate.glob("*.exr")) / frames / 1e6
        print(f"MB a frame: plate {of_plate:.1f}, " + ", ".join(_sizes(out, frames)), flush=True)
        if args.keep is None:
            shutil.rmtree(out)
    if args.keep is None:
        shutil.rmtree(root)


def _sizes(shot: Path, frames: int) -> list[str]:
    folders = [*sorted((shot / "cache").iterdir()), *sorted((shot / "takes").iterdir())]
    return [f"{folder.name.partition('-')[0]} {size_of(folder) / frames / 1e6:.1f}" for folder in folders]


if __name__ == "__main__":
    main()
