# SPDX-License-Identifier: Apache-2.0
"""Takes as they are delivered, of plates whose camera was solved and whose depth was measured, against the truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from benchmarks.quality.fills import reconstruct
from ex4d.camera import Trajectory, json_bytes
from ex4d.composite.result_files import sequence_file
from ex4d.evaluation.depth import fit_depth
from ex4d.evaluation.pictures import PictureScore, low_passed
from ex4d.evaluation.plates import true_depth
from ex4d.evaluation.regions import write_region_maps
from ex4d.evaluation.score import read_result, score_clip, target_indices
from ex4d.evaluation.truth import Region, TruthScene, TruthView
from ex4d.fill import create_generator
from ex4d.fill.base import PixelOrigin
from ex4d.jobs.context import JobContext
from ex4d.jobs.reconstruct import depth_plan
from ex4d.jobs.reconstruct import reconstruct as reconstruct_plate
from ex4d.jobs.takes import TakePipeline
from ex4d.media.images import read_grey
from ex4d.protocol.bench import ClipScore
from ex4d.protocol.requests import DepthRequest, PlateRequest, ReconstructRequest, TrajectoryCamera
from ex4d.protocol.values import SourceCameraKind
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
    shot, plate = made(scene, source, fov, folder)
    depth = ((plate.depth.read(number), true) for number, true in zip(scene.numbers, true_depth(scene), strict=True))
    # Estimates are in any unit, and so is a solved camera: one scale a clip.
    unit = fit_depth(depth, "scale").scale
    pipeline = TakePipeline(shot, plate, "auto", Silent())
    found = {}
    for name in targets:
        view = scene.targets[name]
        camera = beside(plate.mesh.view, scene.source.camera, view.camera, unit)
        rendered = pipeline.render(pipeline.camera(TrajectoryCamera(json_bytes(camera))))
        take = pipeline.deliver(rendered, create_generator("preview"))
        found[name] = _scored(scene, view, take, _camera(plate))
    return found


def _camera(plate: Reconstruction) -> str:
    if plate.solve is None:
        return "given"
    return f"{plate.solve.kind}, {plate.solve.fov_deg:.1f}°, {plate.solve.lens}"


def _scored(scene: TruthScene, view: TruthView, take: Path, camera: str) -> ScoredTake:
    drawn, visible, pixels, other, taken = PictureScore(), 0, 0, 0, 0
    for index, frame in enumerate(read_result(take)):
        if index not in target_indices(scene):
            continue
        number = scene.numbers[index]
        codes = view.regions(number)
        seen = codes == Region.CO_VISIBLE
        assert frame.mask is not None
        both = seen & (frame.mask > 0)
        drawn.add(low_passed(frame.color), low_passed(view.picture(number)), both)
        visible, pixels = visible + int(both.sum()), pixels + int(seen.sum())
        origin = read_grey(sequence_file(take / "confidence", number))
        elsewhere = codes == Region.OTHER_FRAME
        other += int(elsewhere.sum())
        taken += int((elsewhere & (origin == PixelOrigin.OTHER_FRAME)).sum())
    return ScoredTake(
        camera,
        score_clip(read_result(take), scene, view),
        drawn,
        visible / pixels if pixels else math.nan,
        taken / other if other else math.nan,
    )
