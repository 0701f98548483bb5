# SPDX-License-Identifier: Apache-2.0
"""What takes of a moving camera get from other frames, against the truth.

    python -m benchmarks.bench_background FOLDER [NAME …] --work FOLDER [--targets zoom_out right_30] [--solved]

FOLDER holds scenes with known truth (``tools.scenes.make_groundtruth``). Depth and cameras are the true ones; with
``--solved`` they are found in the plate, as ``ex4d recon --source-camera auto`` does, and the target's camera is the
true one beside the plate's. Every frame of the target that there is is filled by the preview and composited as takes
are. Pictures are compared after a blur, in the part of the picture that the truth says only other frames show; of it
*found* was taken from other frames. *Wrong* is the share of what was taken from other frames that none of them shows.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from benchmarks.quality.fills import OneByOne, composited, reconstruct
from ex4d.camera import Trajectory
from ex4d.camera.transforms import invert_rigid
from ex4d.evaluation.pictures import PictureScore
from ex4d.evaluation.regions import RegionMaps
from ex4d.evaluation.truth import Region, TruthScene, TruthView, find_scenes
from ex4d.fill.background.other_frames import Measured, OtherFrames, source_turns
from ex4d.fill.base import PixelOrigin, TakeFrame, TakeScene
from ex4d.fill.preview.generator import PreviewFill
from ex4d.jobs.context import JobContext
from ex4d.jobs.reconstruct import depth_plan
from ex4d.jobs.reconstruct import reconstruct as reconstruct_plate
from ex4d.media.images import write_png
from ex4d.protocol.requests import PlateRequest, ReconstructRequest
from ex4d.raster import borrow_rasterizer
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import Reconstruction
from ex4d.solve.repeat import alignment
from ex4d.system.progress import Silent

#: Standard deviation of the blur, pixels.
BLUR = 1.5


@dataclass
class Row:
    """A row of the table.

    Attributes:
        visible: where the frame itself shows the scene.
        other: where only other frames do.
        found: the part of this that was taken from them.
        seen, taken, wrong: pixels: of ``other``, of ``found``, and those taken from frames that do not show them.
        seconds: of looking at other frames, each frame of the take.
    """

    visible: PictureScore = field(default_factory=PictureScore)
    other: PictureScore = field(default_factory=PictureScore)
    found: PictureScore = field(default_factory=PictureScore)
    seen: int = 0
    taken: int = 0
    wrong: int = 0
    seconds: list[float] = field(default_factory=list)

    def text(self, name: str) -> str:
        """The row."""
        share = self.taken / max(self.seen, 1)
        wrong = self.wrong / max(self.wrong + self.taken, 1)
        return (
            f"| {name} | {self.visible.psnr:.1f} | {self.other.psnr:.1f} ({self.found.psnr:.1f}) | {share:.1%} | "
            f"{wrong:.1%} | {np.mean(self.seconds):.2f} |"
        )


def solved(scene: TruthScene, folder: Path) -> Reconstruction:
    """The scene as a shot, of its plate alone."""
    shot = Shot(folder)
    plate = PlateRequest(str(scene.source.pictures))
    request = ReconstructRequest(str(folder), plate, viewport_side=None, source_camera="auto")
    return reconstruct_plate(shot, request, depth_plan(request, shot), JobContext(Silent()))[0]


def target_beside(view: TruthView, scene: TruthScene, made: Reconstruction) -> Trajectory:
    """The target's camera, as it stands beside the plate's true one, in the shot's world and with its lens."""
    true, ours = scene.source.camera, made.mesh.source
    if source_turns(ours, made.mesh.pivot):
        number = made.frames.numbers[0]
        own, wanted = made.depth.read(number), scene.source.surface(number).z
        finite = np.isfinite(own) & np.isfinite(wanted)
        scale = float(np.median(own[finite] / wanted[finite]))
    else:
        _, _, unit = alignment(ours.centers(), true.centers(), ours.E[:, :3, :3], true.E[:, :3, :3])
        scale = 1 / unit
    beside = np.stack([e @ invert_rigid(s) for e, s in zip(view.camera.E, true.E, strict=True)])
    beside[:, :3, 3] *= scale
    lens = view.camera.K.copy()
    for axis in (0, 1):
        lens[:, axis, axis] *= ours.K[:, axis, axis] / true.K[:, axis, axis]
    return replace(view.camera, K=lens, E=beside @ ours.E)


