# SPDX-License-Identifier: Apache-2.0
"""How well source cameras are solved: a table of all clips with known truth in a folder.

    python -m benchmarks.bench_solve FOLDER... [--fov 54.2 --fov 25 --fov 85] [--only NAME ...] [--out TABLE.md]

A clip is a scene as ``python -m tools.scenes.make_groundtruth`` renders it (its source alone will do), at any depth
below a FOLDER; those of docs/quality.md are in benchmarks/solve_clips.txt (``python -m tools.scenes.make_clips``).
Errors are those after the solve's world has been laid on the true one by turn, shift and scale: mean angle between the
cameras, and mean distance of their centres as a share of the path's length. Seconds are of this process's CPU time, by
frame.

The verdict is *right*; *off*, where the kind of shot is right and the errors are over ``OFF_TURN`` or ``OFF_PATH``, and
the solve's notes say something, *silent* where they don't; *refused*, where a camera that moves or turns is said to
stand still; or *wrong*, of the kind of shot. Their counts by folder and true kind are below the table.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from ex4d.camera import Trajectory, read_trajectory
from ex4d.depth.small.order import depth_order
from ex4d.media.frames import ArrayFrames
from ex4d.media.images import read_image
from ex4d.solve import Solve, SolveOptions, solve_camera
from ex4d.solve.model import rotation_vectors
from ex4d.solve.repeat import alignment
from ex4d.system.progress import Silent

#: A true camera moves that leaves its place by more than this share of the distance of what it looks at, and turns by
#: more than so many degrees.
MOVES, TURNS = 0.02, 1.0
#: A lens zooms whose focal length changes by more than this share.
ZOOMS = 0.01
#: Degrees and % of the path over which a solve of the right kind is off.
OFF_TURN, OFF_PATH = 0.5, 2.0
COLUMNS = (
    *("clip", "prior", "truth", "found", "verdict", "lens", "rot °", "path %", "focal %", "s/frame"),
    *("numbers", "refused", "notes"),
)
Verdict = Literal["right", "off", "silent", "refused", "wrong"]


@dataclass(frozen=True)
class Clip:
    """A plate with its true camera.

    Attributes:
        name: folder of its group, and its own.
        frames: of the plate.
        camera: its true one.
        pivot: distance of what it looks at.
        cuts: numbers of the frames at which it cuts.
    """

    name: str
    frames: ArrayFrames
    camera: Trajectory
    pivot: float
    cuts: tuple[int, ...]

    @property
    def kind(self) -> str:
        """What kind of shot it is: *moves*, *turns* (a zoom on the spot too), *still* or *cut*."""
        if self.cuts:
            return "cut"
        centres = self.camera.centers()
        if np.linalg.norm(centres - centres[0], axis=1).max() > MOVES * self.pivot:
            return "moves"
        R = self.camera.E[:, :3, :3]
        turn = np.degrees(np.linalg.norm(rotation_vectors(R @ R[0].T), axis=1).max())
        focal = self.camera.K[:, 0, 0]
        return "turns" if turn > TURNS or focal.max() / focal.min() > 1 + ZOOMS else "still"


def clips(folder: Path, only: Sequence[str]) -> Iterator[Clip]:
    """The clips below a folder, in the order of their names."""
    for record in sorted(folder.absolute().rglob("scene.json")):
        name = record.parent.relative_to(folder.absolute().parent).as_posix()
        if only and not any(part in name for part in only):
            continue
        scene = json.loads(record.read_text(encoding="utf-8"))
        camera = read_trajectory(record.parent / "source" / "camera.json")
        files = sorted((record.parent / "source" / "rgb").glob("*.png"))
        pictures = [np.asarray(read_image(file), np.uint8) for file in files]
        frames = ArrayFrames.of(pictures, Fraction(str(scene["fps"])), [int(file.stem) for file in files])
        camera = camera.for_frames(frames.numbers, frames.fps, name)
        yield Clip(name, frames, camera, float(scene["pivot"]), tuple(scene.get("shots", [1])[1:]))


def errors(solve: Solve, truth: Trajectory) -> tuple[float, float, float]:
    """Mean angle in degrees, mean distance in % of the path, error of the focal length in %."""
    ours, true = solve.camera, truth
    turn, shift, scale = alignment(ours.centers(), true.centers(), ours.E[:, :3, :3], true.E[:, :3, :3])
    moved = scale * (ours.centers() @ turn.T + shift)
    path = float(np.linalg.norm(np.diff(true.centers(), axis=0), axis=1).sum())
    angles = np.linalg.norm(rotation_vectors(true.E[:, :3, :3] @ turn @ np.swapaxes(ours.E[:, :3, :3], 1, 2)), axis=1)
    distance = float(np.linalg.norm(moved - true.centers(), axis=1).mean())
    focal = ours.K[:, 0, 0] / true.K[:, 0, 0] - 1
    worst = float(focal[np.argmax(np.abs(focal))])
    return float(np.degrees(angles.mean())), 100 * distance / path if path > 0 else 0.0, 100 * worst


def verdict(found: str, truth: str, rotation: float, path: float, said: bool) -> Verdict:
    """How good a solve is.

    Args:
        found, truth: kinds of shot.
        rotation, path: errors, degrees and % of the path.
        said: the solve has notes.
    """
    if found != truth:
        return "refused" if found == "still" and truth in ("moves", "turns") else "wrong"
    is_off = (truth in ("moves", "turns") and rotation > OFF_TURN) or (truth == "moves" and path > OFF_PATH)
    return "right" if not is_off else "off" if said else "silent"


def row(clip: Clip, fov: float) -> tuple[Verdict, tuple[str, ...]]:
    """How good a solve is, and its line of the table."""
    started = time.process_time()
    solve = solve_camera(clip.frames, SolveOptions(fov_deg=fov), Silent(), depth_order(clip.frames))
    seconds = (time.process_time() - started) / len(clip.frames)
    rotation, path, focal = errors(solve, clip.camera)
    found = solve.kind
    if solve.cuts:
        # Cuts that are not where they should be are as wrong as none.
        found = "cut" if solve.cuts == clip.cuts else f"cut at {', '.join(map(str, solve.cuts))}"
    judged = verdict(found, clip.kind, rotation, path, bool(solve.notes))
    numbers = ", ".join(f"{name} {value:.3g}" for name, value in vars(solve.numbers).items() if value is not None)
    line = (
        clip.name,
        f"{fov:g}",
        clip.kind,
        found if found == clip.kind else f"**{found}**",
        judged,
        solve.lens,
        f"{rotation:.3f}" if not clip.cuts else "",
        f"{path:.2f}" if clip.kind == "moves" else "",
        f"{focal:+.1f}" if not clip.cuts else "",
        f"{seconds:.2f}",
        numbers,
        " ".join(solve.refused),
        " ".join(solve.notes),
    )
    return judged, line


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--fov", type=float, action="append", help="expected field of view, degrees")
    parser.add_argument("--only", action="append", default=[], help="part of a clip's name")
    parser.add_argument("--out", type=Path, help="append the table to this file as well")
    arguments = parser.parse_args()
    _head(COLUMNS, arguments.out)
    counts: Counter[tuple[str, str, Verdict]] = Counter()
    for clip in (clip for folder in arguments.folders for clip in clips(folder, arguments.only)):
        for fov in arguments.fov or [54.2]:
            judged, line = row(clip, fov)
            counts[clip.name.rpartition("/")[0], clip.kind, judged] += 1
            _say("| " + " | ".join(line) + " |", arguments.out)
    verdicts = get_args(Verdict)
    _say("", arguments.out)
    _head(("clips", "truth", *verdicts), arguments.out)
    for group, kind in dict.fromkeys(key[:2] for key in counts):
        cells = [group, kind, *(str(counts[group, kind, judged]) for judged in verdicts)]
        _say("| " + " | ".join(cells) + " |", arguments.out)
    return 0


def _head(columns: Sequence[str], out: Path | None) -> None:
    _say("| " + " | ".join(columns) + " |", out)
    _say("|" + "---|" * len(columns), out)


def _say(line: str, out: Path | None) -> None:
    print(line, flush=True)
    if out is not None:
        with out.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
