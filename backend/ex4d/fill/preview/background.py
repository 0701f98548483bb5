# SPDX-License-Identifier: Apache-2.0
"""The static part of a shot, gathered from its other frames: what a moving subject or a moving camera uncovered at some
time is real background for all times."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera
from ex4d.camera.transforms import invert_rigid
from ex4d.fill.base import TakeScene
from ex4d.fill.preview.clean_plate import CleanPlate, clean_plate
from ex4d.mesh import DWMesh, MeshSettings, build_mesh
from ex4d.raster import RasterFrame, Rasterizer, RasterScene

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: Anchor frames that are looked at per frame of the take.
ANCHORS_PER_FRAME = 8
#: Frames between anchors in long shots; short ones are divided evenly.
ANCHOR_SPACING = 12
#: Frames that a pixel of an anchor is tested against for having moved.
WITNESSES = 12
#: Vertices along the longer side of an anchor's mesh: the fill is soft, and each anchor is rendered for each frame.
ANCHOR_GRID = 320
#: Surface this near to an edge, as a share of the longer side, is left out: colours and depth are mixed there.
EDGE = 0.006


@dataclass(frozen=True)
class Uncovered:
    """Static surface seen in other frames.

    Attributes:
        color: (h, w, 3) float32 code values.
        z: (h, w) float32 z-depth in the take camera.
        known: (h, w) bool.
    """

    color: Float
    z: Float
    known: Bool


def moving_pixels(anchor: DWMesh, witnesses: list[DWMesh], tolerance: float) -> Bool:
    """See-through test: an anchor's pixel moves when some witness looks past the place where it should be.

    Returns:
        (h, w) bool for the anchor's grid.
    """
    shape = anchor.pixel_valid.shape
    moving = np.zeros(shape, dtype=np.bool_)
    points = anchor.points[: anchor.topology.grid_vertices].astype(np.float64)
    for witness in witnesses:
        view = witness.source.E @ invert_rigid(anchor.source.E)
        seen = points @ view[:3, :3].T + view[:3, 3]
        pixels, expected = replace(witness.source, E=np.eye(4)).project(seen)
        column, row = (
            np.floor((pixels - witness.topology.pixels[0]) / witness.topology.step + 0.5).reshape(*shape, 2)
        ).transpose(2, 0, 1)
        height, width = witness.pixel_valid.shape
        inside = (expected.reshape(shape) > 0) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
        column, row = np.where(inside, column, 0).astype(np.intp), np.where(inside, row, 0).astype(np.intp)
        z = witness.grid_z[row, column]
        inside &= witness.pixel_valid[row, column]
        past = inside & (z > (1 + tolerance) * expected.reshape(shape))
        # Depth edges are never quite in the same place, so a lone pixel is no evidence.
        moving |= cv2.erode(past.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.bool_)
    return moving


def open_background(scene: TakeScene) -> Background | None:
    """What other frames show of the static scene; None if they can show nothing new."""
    source = scene.mesh.source
    if np.allclose(source.E, source.E[0]) and np.allclose(source.K, source.K[0]):
        plate = clean_plate(scene)
        return PlateBackground(scene, plate) if plate else None
    return AnchoredBackground(scene)


class Background(Protocol):
    """The static scene as seen by the take camera."""

    def uncover(self, index: int, camera: Camera, holes: Bool) -> Uncovered:
        """Static surface at the holes of frame ``index``; ``holes`` (h, w) has the camera's size."""
        ...

    def close(self) -> None:
        """Free the rasterizer."""
        ...


def _sure(frame: RasterFrame, holes: Bool) -> Bool:
    """Where a rendered frame may fill holes: not near its edges, where colours and depth are mixed."""
    side = 2 * max(1, round(EDGE * max(holes.shape))) + 1
    inner = cv2.erode(frame.mask, np.ones((side, side), np.uint8), borderValue=255) > 0
    return np.asarray(inner & holes & np.isfinite(frame.z))


class PlateBackground:
    """``Background`` of a still source camera."""

    def __init__(self, scene: TakeScene, plate: CleanPlate) -> None:
        self._rasterizer = scene.create_rasterizer()
        self._scene = self._rasterizer.upload(plate.mesh, plate.texture)

    def uncover(self, index: int, camera: Camera, holes: Bool) -> Uncovered:
        """See ``Background``."""
        frame = self._scene.render(camera)
        return Uncovered(frame.color.astype(np.float32), frame.z, _sure(frame, holes))

    def close(self) -> None:
        """See ``Background``."""
        self._scene.release()
        self._rasterizer.close()


