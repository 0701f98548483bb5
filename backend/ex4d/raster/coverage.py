# SPDX-License-Identifier: Apache-2.0
"""What of a take's picture no frame of the plate has ever looked at."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera, Trajectory
from ex4d.camera.transforms import invert_rigid
from ex4d.raster.base import RasterFrame

#: Shares are counted on pictures with this longer side.
COUNTED_SIDE = 240
#: Pixels from a picture's edge to the outermost pixel centres, with some round-off.
RIM = 0.55
#: Cameras of other frames that are asked, spread over the shot.
OTHER_CAMERAS = 24


def asked_cameras(source: Trajectory) -> list[Camera]:
    """Of the source cameras those that are asked whether they look at a point; one where they all are the same."""
    if (source.E[0] == source.E).all() and (source.K[0] == source.K).all():
        return [source[0]]
    chosen = np.unique(np.linspace(0, len(source) - 1, min(OTHER_CAMERAS, len(source))).round().astype(int))
    return [source[index] for index in chosen]


class Covered:
    """Tells of each frame of a take what lies outside the views of all frames of the plate.

    Args:
        take: the take camera.
        source: the plate's.
    """

    def __init__(self, take: Trajectory, source: Trajectory) -> None:
        self._take, self._source, self._asked = take, source, asked_cameras(source)

    def never(self, index: int, frame: RasterFrame) -> float:
        """Share of the pixels of the frame with that index, rounded: of records."""
        holes = frame.mask == 0
        share = never_covered(holes, ~holes, frame.z, self._take[index], self._source[index], self._asked)
        return round(float(holes.mean()) * share, 6)


def never_covered(
    holes: NDArray[np.bool_],
    seen: NDArray[np.bool_],
    z: NDArray[np.float32],
    camera: Camera,
    source: Camera,
    others: Sequence[Camera],
) -> float:
    """Share of the holes of a take's frame that lies outside the views of all frames; 0 where there are none.

    Args:
        holes: (h, w), the pixels that are asked for, at any size.
        seen: (H, W), where the frame shows the plate itself.
        z: (H, W) z-depth in the take camera of whatever stands there, NaN = nothing.
        camera: of the take.
        source: the plate's, of this frame.
        others: of other frames.
    """
    scale = min(1.0, COUNTED_SIDE / max(seen.shape))
    small = camera.resized(max(1, round(camera.width * scale)), max(1, round(camera.height * scale)))
    size = (small.width, small.height)
    wanted, known = (
        cv2.resize(part.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0 for part in (holes, seen)
    )
    depth = np.asarray(cv2.resize(z, size, interpolation=cv2.INTER_NEAREST), np.float32)
    wanted &= ~known
    if not wanted.any():
        return 0.0
    row, column = np.nonzero(wanted)
    rays = small.rays(np.stack([column, row], axis=-1).astype(np.float64) + 0.5)
    # Between the rim of pixel centres and the picture's edge the mesh has its skirt, which hides nothing.
    left = ~_inside(source, _world(small, rays, depth[row, column].astype(np.float64)), RIM)
    # Beyond the edges of what is seen, things go on as far away as they are there.
    points = _world(small, rays, _nearest_depth(depth, known)[row, column])
    for view in (source, *others):
        left[left] = ~_inside(view, points[left])
    return float(left.mean())


def _nearest_depth(z: NDArray[np.float32], seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(h, w) z-depth of the nearest pixel that is seen; NaN where none is."""
    known = seen & np.isfinite(z)
    if not known.any():
        return np.full(z.shape, np.nan)
    zeros = (~known).astype(np.uint8)
    _, label = cv2.distanceTransformWithLabels(zeros, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    of_label = np.full(label.max() + 1, np.nan)
    of_label[label[known]] = z[known]
    return np.asarray(of_label[label])


def _world(camera: Camera, rays: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
    pose = invert_rigid(camera.E)
    local = np.column_stack([rays * z[:, None], z])
    return np.asarray(local @ pose[:3, :3].T + pose[:3, 3])


def _inside(camera: Camera, points: NDArray[np.float64], rim: float = 0.0) -> NDArray[np.bool_]:
    """Whether a camera has points (N, 3) in its picture, ``rim`` pixels from its edge."""
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels, z = camera.project(points)
        # Component by component: numpy is slow along an axis of two.
        x, y = pixels[..., 0], pixels[..., 1]
        within = (x >= rim) & (y >= rim) & (x <= camera.width - rim) & (y <= camera.height - rim)
        return np.asarray((z > 0) & within)
