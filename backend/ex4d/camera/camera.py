# SPDX-License-Identifier: Apache-2.0
"""Cameras and trajectories: pinholes, with a lens where there is one.

Conventions (DESIGN §3): OpenCV axes; ``E`` is world->camera 4x4; ``K`` is 3x3 in pixels with pixel *centres*
at i+0.5, so the image spans [0, width] x [0, height] and a centred principal point is (width/2, height/2).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ex4d.camera.lens import Lens
from ex4d.camera.transforms import invert_rigid, rigid_error
from ex4d.protocol.errors import BadInputError

Array = NDArray[np.float64]

#: Rotation matrices stored as float32 or rounded to six digits in a text file pass; a scaled matrix does not.
RIGID_TOLERANCE = 1e-4
#: Skew that is round-off and not a lens, as a share of the focal length.
SKEW_TOLERANCE = 1e-6
#: Rasterizers count in single precision. What is beyond these is no camera, and each would see something else there:
#: focal lengths and principal points as shares of the longer side, positions and clip distances in world units.
LEAST_FOCAL, MOST_FOCAL, MOST_SHIFT = 1e-6, 1e7, 1e7
MOST_DISTANCE, LEAST_CLIP = 1e15, 1e-30


def intrinsics(focal_px: float, width: int, height: int) -> Array:
    """3x3 K of a square-pixel camera with a centred principal point; ``focal_px`` in pixels."""
    return np.array([[focal_px, 0, width / 2], [0, focal_px, height / 2], [0, 0, 1]], dtype=np.float64)


def intrinsics_from_fov(fov_deg: float, width: int, height: int, pixel_aspect: float = 1.0) -> Array:
    """3x3 K from the field of view over the *longer* side, in degrees: of the pinhole, whatever a lens does besides.

    Args:
        fov_deg: degrees.
        width, height: pixels.
        pixel_aspect: width of a pixel by its height. Sides are compared as they look, and fy/fx is this.
    """
    focal = max(width * pixel_aspect, height) / 2 / math.tan(math.radians(fov_deg) / 2)
    K = intrinsics(focal, width, height)
    K[0, 0] = focal / pixel_aspect
    return K


def resize_intrinsics(K: Array, from_size: tuple[int, int], to_size: tuple[int, int]) -> Array:
    """K (..., 3, 3) for the same view at another pixel size; sizes are (width, height)."""
    scale = np.array([to_size[0] / from_size[0], to_size[1] / from_size[1], 1.0])
    return np.asarray(K * scale[:, None], dtype=np.float64)


def _shifted(K: Array, left: float, top: float) -> Array:
    """K (..., 3, 3) of a picture that begins at this pixel."""
    out = np.array(K, dtype=np.float64)
    out[..., 0, 2] -= left
    out[..., 1, 2] -= top
    return out


def pixel_rays(pixels: Array, K: Array, lens: Lens | None = None) -> Array:
    """Pixel positions (..., 2) -> x and y (..., 2) of their rays at z = 1, in camera coordinates."""
    xy = (pixels - K[:2, 2]) / K[(0, 1), (0, 1)]
    return xy if lens is None else lens.undistort(xy)


@dataclass(frozen=True)
class Camera:
    """One camera.

    Attributes:
        K: (3, 3) float64, pixels.
        E: (4, 4) float64, world->camera, OpenCV axes.
        width, height: image size in pixels.
        near, far: z-depths in world units outside which nothing is drawn.
        lens: what bends its rays; None = a pinhole.
    """

    K: Array
    E: Array
    width: int
    height: int
    near: float = 1e-3
    far: float = math.inf
    lens: Lens | None = None

    def project(self, points: Array) -> tuple[Array, Array]:
        """World points (..., 3) -> (pixel positions (..., 2), z-depth (...)), through the lens."""
        cam = points @ self.E[:3, :3].T + self.E[:3, 3]
        z = cam[..., 2]
        if self.lens is not None:
            bent = self.lens.distort(cam[..., :2] / cam[..., 2:3])
            return bent * self.K[(0, 1), (0, 1)] + self.K[:2, 2], z
        uvw = cam @ self.K.T
        return uvw[..., :2] / uvw[..., 2:3], z

    def rays(self, pixels: Array) -> Array:
        """Pixel positions (..., 2) -> x and y (..., 2) of their rays at z = 1 in camera coordinates."""
        return pixel_rays(pixels, self.K, self.lens)

    def center(self) -> Array:
        """Camera position in world units, (3,)."""
        return -self.E[:3, :3].T @ self.E[:3, 3]

    def resized(self, width: int, height: int) -> Camera:
        """The same view at another pixel size."""
        K = resize_intrinsics(self.K, (self.width, self.height), (width, height))
        return replace(self, K=K, width=width, height=height)

    def cropped(self, left: int, top: int, width: int, height: int) -> Camera:
        """The same rays in another window of the picture plane: its first pixel is this picture's (left, top), which
        may be negative, and it may be larger."""
        return replace(self, K=_shifted(self.K, left, top), width=width, height=height)


def _per_frame(values: Array | float, count: int, name: str) -> Array:
    out = np.broadcast_to(np.asarray(values, dtype=np.float64), (count,)).copy()
    if np.any(np.isnan(out)) or np.any(out <= 0):
        raise BadInputError(f"The trajectory's {name} clip distance is not positive.", "Give distances above zero.")
    return out


@dataclass(frozen=True)
class Trajectory:
    """One camera per frame, all of one pixel size. Checked when made.

    Attributes:
        K: (T, 3, 3) float64 pixels.
        E: (T, 4, 4) float64 world->camera, OpenCV axes.
        width, height: image size in pixels.
        near, far: (T,) float64 z-depths, world units.
        frame_numbers: the plate's frame number of each camera, or empty when the source had none.
        fps: frames per second, or None when the source had none.
        notes: sentences for the report, on what was assumed where it was read or matched.
        lens: what bends the rays of all of them; None = pinholes.

    Raises:
        BadInputError: on empty or non-finite data, matrices that are not rigid, focal lengths that are not
            positive, clip distances that leave nothing between them, lengths that disagree.
    """

    K: Array
    E: Array
    width: int
    height: int
    near: Array = field(default_factory=lambda: np.array(1e-3))
    far: Array = field(default_factory=lambda: np.array(math.inf))
    frame_numbers: tuple[int, ...] = ()
    fps: Fraction | None = None
    notes: tuple[str, ...] = ()
    lens: Lens | None = None

    def __post_init__(self) -> None:
        E = np.asarray(self.E, dtype=np.float64)
        if E.ndim != 3 or E.shape[1:] != (4, 4) or len(E) == 0:
            raise BadInputError(
                f"The trajectory's extrinsics have shape {E.shape}, not (frames, 4, 4).",
                "Give one 4x4 world-to-camera matrix per frame.",
            )
        K = np.asarray(self.K, dtype=np.float64)
        if K.shape[-2:] != (3, 3) or K.ndim not in (2, 3) or (K.ndim == 3 and len(K) not in (1, len(E))):
            raise BadInputError(
                f"The trajectory's intrinsics have shape {K.shape}, which does not fit {len(E)} frames.",
                "Give one 3x3 matrix, or one per frame.",
            )
        K = np.broadcast_to(K, (len(E), 3, 3)).copy()
        if not (np.isfinite(K).all() and np.isfinite(E).all()):
            raise BadInputError(
                "The trajectory holds numbers that are not finite.", "Export it again from where it was made."
            )
        skewed = np.any(np.abs(K[:, (0, 1), (1, 0)]) > SKEW_TOLERANCE * K[:, :1, 0])
        if np.any(K[:, (0, 1), (0, 1)] <= 0) or skewed or not np.allclose(K[:, 2], [0, 0, 1]):
            raise BadInputError(
                "The trajectory's intrinsics are not those of a pinhole camera.",
                "K needs positive focal lengths in pixels, no skew and the last row 0, 0, 1.",
            )
        if rigid_error(E) > RIGID_TOLERANCE:
            raise BadInputError(
                "The trajectory's extrinsics are not rigid: they scale, shear or mirror.",
                "Remove scale from the camera and its parents before the export.",
            )
        if self.width < 1 or self.height < 1:
            raise BadInputError(
                f"The trajectory's image size is {self.width}x{self.height}.",
                "Give a width and a height of at least one pixel.",
            )
        near, far = _per_frame(self.near, len(E), "near"), _per_frame(self.far, len(E), "far")
        focal, side = K[:, (0, 1), (0, 1)], max(self.width, self.height)
        if (
            np.any((focal < LEAST_FOCAL * side) | (focal > MOST_FOCAL * side))
            or np.any(np.abs(K[:, :2, 2]) > MOST_SHIFT * side)
            or np.any(np.abs(E[:, :3, 3]) > MOST_DISTANCE)
            or np.any(near < LEAST_CLIP)
        ):
            raise BadInputError(
                "The trajectory holds numbers that no camera has.",
                "Check its focal lengths and principal points, in pixels, its positions and its clip distances.",
            )
        if self.frame_numbers and len(self.frame_numbers) != len(E):
            raise BadInputError(
                f"The trajectory has {len(E)} cameras but {len(self.frame_numbers)} frame numbers.",
                "Give one frame number per camera.",
            )
        object.__setattr__(self, "E", E)
        object.__setattr__(self, "K", K)
        if not np.all(near < far):
            raise BadInputError(
                "The trajectory's far clip distance is not behind its near one.", "Give a near below the far distance."
            )
        object.__setattr__(self, "near", near)
        object.__setattr__(self, "far", far)

    def __len__(self) -> int:
        return len(self.E)

    def __getitem__(self, index: int) -> Camera:
        return Camera(
            self.K[index],
            self.E[index],
            self.width,
            self.height,
            float(self.near[index]),
            float(self.far[index]),
            self.lens,
        )

    def __iter__(self) -> Iterator[Camera]:
        return (self[i] for i in range(len(self)))

    def centers(self) -> Array:
        """Camera positions in world units, (T, 3)."""
        return invert_rigid(self.E)[:, :3, 3]

    def resized(self, width: int, height: int) -> Trajectory:
        """The same views at another pixel size."""
        K = resize_intrinsics(self.K, (self.width, self.height), (width, height))
        return replace(self, K=K, width=width, height=height)

    def cropped(self, left: int, top: int, width: int, height: int) -> Trajectory:
        """See ``Camera.cropped``."""
        return replace(self, K=_shifted(self.K, left, top), width=width, height=height)

    def numbered(self, frame_numbers: Sequence[int], fps: Fraction | None) -> Trajectory:
        """The same cameras with the plate's frame numbers and rate."""
        return replace(self, frame_numbers=tuple(frame_numbers), fps=fps)

    def for_frames(self, frame_numbers: Sequence[int], fps: Fraction | None, name: str) -> Trajectory:
        """The cameras of those frames: by number where the trajectory has all of them; in order where it has none of
        them, or none but an index from 0 or 1 on, which then stands in ``notes``.

        Args:
            name: what the trajectory is called in an error.

        Raises:
            BadInputError: the cameras of some frames are missing, or there are not as many as frames.
        """
        place = {number: index for index, number in enumerate(self.frame_numbers)}
        missing = [number for number in frame_numbers if number not in place]
        if place and not missing:
            chosen = [place[number] for number in frame_numbers]
            picked = replace(
                self, K=self.K[chosen], E=self.E[chosen], near=self.near[chosen], far=self.far[chosen], frame_numbers=()
            )
            return picked.numbered(frame_numbers, fps)
        if place and len(missing) < len(frame_numbers) and not (self._is_indexed() and len(self) == len(frame_numbers)):
            shown = ", ".join(map(str, missing[:5])) + (", …" if len(missing) > 5 else "")
            raise BadInputError(
                f"{name} has no camera for frame {shown}.", "Export it, or leave such frames out with --frames."
            )
        if len(self) != len(frame_numbers):
            raise BadInputError(
                f"{name} has {len(self)} cameras, the plate {len(frame_numbers)} frames.",
                "Export one camera per frame, or choose the frames with --frames.",
            )
        if place:
            note = (
                f"The frame numbers of {name} ({self.frame_numbers[0]}, …) are not the plate's ({frame_numbers[0]}, …),"
                " so its cameras were matched in order."
            )
            return replace(self, notes=(*self.notes, note)).numbered(frame_numbers, fps)
        return self.numbered(frame_numbers, fps)

    def _is_indexed(self) -> bool:
        """Whether the frame numbers are only an index, from 0 or 1 on."""
        first = self.frame_numbers[0]
        return first in (0, 1) and self.frame_numbers == tuple(range(first, first + len(self)))


def static_trajectory(K: Array, width: int, height: int, count: int) -> Trajectory:
    """``count`` cameras at the world's origin: what a source camera without known poses is assumed to be."""
    return Trajectory(K, np.broadcast_to(np.eye(4), (count, 4, 4)), width, height)