class AnchoredBackground:
    """``Background`` of a moving source camera: some other frames, without what moves in them."""

    def __init__(self, scene: TakeScene) -> None:
        self._take = scene
        count = len(scene.frames)
        spacing = ANCHOR_SPACING if count > ANCHORS_PER_FRAME * ANCHOR_SPACING else max(1, count // ANCHORS_PER_FRAME)
        self._anchors = list(range(spacing // 2, count, spacing))
        self._witness_step = max(1, spacing * ANCHORS_PER_FRAME // WITNESSES)
        self._rasterizer: Rasterizer = scene.create_rasterizer()
        self._scenes: OrderedDict[int, RasterScene] = OrderedDict()
        self._meshes: OrderedDict[int, DWMesh] = OrderedDict()
        self._moving: dict[int, Bool] = {}

    def close(self) -> None:
        """See ``Background``."""
        while self._scenes:
            self._scenes.popitem()[1].release()
        self._rasterizer.close()

    def uncover(self, index: int, camera: Camera, holes: Bool) -> Uncovered:
        """See ``Background``."""
        frames = [self._scene(anchor).render(camera) for anchor in self._nearest_anchors(index)]
        # First what is surely one surface; what only edges show fills what then is left. Slanted surfaces have gaps
        # all over in a view from elsewhere, and near gaps nothing is sure.
        sure = self._gather(frames, [_sure(frame, holes) for frame in frames], holes.shape)
        left = holes & ~sure.known
        unsure = [(frame.mask > 0) & left & np.isfinite(frame.z) for frame in frames]
        rest = self._gather(frames, unsure, holes.shape)
        color = np.where(sure.known[..., None], sure.color, rest.color)
        return Uncovered(color, np.where(sure.known, sure.z, rest.z), sure.known | rest.known)

    def _gather(self, frames: list[RasterFrame], candidates: list[Bool], shape: tuple[int, ...]) -> Uncovered:
        """The nearest of the candidate pixels (h, w) of each frame; surfaces within the tolerance are averaged."""
        color, z = np.zeros((*shape, 3), np.float32), np.full(shape, np.inf, np.float32)
        votes = np.zeros(shape, np.float32)
        for frame, candidate in zip(frames, candidates, strict=True):
            nearer = candidate & (frame.z < z / (1 + self._take.tolerance))
            same = candidate & ~nearer & (frame.z <= z * (1 + self._take.tolerance))
            votes[nearer] = 0
            color[nearer] = 0
            take = nearer | same
            color[take] += frame.color[take]
            votes[take] += 1
            z[nearer] = frame.z[nearer]
        known = votes > 0
        color[known] /= votes[known, None]
        return Uncovered(color, np.where(known, z, np.nan).astype(np.float32), known)

    def _nearest_anchors(self, index: int) -> list[int]:
        others = [anchor for anchor in self._anchors if anchor != index]
        return sorted(others, key=lambda anchor: (abs(anchor - index), anchor))[:ANCHORS_PER_FRAME]

    def _mesh(self, index: int) -> DWMesh:
        if index not in self._meshes:
            self._meshes[index] = self._build(index, None)
            if len(self._meshes) > WITNESSES + 2:
                self._meshes.popitem(last=False)
        return self._meshes[index]

    def _build(self, index: int, still: Bool | None) -> DWMesh:
        full = self._take.mesh.read(index)
        depth = np.where(full.pixel_valid, full.grid_z, np.float32(np.nan))
        settings = MeshSettings(max_grid_side=ANCHOR_GRID)
        return build_mesh(depth, full.source, self._take.mesh.far, still, settings)

    def _moving_mask(self, anchor: int) -> Bool:
        if anchor not in self._moving:
            count, step = len(self._take.frames), self._witness_step
            offsets = [sign * step * k for k in range(1, WITNESSES + 1) for sign in (1, -1)]
            witnesses = [anchor + offset for offset in offsets if 0 <= anchor + offset < count][:WITNESSES]
            meshes = [self._mesh(index) for index in sorted(witnesses)]
            self._moving[anchor] = moving_pixels(self._mesh(anchor), meshes, self._take.tolerance)
        return self._moving[anchor]

    def _scene(self, anchor: int) -> RasterScene:
        if anchor in self._scenes:
            self._scenes.move_to_end(anchor)
        else:
            # Two more pixels round a moving subject: its mixed edge colours are not background.
            still = cv2.dilate(self._moving_mask(anchor).astype(np.uint8), np.ones((5, 5), np.uint8)) == 0
            texture, _ = self._take.frames.read(self._take.frames.numbers[anchor])
            self._scenes[anchor] = self._rasterizer.upload(self._build(anchor, still), texture)
            if len(self._scenes) > ANCHORS_PER_FRAME + 1:
                self._scenes.popitem(last=False)[1].release()
        return self._scenes[anchor]
