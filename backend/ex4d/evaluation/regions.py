# SPDX-License-Identifier: Apache-2.0
"""What of a target view the plate has shown, from exact geometry: the truth that masks and fills are held against."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from ex4d.evaluation.points import Points, project, seen, unproject
from ex4d.evaluation.truth import Region, Surface, TruthScene, TruthView
from ex4d.media.images import write_png
from ex4d.system.files import make_folder
from ex4d.system.progress import Progress

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Index = NDArray[np.intp]

#: Other frames in which a point is looked for, evenly spread: in longer clips neighbours show nearly the same.
OTHER_FRAMES = 24
#: Frames of exact geometry that are kept in memory.
KEPT_SURFACES = 64


class RegionMaps:
    """Region maps of the targets of one scene.

    A point on something that moves counts as seen only in the frame itself: where it was at other times, it is not now.
    """

    def __init__(self, scene: TruthScene) -> None:
        self._scene = scene
        self._kept: OrderedDict[int, tuple[Surface, Points]] = OrderedDict()

    def of(self, view: TruthView, index: int) -> NDArray[np.uint8]:
        """(H, W) uint8 ``Region`` codes of frame ``index`` of a target view."""
        scene = self._scene
        camera = view.camera[index]
        surface = view.surface(scene.numbers[index])
        points = unproject(surface, camera)
        codes = np.full(len(points.ids), Region.NEVER_SEEN, dtype=np.uint8)
        codes[self._seen_at(index, points)] = Region.CO_VISIBLE
        open_ = np.flatnonzero((codes == Region.NEVER_SEEN) & ~np.isin(points.ids, list(scene.moving)))
        count = len(scene.numbers)
        spread = np.unique(np.linspace(0, count - 1, min(OTHER_FRAMES, count)).round().astype(int)).tolist()
        others = sorted((i for i in spread if i != index), key=lambda i: abs(i - index))
        if self._still():
            # What a still camera does not have in its picture it never has.
            open_ = open_[~np.isnan(project(points[open_], scene.source.camera[index])[0][:, 0])]
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

    def _seen_at(self, index: int, points: Points) -> Bool:
        camera = self._scene.source.camera[index]
        if index not in self._kept:
            surface = self._scene.source.surface(self._scene.numbers[index])
            self._kept[index] = surface, unproject(surface, camera)
            if len(self._kept) > KEPT_SURFACES:
                self._kept.popitem(last=False)
        surface, shown = self._kept[index]
        return seen(points, surface, shown, camera)


def seen_of_source(scene: TruthScene, view: TruthView, index: int) -> Bool:
    """(H, W) whether a target camera shows what each pixel of the plate shows, in frame ``index``: what the regions
    tell, the other way round."""
    number, source, target = scene.numbers[index], scene.source.camera[index], view.camera[index]
    surface, other = scene.source.surface(number), view.surface(number)
    points = unproject(surface, source)
    return seen(points, other, unproject(other, target), target).reshape(surface.z.shape)


def write_region_maps(scene: TruthScene, progress: Progress) -> None:
    """Write the region maps of all targets that are not there yet."""
    maps = RegionMaps(scene)
    missing = [
        (view, index)
        for view in scene.targets.values()
        for index, number in enumerate(scene.numbers)
        if index % scene.step == 0 and not view.regions_file(number).is_file()
    ]
    progress.begin(f"regions of {scene.name}", len(missing))
    # Frame after frame, because neighbours look at the same frames of the plate.
    for view, index in sorted(missing, key=lambda item: item[1]):
        path = view.regions_file(scene.numbers[index])
        make_folder(path.parent)
        write_png(path, maps.of(view, index))
        progress.advance()
