# SPDX-License-Identifier: Apache-2.0
"""How long the solve of long plates takes, and how much memory.

    python -m benchmarks.bench_long_solve [--frames 250 500 1000] [--size 640x360]

The plate is drawn while it is read: textured boards along a wall, before them a camera that slides past with a slow
turn. The whole stage runs in a process of its own for each length. Wall seconds are of the whole process; drawing is
taken out of *following* (reading aside, the work of the parts) and told by itself. Linux and macOS only.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from ex4d.camera import Trajectory, intrinsics_from_fov
from ex4d.camera.transforms import rigid, rotation_x, rotation_y
from ex4d.evaluation.poses import camera_errors
from ex4d.media.encoding import display_encoding
from ex4d.media.frames import FrameSourceBase, Pixels
from ex4d.solve import SolveOptions, read_solve
from ex4d.solve.stage import SolveStage
from ex4d.stages.stage import Part, PartOutput
from ex4d.system.progress import Progress, Silent

RATE = Fraction(24)
#: True field of view, degrees; metres from frame to frame, and between the boards.
FOV, STEP, SPACING = 50.0, 0.02, 0.8
#: Sides of a texture, px, and how many there are.
TEXTURE, TEXTURES = 256, 12
#: Pixels of the drawing by those of the picture.
FINER = 2


def camera_of(frames: int, size: tuple[int, int]) -> Trajectory:
    """The true camera: it slides to the right, and sways."""
    cameras = []
    for index in range(frames):
        turn = rotation_y(0.12 * np.sin(index / 90)) @ rotation_x(0.02 * np.sin(index / 35))
        centre = np.array([STEP * index, 0.05 * np.sin(index / 25), 0.4 * np.sin(index / 120)])
        cameras.append(rigid(turn, -turn @ centre))
    return Trajectory(intrinsics_from_fov(FOV, *size), np.array(cameras), *size)


def boards_of(length: float) -> np.ndarray:
    """(N, 3, 3) corner and two sides, metres, in columns, from far to near: a wall, and boards at random before it."""
    rng = np.random.default_rng(1)
    wall = [[[x, -6.0, 9.0], [2.0, 0.0, 0.0], [0.0, 12.0, 0.0]] for x in np.arange(-8.0, length + 8.0, 2.0)]
    boards = []
    for x in np.arange(-6.0, length + 6.0, SPACING):
        across, turn = rng.uniform(0.5, 1.4), rng.uniform(-0.9, 0.9)
        corner = [x, rng.uniform(-2.0, 1.2), rng.uniform(2.6, 7.5)]
        boards.append([corner, [across * np.cos(turn), 0.0, across * np.sin(turn)], [0.0, rng.uniform(0.6, 1.8), 0.0]])
    boards.sort(key=lambda board: -board[0][2])
    return np.array([*wall, *boards]).transpose(0, 2, 1)


def textures() -> list[np.ndarray]:
    """Grey noise of several widths, none of it black."""
    rng = np.random.default_rng(2)
    made = []
    for _ in range(TEXTURES):
        layers = [
            cv2.resize(rng.normal(0, 1, (n, n)).astype(np.float32), (TEXTURE, TEXTURE), interpolation=cv2.INTER_CUBIC)
            for n in (8, 24, 64)
        ]
        made.append(np.clip(rng.uniform(80, 170) + 25 * sum(layers), 1, 255).astype(np.uint8))
    return made


@dataclass
class Drawing:
    """Draws pictures, and counts the time it takes.

    Attributes:
        camera: that sees them.
        boards: see ``boards_of``.
        seconds: of processor time so far.
    """

    camera: Trajectory
    boards: np.ndarray
    textures: list[np.ndarray] = field(default_factory=textures)
    seconds: float = 0.0

    def picture(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8."""
        began = time.process_time()
        width, height = FINER * self.camera.width, FINER * self.camera.height
        K, E = np.diag([FINER, FINER, 1]) @ self.camera.K[index], self.camera.E[index]
        canvas = np.zeros((height, width), np.uint8)
        for number, board in enumerate(self.boards):
            sides = E[:3, :3] @ board
            sides[:, 0] += E[:3, 3]
            corners = sides @ [[1, 1, 1, 1], [0, 1, 1, 0], [0, 0, 1, 1]]
            if corners[2].min() < 0.3:
                continue
            seen = K @ corners
            left, top = np.floor((seen[:2] / seen[2]).min(axis=1)).astype(int)
            right, bottom = np.ceil((seen[:2] / seen[2]).max(axis=1)).astype(int) + 1
            left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
            if left >= right or top >= bottom:
                continue
            shift = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]])
            H = shift @ K @ sides[:, [1, 2, 0]] @ np.diag([1 / TEXTURE, 1 / TEXTURE, 1])
            drawn = cv2.warpPerspective(self.textures[number % TEXTURES], H, (right - left, bottom - top))
            part = canvas[top:bottom, left:right]
            np.copyto(part, drawn, where=drawn > 0)
        small = cv2.resize(canvas, (self.camera.width, self.camera.height), interpolation=cv2.INTER_AREA)
        self.seconds += time.process_time() - began
        return np.asarray(cv2.cvtColor(small, cv2.COLOR_GRAY2RGB), np.uint8)


