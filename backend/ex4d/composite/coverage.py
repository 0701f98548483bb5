# SPDX-License-Identifier: Apache-2.0
"""Why pixels of a take had to be filled: the move looks behind something, or where no frame of the plate has looked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera, Trajectory
from ex4d.camera.transforms import invert_rigid
from ex4d.fill import PixelOrigin

#: Shares are counted on pictures with this longer side.
COUNTED_SIDE = 240
#: Pixels from a picture's edge to the outermost pixel centres, with some round-off.
RIM = 0.55
#: Cameras of other frames that are asked, spread over the shot.
OTHER_CAMERAS = 24


def asked_cameras(source: Trajectory) -> list[Camera]:
    """Of the source cameras those that are asked whether they look at a point."""
    chosen = np.unique(np.linspace(0, len(source) - 1, min(OTHER_CAMERAS, len(source))).round().astype(int))
    return [source[index] for index in chosen]


def hole_shares(
    mask: NDArray[np.uint8],
    origin: NDArray[np.uint8],
    z: NDArray[np.float32],
    camera: Camera,
    source: Camera,
    others: Sequence[Camera],
) -> dict[str, float]:
    """Shares of a frame of a take.

    Args:
        mask: (H, W), 255 = the frame's own pixel.
        origin: (h, w) ``PixelOrigin`` codes, at any size.
        z: (H, W) z-depth in the take camera of whatever stands there, NaN = nothing.
        camera: of the take.
        source: the plate's, of this frame.
        others: of other frames.

    Returns:
        ``generated``: of the pixels, that the frame does not show itself. Of these: ``of_it_from_other_frames``, taken
        from other frames; of the rest ``of_it_revealed``, hidden behind something in the view of the plate, and
        ``of_it_never_covered``, outside the views of all frames.
    """
    holes = origin < PixelOrigin.MEASURED
    other = float((origin == PixelOrigin.OTHER_FRAME).sum()) / max(int(holes.sum()), 1)
    shares = {"generated": round(float((mask == 0).mean()), 6), "of_it_from_other_frames": round(other, 6)}
    never = (1 - other) * _never_covered(mask, origin, z, camera, source, others) if holes.any() else 0.0
    revealed = 1 - shares["of_it_from_other_frames"] - round(never, 6) if holes.any() else 0.0
    return {**shares, "of_it_revealed": round(max(revealed, 0.0), 6), "of_it_never_covered": round(never, 6)}


def _never_covered(
    mask: NDArray[np.uint8],
    origin: NDArray[np.uint8],
    z: NDArray[np.float32],
    camera: Camera,
    source: Camera,
    others: Sequence[Camera],
) -> float:
    """Share of the invented pixels that lie outside the views of all frames."""
    scale = min(1.0, COUNTED_SIDE / max(mask.shape))
    small = camera.resized(max(1, round(camera.width * scale)), max(1, round(camera.height * scale)))
    size = (small.width, small.height)
    codes, seen = (cv2.resize(part, size, interpolation=cv2.INTER_NEAREST) for part in (origin, mask))
    depth = np.asarray(cv2.resize(z, size, interpolation=cv2.INTER_NEAREST), np.float32)
    invented = (codes == PixelOrigin.INVENTED) & (seen == 0)
    if not invented.any():
        return 0.0
    row, column = np.nonzero(invented)
    rays = small.rays(np.stack([column, row], axis=-1).astype(np.float64) + 0.5)
    # Between the rim of pixel centres and the picture's edge the mesh has its skirt, which hides nothing.
    inside = _inside(source, _world(small, rays, depth[row, column].astype(np.float64)), RIM)
    # Beyond the edges of what is seen, things go on as far away as they are there.
    near = _nearest_depth(depth, seen > 0)[row, column]
    for view in (source, *others):
        inside |= _inside(view, _world(small, rays, near))
    return float((~inside).mean())


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
        within = (pixels >= rim).all(-1) & (pixels <= (camera.width - rim, camera.height - rim)).all(-1)
        return np.asarray((z > 0) & within)


def fill_note(frames: Iterable[Mapping[str, float]]) -> str:
    """One sentence on what was filled in a take, from its frames' ``hole_shares``; "" where nothing was."""
    shares = list(frames)
    total = sum(frame["generated"] for frame in shares)
    if total == 0:
        return ""
    parts = {
        name: sum(frame["generated"] * frame[name] for frame in shares) / total
        for name in ("of_it_from_other_frames", "of_it_revealed", "of_it_never_covered")
    }
    other, revealed, never = parts.values()
    return (
        f"Of the filled pixels {other:.0%} come from other frames, {revealed:.0%} were hidden behind something, and "
        f"{never:.0%} lie outside the views of all frames."
    )