def low_passed(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) float32 0..1."""
    return np.asarray(cv2.GaussianBlur(picture.astype(np.float32) / 255, (0, 0), BLUR))


def score(scene: TruthScene, view: TruthView, made: Reconstruction, camera: Trajectory, work: Path) -> Row:
    """Fill the frames of a target and compare them; sheets of result, truth, origin and region go to ``work``."""
    take = TakeScene(
        made.frames,
        made.mesh,
        camera,
        made.depth.tolerance,
        lambda: borrow_rasterizer("embree")[0],
        lambda index: made.depth.read_moving(made.frames.numbers[index]),
        lambda index: made.depth.read_measured(made.frames.numbers[index]),
    )
    row, frames = Row(), {}
    indices = range(0, len(scene.numbers), scene.step)
    rasterizer = borrow_rasterizer("embree")[0]
    with OtherFrames(take) as others:
        for index in indices:
            texture, _ = made.frames.read(made.frames.numbers[index])
            with rasterizer.upload(made.mesh.read(index), texture) as drawn:
                own = drawn.render(camera[index])
            began = time.perf_counter()
            other = others.uncover(index, Measured(own.color, own.mask, own.z))
            row.seconds.append(time.perf_counter() - began)
            frames[index] = TakeFrame(made.frames.numbers[index], own.color, own.mask, own.z, other)
    rasterizer.close()
    pictures = OneByOne(camera.width, camera.height, len(camera), take)
    with PreviewFill().open(pictures, frames[0]) as fill:
        for index, frame in frames.items():
            color, origin = fill.fill(index, frame)
            result, truth = composited(frame, color), view.picture(scene.numbers[index])
            region = _regions(scene, view, index, work / "regions")
            other, taken = region == Region.OTHER_FRAME, origin == PixelOrigin.OTHER_FRAME
            blurred, wanted = low_passed(result), low_passed(truth)
            row.visible.add(blurred, wanted, (region == Region.CO_VISIBLE) & (frame.mask > 0))
            row.other.add(blurred, wanted, other)
            row.found.add(blurred, wanted, other & taken)
            row.seen += int(other.sum())
            row.taken += int((other & taken).sum())
            row.wrong += int((taken & (region == Region.NEVER_SEEN)).sum())
            maps = [np.repeat(codes[..., None], 3, axis=2).astype(np.uint8) for codes in (origin, region)]
            sheet = np.concatenate([result, truth, *maps], axis=1)
            write_png(work / f"{scene.name}-{view.name}-{index:03d}.png", np.ascontiguousarray(sheet))
    return row


def _regions(scene: TruthScene, view: TruthView, index: int, folder: Path) -> np.ndarray:
    """(H, W) ``Region`` codes: they take long, and are kept."""
    path = folder / f"{scene.name}-{view.name}-{index}.npy"
    if not path.exists():
        folder.mkdir(exist_ok=True)
        np.save(path, RegionMaps(scene).of(view, index))
    return np.asarray(np.load(path))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--work", type=Path, required=True, help="for shots, region maps and sheets")
    parser.add_argument("--targets", nargs="+", default=["zoom_out", "right_30"])
    parser.add_argument("--solved", action="store_true", help="camera and depth are found in the plate")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    print("| scene, view | co-visible | other frames (found) | found | wrong | s/frame |\n|---|---|---|---|---|---|")
    for scene in find_scenes(args.folder):
        if args.names and scene.name not in args.names:
            continue
        folder = args.work / ("solved" if args.solved else "true") / scene.name
        made = solved(scene, folder) if args.solved else reconstruct(scene, folder)[1]
        for name in args.targets:
            view = scene.targets[name]
            camera = target_beside(view, scene, made) if args.solved else view.camera
            print(score(scene, view, made, camera, args.work).text(f"{scene.name} {name}"), flush=True)


if __name__ == "__main__":
    main()
