# SPDX-License-Identifier: Apache-2.0
"""What of a target view the plate has shown, from exact geometry: the truth that masks and fills are held against."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera
from ex4d.camera.transforms import invert_rigid
from ex4d.evaluation.truth import Region, Surface, TruthScene, TruthView
from ex4d.files import make_folder
from ex4d.media.images import write_png
from ex4d.progress import Progress

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Index = NDArray[np.intp]

#: A point lies on the surface that a pixel shows when it is this near to the plane through that surface, as a share of
#: its depth. Neighbouring pixels of a ball of 0.2 m three metres away deviate by 3e-5.
PLANE_TOLERANCE = 2e-3
#: Other frames in which a point is looked for, evenly spread: in longer clips neighbours show nearly the same.
OTHER_FRAMES = 24
#: Frames of exact geometry that are kept in memory.
KEPT_SURFACES = 64


@dataclass(frozen=True)
class _Points:
    """What a set of pixels shows.

    Attributes:
        xyz: (N, 3) world coordinates; for the sky, directions.
        ids: (N,) object ids, 0 = sky.
    """

    xyz: Float
    ids: NDArray[np.int32]

    def __getitem__(self, chosen: Index | Bool) -> _Points:
        return _Points(self.xyz[chosen], self.ids[chosen])


def _rays(camera: Camera) -> Float:
    """(H, W, 3) camera coordinates at z = 1 of the pixel centres."""
    x = (np.arange(camera.width) + 0.5 - camera.K[0, 2]) / camera.K[0, 0]
    y = (np.arange(camera.height) + 0.5 - camera.K[1, 2]) / camera.K[1, 1]
    return np.stack([*np.meshgrid(x, y), np.ones((camera.height, camera.width))], axis=-1)


def _unproject(surface: Surface, camera: Camera, pose: Float) -> _Points:
    rays = _rays(camera).reshape(-1, 3)
    z = surface.z.reshape(-1, 1).astype(np.float64)
    solid = np.isfinite(z[:, 0])
    xyz = np.where(solid[:, None], np.where(solid[:, None], z, 1) * rays, rays) @ pose[:3, :3].T
    xyz[solid] += pose[:3, 3]
    return _Points(xyz, np.where(solid, surface.ids.reshape(-1), 0))


def _image(points: _Points, camera: Camera) -> tuple[Float, Float]:
    """Pixel positions (N, 2) and z-depths (N,); positions outside the picture are NaN."""
    local = points.xyz @ camera.E[:3, :3].T + np.where(points.ids[:, None] > 0, camera.E[:3, 3], 0)
    z = local[:, 2]
    ahead = z > 1e-6
    position = local[:, :2] / np.where(ahead, z, 1)[:, None] * np.diag(camera.K)[:2] + camera.K[:2, 2]
    inside = ahead & ((position >= 0) & (position <= (camera.width, camera.height))).all(axis=1)
    return np.where(inside[:, None], position, np.nan), z


def _seen(points: _Points, surface: Surface, shown: _Points, camera: Camera) -> Bool:
    """Whether the camera that saw ``surface`` saw each of these points.

    A point was seen when one of the four pixels round its image shows the same object, at a surface whose plane the
    point lies in. Comparing depths alone would call what lies behind a slanted surface seen, and slanted surfaces
    themselves hidden.

    Args:
        shown: world coordinates (H·W) of what the camera's pixels show.
    """
    height, width = surface.z.shape
    position, z = _image(points, camera)
    inside = np.flatnonzero(~np.isnan(position[:, 0]))
    points, z = points[inside], z[inside]
    column, row = np.floor(position[inside] - 0.5).astype(np.intp).T
    normals = surface.normals.reshape(-1, 3)
    found = np.zeros(len(inside), dtype=np.bool_)
    for dy in (0, 1):
        for dx in (0, 1):
            # Beyond the outermost centres the nearest pixel answers.
            pixel = np.clip(row + dy, 0, height - 1) * width + np.clip(column + dx, 0, width - 1)
            offset = np.einsum("ni,ni->n", points.xyz - shown.xyz[pixel], normals[pixel])
            on_plane = (points.ids == 0) | (np.abs(offset) <= PLANE_TOLERANCE * z)
            found |= on_plane & (shown.ids[pixel] == points.ids)
    seen = np.zeros(len(position), dtype=np.bool_)
    seen[inside] = found
    return seen


class RegionMaps:
    """Region maps of the targets of one scene.

    A point on something that moves counts as seen only in the frame itself: where it was at other times, it is not now.
    """

    def __init__(self, scene: TruthScene) -> None:
        self._scene = scene
        self._kept: OrderedDict[int, tuple[Surface, _Points]] = OrderedDict()

    def of(self, view: TruthView, index: int) -> NDArray[np.uint8]:
        """(H, W) uint8 ``Region`` codes of frame ``index`` of a target view."""
        scene = self._scene
        camera = view.camera[index]
        surface = view.surface(scene.numbers[index])
        points = _unproject(surface, camera, invert_rigid(camera.E))
        codes = np.full(len(points.ids), Region.NEVER_SEEN, dtype=np.uint8)
        codes[self._seen_at(index, points)] = Region.CO_VISIBLE
        open_ = np.flatnonzero((codes == Region.NEVER_SEEN) & ~np.isin(points.ids, list(scene.moving)))
        count = len(scene.numbers)
        spread = np.unique(np.linspace(0, count - 1, min(OTHER_FRAMES, count)).round().astype(int)).tolist()
        others = sorted((i for i in spread if i != index), key=lambda i: abs(i - index))
        if self._still():
            # What a still camera does not have in its picture it never has.
            open_ = open_[~np.isnan(_image(points[open_], scene.source.camera[index])[0][:, 0])]
        for other in others:
            if not len(open_):
                break
            seen = self._seen_at(other, points[open_])
            codes[open_[seen]] = Region.OTHER_FRAME
            open_ = open_[~seen]
        return codes.reshape(surface.z.shape)

    def _still(self) -> bool:
        source = self._scene.source.camera
        return bool(np.allclose(source.E, source.E[0]) and np.allclose(source.K, source.K[0]))

    def _seen_at(self, index: int, points: _Points) -> Bool:
        camera = self._scene.source.camera[index]
        if index not in self._kept:
            surface = self._scene.source.surface(self._scene.numbers[index])
            self._kept[index] = surface, _unproject(surface, camera, invert_rigid(camera.E))
            if len(self._kept) > KEPT_SURFACES:
                self._kept.popitem(last=False)
        surface, shown = self._kept[index]
        return _seen(points, surface, shown, camera)


def write_region_maps(scene: TruthScene, progress: Progress) -> None:
    """Write the region maps of all targets that are not there yet."""
    maps = RegionMaps(scene)
    missing = [
        (view, index)
        for view in scene.targets.values()
        for index, number in enumerate(scene.numbers)
        if not view.regions_file(number).is_file()
    ]
    progress.begin(f"regions of {scene.name}", len(missing))
    # Frame after frame, because neighbours look at the same frames of the plate.
    for view, index in sorted(missing, key=lambda item: item[1]):
        path = view.regions_file(scene.numbers[index])
        make_folder(path.parent)
        write_png(path, maps.of(view, index))
        progress.advance()
