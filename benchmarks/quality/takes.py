# SPDX-License-Identifier: Apache-2.0
"""Takes as they are delivered, of plates whose camera was solved and whose depth was measured, against the truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from benchmarks.quality.fills import OneByOne, composited, reconstruct
from ex4d.camera import Trajectory
from ex4d.composite.blend import composite
from ex4d.evaluation.depth import fit_depth
from ex4d.evaluation.pictures import PictureScore, low_passed
from ex4d.evaluation.plates import true_depth
from ex4d.evaluation.regions import write_region_maps
from ex4d.evaluation.score import ResultFrame, score_clip, target_indices
from ex4d.evaluation.truth import Region, TruthScene, TruthView
from ex4d.fill.background.other_frames import Measured, OtherFrames, source_stands_still
from ex4d.fill.base import PixelOrigin, TakeFrame, TakeScene
from ex4d.fill.preview.generator import PreviewFill
from ex4d.jobs.context import JobContext
from ex4d.jobs.reconstruct import depth_plan
from ex4d.jobs.reconstruct import reconstruct as reconstruct_plate
from ex4d.protocol.bench import ClipScore
from ex4d.protocol.requests import DepthRequest, PlateRequest, ReconstructRequest
from ex4d.protocol.values import SourceCameraKind
from ex4d.raster import borrow_rasterizer
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import Reconstruction
from ex4d.system.progress import Silent

#: How the source camera is found: as ``ex4d recon --source-camera`` takes it, or "truth" for true cameras and depth.
Source: TypeAlias = SourceCameraKind | Literal["truth"]


@dataclass(frozen=True)
class ScoredTake:
    """One take against its target.

    Attributes:
        camera: what the solve says of the source camera, and its field of view.
        score: of the whole result, fill and all.
        drawn, drawn_share: of what is co-visible and was drawn as source surface, low-passed; and its share of what is
            co-visible.
        found_share: of what another frame has seen, the share that was taken from another frame; NaN where there is
            none.
    """

    camera: str
    score: ClipScore
    drawn: PictureScore
    drawn_share: float
    found_share: float


def beside(plate: Trajectory, source: Trajectory, target: Trajectory, unit: float) -> Trajectory:
    """The camera that stands to the plate's camera as the target stands to the true source camera, with a lens that is
    the plate's as often as the target's is the true one's: what an artist gets who asks for that move, whatever the
    solve found.

    Args:
        plate: the plate's camera as the product has it, its own world.
        source, target: true cameras, metres.
        unit: of the product's world, in a metre.
    """
    relative = target.E @ np.linalg.inv(source.E)
    relative[:, :3, 3] *= unit
    K = plate.K.copy()
    K[:, (0, 1), (0, 1)] *= target.K[:, (0, 1), (0, 1)] / source.K[:, (0, 1), (0, 1)]
    return replace(plate, K=K, E=relative @ plate.E)


def made(scene: TruthScene, source: Source, fov: float | None, folder: Path) -> tuple[Shot, Reconstruction]:
    """The scene's plate as a shot.

    Args:
        scene: whose plate.
        source: of cameras and depth.
        fov: degrees over the longer side, as ``--fov`` takes it.
        folder: of the shot.
    """
    if source == "truth":
        return reconstruct(scene, folder)
    shot, context = Shot(folder), JobContext(Silent())
    plate = PlateRequest(str(scene.source.pictures), first_frame=scene.numbers[0])
    request = ReconstructRequest(str(folder), plate, DepthRequest(fov=fov), viewport_side=None, source_camera=source)
    return shot, reconstruct_plate(shot, request, depth_plan(request, shot), context)[0]


def run(
    scene: TruthScene, source: Source, targets: Sequence[str], folder: Path, fov: float | None = None
) -> dict[str, ScoredTake]:
    """Takes by target; see ``made``."""
    write_region_maps(scene, Silent())
    _, plate = made(scene, source, fov, folder)
    depth = ((plate.depth.read(number), true) for number, true in zip(scene.numbers, true_depth(scene), strict=True))
    # Estimates are in any unit, and so is a solved camera: one scale a clip.
    unit = fit_depth(depth, "scale").scale
    found = {}
    for name in targets:
        view = scene.targets[name]
        camera = beside(plate.mesh.view, scene.source.camera, view.camera, unit)
        found[name] = _scored(scene, view, plate, camera)
    return found


def _camera(plate: Reconstruction) -> str:
    if plate.source_camera is None:
        return "given"
    found = plate.source_camera
    return f"{found.kind}, {found.fov_deg:.1f}°, {found.lens}"


@dataclass(frozen=True)
class _Taken:
    """One frame of a take: ``ResultFrame``'s pictures, and ``PixelOrigin`` codes (H, W)."""

    result: ResultFrame
    origin: np.ndarray


def _delivered(plate: Reconstruction, camera: Trajectory, indices: range) -> dict[int, _Taken]:
    """Frames of a take with the preview fill, as they are delivered; the others are not made, which would take most of
    the time."""
    frames, source = plate.frames, plate.mesh.source
    numbers = frames.numbers
    take = TakeScene(
        frames,
        plate.mesh,
        camera,
        plate.depth.tolerance,
        lambda: borrow_rasterizer()[0],
        lambda index: plate.depth.read_moving(numbers[index]),
        lambda index: plate.depth.read_measured(numbers[index]),
    )
    still, drawn = source_stands_still(source), {}
    rasterizer = borrow_rasterizer()[0]
    with nullcontext() if still else OtherFrames(take) as others:
        for index in indices:
            with rasterizer.upload(plate.mesh.read(index), frames.read(numbers[index])[0]) as mesh:
                own = mesh.render(camera[index])
            other = None if others is None else others.uncover(index, Measured(own.color, own.mask, own.z))
            drawn[index] = TakeFrame(numbers[index], own.color, own.mask, own.z, other)
    rasterizer.close()
    made = {}
    with PreviewFill().open(OneByOne(camera.width, camera.height, len(camera), take), drawn[indices[0]]) as fill:
        for index, frame in drawn.items():
            color, origin = fill.fill(index, frame)
            result = composited(frame, color) if frame.other else composite(frame.color, frame.mask, color, frame.z)
            made[index] = _Taken(ResultFrame(result, frame.mask), origin)
    return made


def _scored(scene: TruthScene, view: TruthView, plate: Reconstruction, camera: Trajectory) -> ScoredTake:
    takes = _delivered(plate, camera, target_indices(scene))
    drawn, visible, pixels, other, taken = PictureScore(), 0, 0, 0, 0
    for index, frame in takes.items():
        number = scene.numbers[index]
        codes = view.regions(number)
        seen, elsewhere = codes == Region.CO_VISIBLE, codes == Region.OTHER_FRAME
        assert frame.result.mask is not None
        both = seen & (frame.result.mask > 0)
        drawn.add(low_passed(frame.result.color), low_passed(view.picture(number)), both)
        visible, pixels = visible + int(both.sum()), pixels + int(seen.sum())
        other += int(elsewhere.sum())
        taken += int((elsewhere & (frame.origin == PixelOrigin.OTHER_FRAME)).sum())
    # Frames that the target has not are not looked at.
    clip = (takes[index if index in takes else 0].result for index in range(len(scene.numbers)))
    return ScoredTake(
        _camera(plate),
        score_clip(clip, scene, view),
        drawn,
        visible / pixels if pixels else math.nan,
        taken / other if other else math.nan,
    )
