# SPDX-License-Identifier: Apache-2.0
"""What other frames show of the world that stands still, where a frame of a take shows nothing.

For each frame of the take some others are chosen that cover its holes (``anchors``). What moves in them is left out
(``movers``); where their surfaces are in the take camera says ``sights``, which of them is to be seen says ``gather``.
Colours are looked up in the plate's truth at the take's full size, mostly in the frame whose view is most alike. Where
the source camera only turns, depth decides nothing: frames are put together by rotation, and colours tell what moves.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera, Trajectory
from ex4d.camera.transforms import invert_rigid
from ex4d.fill.background.anchors import AnchorChoice
from ex4d.fill.background.depth_grids import DepthGrids, looks_past, view_distance
from ex4d.fill.background.exposure import Exposure, match_exposure
from ex4d.fill.background.gather import gather
from ex4d.fill.background.movers import Shown, moving_by_color, moving_by_depth, witnesses
from ex4d.fill.background.sights import MeshSights, Sight, TurnedSights
from ex4d.fill.base import OtherFrame, TakeScene
from ex4d.media.encoding import TruthEncoding
from ex4d.media.frames import FrameSource
from ex4d.mesh.dwmesh import sample_grid
from ex4d.raster.sampling import sample_plate

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: Longer side of the maps that tell where surfaces are; colours are looked up at the take's own size.
WORKING_SIDE = 960
#: Frames that are looked at for one frame of the take at most, and after these for what they left.
ROUNDS = (8, 4, 4)
#: Say of a frame falls with the difference of its view, to this power; what differs less than this is alike.
VIEW_EXPONENT, ALIKE = 3.0, 0.02
#: Frames lie apart in time too: light changes. As a difference of view, for each frame.
PER_FRAME = 5e-4
#: A source camera that moves less than this share of the pivot's distance only turns; a take camera this near to it
#: stands at its place.
SAME_PLACE = 1e-4
#: Bytes of the plate's frames that are kept in memory.
KEPT_BYTES = 256 << 20
#: Pixels of a frame on which exposures are compared.
COMPARED_PIXELS = 4096
#: Pixels round what moves that are left out: its mixed edge colours are not background. On the small grid.
MOVING_RIM = 3
#: Disparities of neighbours that differ by less than this share are of one surface.
SMOOTH = 0.02
#: So wide round the holes other frames are looked at too, to be compared with what the frame shows itself.
OVERLAP_PX = 4
#: Alpha below which the plate does not show its picture.
OPAQUE = 0.99


@dataclass(frozen=True)
class Measured:
    """What a frame of the take shows itself.

    Attributes:
        values: (H, W, 3) of the truth.
        mask: (H, W) uint8, 255 = seen.
        z: (H, W) float32 z-depth in the take camera, NaN = none.
    """

    values: NDArray[Any]
    mask: NDArray[np.uint8]
    z: Float


def source_stands_still(source: Trajectory) -> bool:
    """Whether the source camera neither moves nor turns nor zooms."""
    return bool(np.allclose(source.E, source.E[0]) and np.allclose(source.K, source.K[0]))


def source_turns(source: Trajectory, pivot: float) -> bool:
    """Whether the source camera only turns or zooms."""
    centers = source.centers()
    return bool(np.linalg.norm(centers - centers[0], axis=1).max() < SAME_PLACE * pivot)


class OtherFrames:
    """Gives them for each frame of a take, in any order. A context manager.

    Args:
        scene: behind the take; its source camera moves or turns.
    """

    def __init__(self, scene: TakeScene) -> None:
        self._take = scene
        self._pivot = float(scene.mesh.pivot)
        self._turns = source_turns(scene.mesh.source, self._pivot)
        self._grids = DepthGrids(scene.mesh, scene.measured)
        self._choice = AnchorChoice(self._grids, len(scene.frames), self._pivot)
        self._moving: dict[int, Bool] = {}
        self._suspected: dict[int, Bool] = {}
        self._textures = _Textures(scene.frames)
        self._turned = TurnedSights(self._grids, self._left_out, scene.mesh.far)
        self._meshes: MeshSights | None = None

    def close(self) -> None:
        """Free the rasterizer."""
        if self._meshes is not None:
            self._meshes.close()
            self._meshes = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def uncover(self, index: int, measured: Measured) -> OtherFrame:
        """What other frames show where frame ``index`` of the take shows nothing."""
        camera, holes = self._take.trajectory[index], measured.mask == 0
        side = 2 * OVERLAP_PX + 1
        around = cv2.dilate(holes.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
        truth = self._take.frames.truth
        scale = min(1.0, WORKING_SIDE / max(holes.shape))
        small = camera.resized(max(2, round(camera.width * scale)), max(2, round(camera.height * scale)))
        # Every hole, however small, is one in the small picture.
        wanted = _resized(around.astype(np.float32), small, cv2.INTER_AREA) > 0
        sights = self._sights(index, small, wanted) if holes.any() else []
        weights = [self._weight(sight.index, index, camera) for sight in sights]
        by_depth = not self._is_at_its_place(camera, index)
        says = gather(sights, weights, wanted, self._take.tolerance, by_depth=by_depth)
        mosaic = _Mosaic(camera, around)
        for sight, say in zip(sights, says, strict=True):
            if say.any():
                source = self._take.mesh.source[sight.index]
                exposure = self._exposure(sight, small, measured)
                mosaic.add(sight, say, source, self._textures[sight.index], exposure, truth)
        return mosaic.finish(truth, measured, self._take.tolerance)

    def _sights(self, index: int, camera: Camera, wanted: Bool) -> list[Sight]:
        """What some frames show of what is wanted, the most alike view first, each but the first ones because those
        before it left something."""
        sights: list[Sight] = []
        left = wanted
        for most in ROUNDS:
            looked_at = [sight.index for sight in sights]
            # A camera that only turns sees things from one place: what is far in time is only farther off in view.
            more = self._choice.choose(index, camera, left, most, looked_at, spread=not self._turns)
            sights += [self._look(other, index, camera) for other in more]
            for sight in sights[len(sights) - len(more) :]:
                left = left & ~sight.known
            if not more or not left.any():
                break
        return sorted(sights, key=lambda sight: -self._weight(sight.index, index, camera))

    def _look(self, other: int, index: int, camera: Camera) -> Sight:
        if self._is_at_its_place(camera, other):
            return self._turned.look(other, camera)
        if self._meshes is None:
            self._meshes = MeshSights(self._grids, self._left_out, self._take.create_rasterizer())
        sight = self._meshes.look(other, camera)
        if self._turns:
            return sight
        # What the frame itself has looked past was not there at its time, whatever it did at others.
        points, own, grid = _world_points(camera, sight.z), self._grids[index].trusting(), self._grids[other]
        dropped, _ = looks_past(own, points, self._take.tolerance)
        guessed = None
        if grid.guessed is not None:
            row, column, _, shown = grid.look_up(points)
            guessed = shown & grid.guessed[row, column]
            # Beyond its picture a guess that is off by some pixels is better than nothing. In it holes are behind
            # something, often what moves, and a piece of that must not come in its place.
            dropped |= shown & self._suspects(other)[row, column] & own.look_up(points)[3]
        return Sight(other, np.where(dropped, np.float32(np.nan), sight.z), sight.sure & ~dropped, guessed)

    def _is_at_its_place(self, camera: Camera, index: int) -> bool:
        """Whether the source camera only turns, and a camera of the take stands where it does."""
        apart = np.linalg.norm(camera.center() - self._take.mesh.source[index].center())
        return self._turns and bool(apart < SAME_PLACE * self._pivot)

    def _weight(self, other: int, index: int, camera: Camera) -> float:
        differs = view_distance(camera, self._take.mesh.source[other], self._pivot) + PER_FRAME * abs(other - index)
        return float((differs + ALIKE) ** -VIEW_EXPONENT)

    def _exposure(self, sight: Sight, camera: Camera, measured: Measured) -> Exposure:
        """Of another frame, against what the take's frame itself shows of the same surfaces."""
        own_z = _resized(np.where(measured.mask > 0, measured.z, np.float32(np.nan)), camera, cv2.INTER_NEAREST)
        same = sight.sure & np.isfinite(own_z)
        if not self._turns:
            with np.errstate(invalid="ignore"):
                same &= np.abs(sight.z / own_z - 1) <= self._take.tolerance
        row, column = np.nonzero(same)
        step = max(1, len(row) // COMPARED_PIXELS)
        row, column = row[::step], column[::step]
        source = self._take.mesh.source[sight.index]
        theirs, _ = source.project(_world_points(camera, sight.z)[row, column])
        there = sample_plate(self._textures[sight.index], theirs)[0][:, :3]
        height, width = measured.mask.shape
        own = measured.values[row * height // camera.height, column * width // camera.width]
        return match_exposure(there, own, self._take.frames.truth)

    def _left_out(self, index: int) -> Bool:
        """(h, w) bool on the frame's small grid: what moves, and its rim."""
        if index not in self._moving:
            moving = self._found_movers(index)
            if (given := self._given_movers(index)) is not None:
                moving = moving | given
            self._moving[index] = _with_rim(moving)
        return self._moving[index]

    def _suspects(self, index: int) -> Bool:
        """(h, w) bool on the frame's small grid: what moves if guesses are as good as what was measured, with rim."""
        if index not in self._suspected:
            others = [self._grids[other].trusting() for other in witnesses(index, self._choice.overlapping(index))]
            moving = moving_by_depth(self._grids[index].trusting(), others, self._take.tolerance)
            self._suspected[index] = _with_rim(moving)
        return self._suspected[index]

    def _given_movers(self, index: int) -> Bool | None:
        if self._take.movers is None:
            return None
        moving = self._take.movers(index)
        return None if moving is None else sample_grid(moving, self._grids[index].mesh.topology)

    def _found_movers(self, index: int) -> Bool:
        others = witnesses(index, self._choice.overlapping(index))
        if self._turns:
            shown = [
                Shown(self._grids[other], self._small_picture(other), self._given_movers(other)) for other in others
            ]
            return moving_by_color(self._grids[index], self._small_picture(index), shown, self._take.tolerance)
        return moving_by_depth(self._grids[index], [self._grids[other] for other in others], self._take.tolerance)

    def _small_picture(self, index: int) -> Float:
        """(h, w, 3) float32 0..1, the working picture on the frame's small grid."""
        frames, topology = self._take.frames, self._grids[index].mesh.topology
        picture = frames.read_8bit(frames.numbers[index])
        small = np.asarray(cv2.resize(picture, topology.grid, interpolation=cv2.INTER_AREA), np.float32)
        return small / np.float32(255)


class _Textures:
    """The plate's frames by index, as rasterizers take them; the last ones are kept."""

    def __init__(self, frames: FrameSource) -> None:
        self._frames = frames
        self._kept: OrderedDict[int, NDArray[Any]] = OrderedDict()

    def __getitem__(self, index: int) -> NDArray[Any]:
        if index in self._kept:
            self._kept.move_to_end(index)
        else:
            pixels, alpha = self._frames.read_truth(self._frames.numbers[index])
            self._kept[index] = pixels if alpha is None else np.dstack([pixels, alpha])
            while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > KEPT_BYTES:
                self._kept.popitem(last=False)
        return self._kept[index]


class _Mosaic:
    """Some pixels (H, W) of one frame of a take, of which other frames each give their share."""

    def __init__(self, camera: Camera, wanted: Bool) -> None:
        self._camera, self._shape = camera, wanted.shape
        self._row, self._column = np.nonzero(wanted)
        self._rays = camera.rays(np.stack([self._column, self._row], axis=-1).astype(np.float64) + 0.5)
        self._unit = np.zeros((len(self._row), 3), np.float32)
        self._near = np.zeros(len(self._row), np.float32)
        self._total = np.zeros(len(self._row), np.float32)

    def add(
        self,
        sight: Sight,
        say: Float,
        source: Camera,
        texture: NDArray[Any],
        exposure: Exposure,
        encoding: TruthEncoding,
    ) -> None:
        """Add what one frame shows.

        Args:
            sight, say: its surface and its say (h, w), of the small picture.
            source: its camera.
            texture: (H, W, 3 or 4) of the truth.
            exposure: of it.
            encoding: of the truth.
        """
        shares = _resized(say, self._camera, cv2.INTER_LINEAR)[self._row, self._column]
        near = _full_disparity(sight.z, self._camera)[self._row, self._column]
        used = np.flatnonzero((shares > 0) & (near > 0))
        z = 1 / near[used].astype(np.float64)
        local = np.column_stack([self._rays[used] * z[:, None], z])
        pose = invert_rigid(self._camera.E)
        pixels, ahead = source.project(local @ pose[:3, :3].T + pose[:3, 3])
        seen = (ahead > 0) & (pixels >= 0).all(-1) & (pixels <= (source.width, source.height)).all(-1)
        used, pixels = used[seen], pixels[seen]
        values = sample_plate(texture, pixels)[0]
        unit = exposure.apply(encoding.unit(values[:, :3]))
        good = np.isfinite(unit).all(axis=1)
        if values.shape[1] == 4:
            opaque = 1 if encoding.is_float else np.iinfo(texture.dtype).max
            good &= values[:, 3] >= OPAQUE * opaque
        used, unit = used[good], unit[good]
        self._unit[used] += shares[used, None] * unit
        self._near[used] += shares[used] * near[used]
        self._total[used] += shares[used]

    def finish(self, encoding: TruthEncoding, measured: Measured, tolerance: float) -> OtherFrame:
        """What all together show.

        Args:
            encoding: of the truth.
            measured: what the frame shows itself.
            tolerance: relative error within which two depths may be the same surface.
        """
        found = np.flatnonzero(self._total > 0)
        at, total = (self._row[found], self._column[found]), self._total[found]
        values = np.zeros((*self._shape, 3), encoding.dtype)
        z = np.full(self._shape, np.nan, np.float32)
        values[at] = encoding.values(self._unit[found] / total[:, None])
        z[at] = total / self._near[found]
        seen = measured.mask > 0
        with np.errstate(invalid="ignore"):
            overlap = seen & (np.abs(z / measured.z - 1) <= tolerance)
        known = np.isfinite(z) & ~seen
        shown = known | overlap
        values[~shown] = 0
        return OtherFrame(values, known, overlap, np.where(known, z, np.float32(np.nan)))


def _with_rim(moving: Bool) -> Bool:
    side = 2 * MOVING_RIM + 1
    return cv2.dilate(moving.astype(np.uint8), np.ones((side, side), np.uint8)) > 0


def _resized(values: Float, camera: Camera, method: int) -> Float:
    """A map (h, w) at the camera's size."""
    if values.shape == (camera.height, camera.width):
        return values
    return np.asarray(cv2.resize(values, (camera.width, camera.height), interpolation=method), np.float32)


def _full_disparity(z: Float, camera: Camera) -> Float:
    """1/z (H, W) at the camera's size, 0 = not known: linear inside a surface, as planes are; at edges the nearest."""
    near = np.where(np.isfinite(z), 1 / z, np.float32(0)).astype(np.float32)
    if near.shape == (camera.height, camera.width):
        return near
    nearest = _resized(near, camera, cv2.INTER_NEAREST)
    smooth = _resized(near, camera, cv2.INTER_LINEAR)
    one_surface = np.abs(smooth - nearest) <= SMOOTH * nearest
    return np.where(one_surface, smooth, nearest)


def _world_points(camera: Camera, z: Float) -> NDArray[np.float64]:
    """(h, w, 3) of the camera's pixels at z-depths; NaN where there is none."""
    x, y = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    rays = np.dstack([camera.rays(np.dstack([x, y])), np.ones_like(x)])
    pose = invert_rigid(camera.E)
    return np.asarray(rays * z[..., None] @ pose[:3, :3].T + pose[:3, 3])