@dataclass(frozen=True)
class DrawnFrames(FrameSourceBase):
    """Frames that are drawn when they are read; none is kept."""

    drawing: Drawing

    def read(self, number: int) -> tuple[Pixels, Pixels | None]:
        """See ``FrameSource``."""
        return self.drawing.picture(number), None


@dataclass
class TimedStage(SolveStage):
    """The stage, its two halves timed by the processor.

    Attributes:
        following, solving: seconds.
    """

    following: float = 0.0
    solving: float = 0.0

    def run_parts(self, out: Path, parts: Iterable[Part], progress: Progress) -> Iterator[PartOutput]:
        """See ``PartedWork``."""
        began = time.process_time()
        yield from super().run_parts(out, parts, progress)
        self.following = time.process_time() - began

    def finish(self, out: Path, done: list[PartOutput]) -> list[str]:
        """See ``PartedWork``."""
        began = time.process_time()
        names = super().finish(out, done)
        self.solving = time.process_time() - began
        return names


def peak_mb() -> float:
    """Peak resident memory of this process, MB (10^6 bytes)."""
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def measured(frames: int, size: tuple[int, int]) -> dict[str, float | str]:
    """One length, in this process."""
    camera = camera_of(frames, size)
    drawing = Drawing(camera, boards_of(STEP * frames))
    numbers = tuple(range(frames))
    times = tuple(index / RATE for index in numbers)
    plate = DrawnFrames(*size, RATE, numbers, times, display_encoding(np.dtype(np.uint8)), False, drawing)
    before, began = peak_mb(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        stage = TimedStage("plate", plate, SolveOptions())
        stage.run(Path(folder), Silent())
        wall = time.perf_counter() - began
        solve = read_solve(Path(folder))
    error = camera_errors(solve.camera.E, camera.E)
    return {
        "wall": wall,
        "drawing": drawing.seconds,
        "following": stage.following - drawing.seconds,
        "solving": stage.solving,
        "before": before,
        "peak": peak_mb(),
        "tracks": solve.tracks.count,
        "kind": f"{solve.kind}, {solve.lens}",
        "rotation": error.rotation_deg,
        "path": 100 * error.translation,
        "focal": 100 * float(solve.camera.K[0, 0, 0] / camera.K[0, 0, 0] - 1),
    }


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[250, 500, 1000])
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--one", action="store_true", help="measure the one length in this process, as JSON")
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    if arguments.one:
        print(json.dumps(measured(arguments.frames[0], (width, height))))
        return 0
    print("| frames | wall s | CPU s: drawing, following, solving | peak MB (at the start) | tracks | found | errors |")
    print("|---|---|---|---|---|---|---|")
    for frames in arguments.frames:
        command = [sys.executable, "-m", "benchmarks.bench_long_solve", "--one"]
        command += ["--frames", str(frames), "--size", arguments.size]
        said = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        print(
            "| {frames} | {wall:.0f} | {drawing:.0f}, {following:.0f}, {solving:.0f} | {peak:.0f} ({before:.0f}) | "
            "{tracks} | {kind} | {rotation:.3f}°, {path:.2f} %, {focal:+.1f} % |".format(frames=frames, **said),
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
