# SPDX-License-Identifier: Apache-2.0
"""Mesh and raster with true depth and true cameras: is what is drawn where it should be, and is the mask right?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from ex4d.evaluation.alignment import Alignment, alignment
from ex4d.evaluation.masks import MaskCounts
from ex4d.evaluation.pictures import PictureScore, low_passed
from ex4d.evaluation.points import project, unproject
from ex4d.evaluation.truth import Region, TruthScene, TruthView
from ex4d.mesh import DWMesh, build_mesh, build_released_mesh, far_plane
from ex4d.raster import Rasterizer

#: The released code clips depth to this.
RELEASED_SKY = 1e4
#: Pixels round a depth jump or a border of the mask, where resampling mixes surfaces.
EDGE_PX = 3


@dataclass
class RasterResult:
    """One target of one scene.

    Attributes:
        kept: colour of what is co-visible and drawn as surface.
        inner: the same without the pixels next to its borders.
        smooth: the same as ``inner``, both pictures low-passed.
        ideal: as ``kept``, but each pixel taken from where exact geometry says it is in the plate, without any mesh:
            what linear sampling of a plate of this resolution can give at best.
        wrong: colour of what is drawn as surface and is none.
        shifts: misalignment.
        masks, released: counts of our mask and of the released construction's.
    """

    kept: PictureScore
    inner: PictureScore
    smooth: PictureScore
    ideal: PictureScore
    wrong: PictureScore
    shifts: list[Alignment]
    masks: MaskCounts
    released: MaskCounts

    def record(self) -> dict[str, float]:
        """Figures by name."""
        pooled = Alignment.pooled(self.shifts)
        return {
            "psnr": self.kept.psnr,
            "psnr_inner": self.inner.psnr,
            "psnr_low_pass": self.smooth.psnr,
            "psnr_ideal": self.ideal.psnr,
            "psnr_wrong": self.wrong.psnr,
            "alignment_px": pooled.median_px,
            "bias_px": pooled.bias_px,
            "tiles": len(pooled.shifts),
            "iou": self.masks.iou,
            "precision": self.masks.precision,
            "recall": self.masks.recall,
            "iou_released": self.released.iou,
            "precision_released": self.released.precision,
            "recall_released": self.released.recall,
        }


def meshes(scene: TruthScene, index: int) -> tuple[DWMesh, DWMesh]:
    """Our mesh and the released construction's from true depth and the true camera."""
    z = scene.source.surface(scene.numbers[index]).z
    finite = z[np.isfinite(z)]
    deepest = float("inf") if np.isinf(z).any() else float(finite.max())
    camera = scene.source.camera[index]
    ours = build_mesh(z, camera, far_plane(deepest, float(np.median(finite))))
    return ours, build_released_mesh(np.where(np.isinf(z), np.float32(RELEASED_SKY), z), camera)


def run(scene: TruthScene, rasterizer: Rasterizer, indices: list[int]) -> dict[str, RasterResult]:
    """All targets at these frames."""
    found = {
        name: RasterResult(*(PictureScore() for _ in range(5)), [], MaskCounts(), MaskCounts())
        for name in scene.targets
    }
    for index in indices:
        ours, released = meshes(scene, index)
        texture = scene.source.picture(scene.numbers[index])
        with rasterizer.upload(ours, texture) as drawn, rasterizer.upload(released, texture) as drawn_released:
            for name, view in scene.targets.items():
                frame = drawn.render(view.camera[index])
                truth, codes = view.picture(scene.numbers[index]), view.regions(scene.numbers[index])
                co_visible, kept, result = codes == Region.CO_VISIBLE, frame.mask > 0, found[name]
                both = co_visible & kept
                edge = np.ones((2 * EDGE_PX + 1,) * 2, np.uint8)
                inner = cv2.erode(both.astype(np.uint8), edge, borderValue=1) > 0
                result.kept.add(frame.color, truth, both)
                result.inner.add(frame.color, truth, inner)
                result.smooth.add(low_passed(frame.color), low_passed(truth), inner)
                result.ideal.add(_reprojected(texture, scene, view, index), truth, both)
                result.wrong.add(frame.color, truth, kept & ~co_visible)
                result.shifts.append(alignment(frame.color, truth, both))
                result.masks.add(~kept, ~co_visible)
                result.released.add(drawn_released.render(view.camera[index]).mask == 0, ~co_visible)
    return found


def _reprojected(plate: np.ndarray, scene: TruthScene, view: TruthView, index: int) -> np.ndarray:
    """The plate (H, W, 3) as the view's true surfaces show it, hidden or not."""
    points = unproject(view.surface(scene.numbers[index]), view.camera[index])
    position, _ = project(points, scene.source.camera[index])
    x, y = np.nan_to_num(position, nan=-1).reshape(*plate.shape[:2], 2).astype(np.float32).transpose(2, 0, 1)
    return cv2.remap(plate, x - 0.5, y - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def pictures(scene: TruthScene, rasterizer: Rasterizer, index: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name of the target, colour and mask of one frame."""
    ours, _ = meshes(scene, index)
    with rasterizer.upload(ours, scene.source.picture(scene.numbers[index])) as drawn:
        for name, view in scene.targets.items():
            frame = drawn.render(view.camera[index])
            yield name, frame.color, frame.mask
