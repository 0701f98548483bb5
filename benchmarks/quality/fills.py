# SPDX-License-Identifier: Apache-2.0
"""Fills with true depth and true cameras, against simple ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ex4d.composite.blend import blend, composite
from ex4d.depth.files import FileDepth
from ex4d.evaluation.score import ClipScore, ResultFrame, score_clip
from ex4d.evaluation.temporal import static_paths
from ex4d.evaluation.truth import TruthScene
from ex4d.fill import TakeScene, create_generator
from ex4d.fill.base import TakeFrame
from ex4d.fill.stage import RenderedTake
from ex4d.jobs.cameras import camera_from_file
from ex4d.jobs.takes import TakePipeline
from ex4d.mesh import MeshSettings
from ex4d.protocol.requests import PlateRequest
from ex4d.raster import create_rasterizer
from ex4d.shot.depth_plan import DepthPlan
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import Reconstruction, make_reconstruction
from ex4d.system.progress import Silent

#: Telea's radius in pixels.
TELEA_RADIUS = 3


class _Kept:
    """``FillSink`` that keeps the frames in memory."""

    def __init__(self) -> None:
        self.frames: list[tuple[np.ndarray, np.ndarray]] = []

    def write(self, number: int, color: np.ndarray, origin: np.ndarray) -> None:
        """See ``FillSink``."""
        self.frames.append((color, origin))


@dataclass(frozen=True)
class OneByOne:
    """A ``TakeView`` that only says its size: the frames are filled one by one."""

    width: int
    height: int
    count: int
    scene: TakeScene

    def frames(self) -> Iterator[TakeFrame]:
        """None are asked for."""
        return iter(())


def composited(frame: TakeFrame, fill: np.ndarray) -> np.ndarray:
    """The result as takes have it."""
    other, known = frame.other, frame.with_other_frames()
    assert other is not None
    result = composite(known.color, known.mask, fill, known.z).copy()
    drawn = blend(frame.color, other.overlap.astype(np.uint8), other.values, None)
    result[other.known] = np.clip(np.rint(drawn[other.known]), 0, 255).astype(np.uint8)
    return result


def reconstruct(scene: TruthScene, folder: Path) -> tuple[Shot, Reconstruction]:
    """The scene as a shot, from its plate, true depth and true source camera."""
    shot = Shot(folder)
    depth = FileDepth(
        scene.source.geometry, kind=None, scale=None, camera=scene.source.folder / "camera.json", fov_deg=None
    )
    request = PlateRequest(str(scene.source.pictures), None, None, 1)
    return shot, make_reconstruction(shot, request, DepthPlan(depth), MeshSettings(), Silent())


def preview_frames(take: RenderedTake) -> list[tuple[np.ndarray, np.ndarray]]:
    """Colours of the preview fill and ``PixelOrigin`` codes, by frame; without scene and background it knows no other
    frames."""
    sink = _Kept()
    create_generator("preview").generate(take, sink, Silent())
    return sink.frames


def preview_fill(take: RenderedTake) -> Iterator[np.ndarray]:
    """Colours of ``preview_frames``."""
    for color, _ in preview_frames(take):
        yield color


def _black(frame: TakeFrame) -> np.ndarray:
    return frame.color


def telea(frame: TakeFrame) -> np.ndarray:
    """OpenCV's inpainting of one frame (Telea, 2004)."""
    return np.asarray(cv2.inpaint(frame.color, (frame.mask == 0).astype(np.uint8), TELEA_RADIUS, cv2.INPAINT_TELEA))


@dataclass(frozen=True)
class Filled:
    """Fills of one target.

    Attributes:
        scores: by fill: black, telea, spatial (the preview fill without other frames), preview.
        middle: (H, W, 3) uint8, the preview's result in the middle of the clip.
    """

    scores: dict[str, ClipScore]
    middle: np.ndarray


def run(scene: TruthScene, folder: Path, targets: list[str]) -> dict[str, Filled]:
    """Fills by target."""
    shot, made = reconstruct(scene, folder)
    pipeline = TakePipeline(shot, made, "auto", Silent())
    out: dict[str, Filled] = {}
    for target in targets:
        view = scene.targets[target]
        rendered = pipeline.render(pipeline.camera(camera_from_file(view.folder / "camera.json")))
        take_scene = TakeScene(
            made.frames, made.mesh, rendered.raster.trajectory, made.depth.tolerance, lambda: create_rasterizer()[0]
        )
        background, _ = pipeline.background(rendered, take_scene)
        take, paths = RenderedTake(rendered.raster, None), list(static_paths(scene, view))
        fills = {
            "black": map(_black, take.frames()),
            "telea": map(telea, take.frames()),
            "spatial": preview_fill(take),
            "preview": preview_fill(RenderedTake(rendered.raster, take_scene, background)),
        }
        scores, kept = {}, _Middle(len(scene.numbers) // 2)
        for name, colors in fills.items():
            scores[name] = score_clip(kept.passing(source_kept(take, colors)), scene, view, paths=paths)
        assert kept.color is not None
        out[target] = Filled(scores, kept.color)
    return out


def source_kept(take: RenderedTake, colors: Iterator[np.ndarray]) -> Iterator[ResultFrame]:
    """Source pixels stay, whatever the fill is."""
    for frame, color in zip(take.frames(), colors, strict=True):
        yield ResultFrame(np.where(frame.mask[..., None] > 0, frame.color, color), frame.mask)


@dataclass
class _Middle:
    """Keeps one frame of those that pass, of the last clip that passed."""

    index: int
    color: np.ndarray | None = None

    def passing(self, frames: Iterator[ResultFrame]) -> Iterator[ResultFrame]:
        for index, frame in enumerate(frames):
            if index == self.index:
                self.color = frame.color
            yield frame
