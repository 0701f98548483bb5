# SPDX-License-Identifier: Apache-2.0
"""What compositors want besides the result: an OpenEXR file of two parts for each frame.

Part ``rgba`` is the whole picture that the generator drew, scene-linear. Part ``data``, marked as no picture, has

- ``generated.Y`` half: 1 where the pixel is filled, else 0; ``source.Y`` half: 1 where it is the plate's own;
- ``origin.Y`` half: 1 measured, 0.5 from another frame, 0 invented;
- ``measured.Y`` half, where the source of the depth tells: 1 where the pixel is the plate's own and the surface that it
  was taken from was measured, 0 where that was guessed or the pixel is filled;
- ``depth.Z`` float: z-depth along the camera's axis, world units; ``NO_SURFACE`` where there is none;
- ``uv.U``, ``uv.V`` float: where on the plate the pixel was taken from, as STMaps have it: x over the width of its
  frame at pixel centres, y from the bottom over the height; 0 where it is filled;
- ``motion.X``, ``motion.Y`` float: how far what stands there and stands still has moved in the next frame, pixels, x to
  the right, y upwards. In the last frame: since the frame before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera
from ex4d.camera.transforms import invert_rigid
from ex4d.colour.transfer import SRGB
from ex4d.colour.transforms import transform_of
from ex4d.composite.headers import TakeHeaders
from ex4d.composite.pixels import ResultPicture, ResultPictures
from ex4d.fill import PixelOrigin
from ex4d.media.exr_writer import ExrPart, rgba_channels, write_exr_parts
from ex4d.media.frames import frame_window
from ex4d.media.picture_facts import PixelWindow
from ex4d.protocol.values import ExrCompression
from ex4d.raster.positions import PositionStore

#: What ``depth.Z`` says of pixels in which there is no surface, as renderers write it.
NO_SURFACE = 1e10
_ORIGINS = {PixelOrigin.MEASURED: 1.0, PixelOrigin.OTHER_FRAME: 0.5, PixelOrigin.INVENTED: 0.0}
#: Of display pictures that say nothing of their colours.
_UNTAGGED = {
    "colorInteropID": "lin_rec709_scene",
    "chromaticities": (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329),
}
_LARGEST_HALF = 65504.0


@dataclass(frozen=True)
class TakeAovs:
    """Writes them.

    Attributes:
        pictures: of the result.
        positions: where on the plate its pixels were taken from.
        headers: what the files say of themselves.
        measured: which of the plate's pixels (H, W) of a frame number have a depth that was measured; None = nothing
            tells.
    """

    pictures: ResultPictures
    positions: PositionStore
    headers: TakeHeaders
    measured: Callable[[int], NDArray[np.bool_] | None] | None = None

    def write(self, path: Path, frame: ResultPicture, generated: float, compression: ExrCompression) -> None:
        """Write the file of one frame.

        Args:
            path: its folder must exist.
            frame: of the result.
            generated: share of its pixels that are not measured, 0..1.
            compression: of the file.

        Raises:
            DamagedCacheError: what the take was made from is damaged.
            TransientError: the disk is full or the file cannot be written.
        """
        same = self.headers.of_frame(frame.number, generated)
        about = {
            "ex4d/depth": f"z along the camera's axis, units of the shot; {NO_SURFACE:g} = no surface",
            "ex4d/uv": "STMap of the plate: x from the left, y from the bottom, 0..1; 0 where filled",
            "ex4d/motion": "to the next frame, pixels, x right, y up, of what stands still; the last frame: from the "
            "one before",
            "ex4d/origin": "1 measured, 0.5 from another frame, 0 invented",
        }
        data = self._data(frame)
        if "measured.Y" in data:
            about["ex4d/measured"] = "1 depth of the plate's pixel measured, 0 guessed or filled"
        drawn = rgba_channels(self._linear(self.pictures.drawn(frame.number)), None)
        parts = [
            ExrPart("rgba", drawn, {**self._colours, **same}),
            ExrPart("data", data, {**same, **about, "colorInteropID": "data"}),
        ]
        write_exr_parts(path, parts, compression)

    @property
    def _colours(self) -> dict[str, Any]:
        return self.headers.colours or _UNTAGGED

    def _linear(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of the result (H, W, 3), scene-linear halves or floats."""
        encoding, colour = self.pictures.encoding, self.pictures.colour
        if encoding.is_float:
            return values
        unit = encoding.unit(values)
        linear = transform_of(colour).linear(unit) if colour.space else SRGB.to_linear(unit)
        return np.clip(linear, -_LARGEST_HALF, _LARGEST_HALF).astype(np.float16)

    def _data(self, frame: ResultPicture) -> dict[str, NDArray[Any]]:
        seen = frame.mask > 0
        positions = self.positions.read(frame.number)
        u, v = stmap(positions, seen, frame_window(self.headers.frames))
        x, y = self._motion(frame)
        return {
            "generated.Y": (~seen).astype(np.float16),
            "source.Y": seen.astype(np.float16),
            "origin.Y": origin_values(frame.origin, seen),
            "depth.Z": np.where(np.isfinite(frame.z), frame.z, np.float32(NO_SURFACE)),
            "uv.U": u,
            "uv.V": v,
            "motion.X": x,
            "motion.Y": y,
            **self._measured(frame.number, positions, seen),
        }

    def _measured(
        self, number: int, positions: NDArray[np.float32], seen: NDArray[np.bool_]
    ) -> dict[str, NDArray[np.float16]]:
        measured = None if self.measured is None else self.measured(number)
        return {} if measured is None else {"measured.Y": measured_values(measured, positions, seen)}

    def _motion(self, frame: ResultPicture) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        cameras, numbers = self.pictures.raster.trajectory, self.pictures.raster.numbers
        index = numbers.index(frame.number)
        if len(numbers) == 1:
            still = np.zeros(frame.mask.shape, np.float32)
            return still, still
        if index == len(numbers) - 1:
            x, y = camera_motion(frame.z, cameras[index], cameras[index - 1])
            return -x, -y
        return camera_motion(frame.z, cameras[index], cameras[index + 1])


def origin_values(origin: NDArray[np.uint8], seen: NDArray[np.bool_]) -> NDArray[np.float16]:
    """``origin.Y`` (H, W) of the codes (h, w) at the generator's size; the mask (H, W) says what is measured."""
    height, width = seen.shape
    codes = np.asarray(cv2.resize(origin, (width, height), interpolation=cv2.INTER_NEAREST))
    values = np.zeros(seen.shape, np.float16)
    values[codes == PixelOrigin.OTHER_FRAME] = _ORIGINS[PixelOrigin.OTHER_FRAME]
    values[seen] = _ORIGINS[PixelOrigin.MEASURED]
    return values


def measured_values(
    measured: NDArray[np.bool_], positions: NDArray[np.float32], seen: NDArray[np.bool_]
) -> NDArray[np.float16]:
    """``measured.Y`` (h, w) of what is said of plate pixels (H, W), at plate positions (h, w, 2), where ``seen``."""
    known = seen & np.isfinite(positions).all(axis=2)
    height, width = measured.shape
    x, y = np.floor(positions[known]).astype(np.intp).T
    values = np.zeros(seen.shape, np.float16)
    values[known] = measured[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    return values


def stmap(
    positions: NDArray[np.float32], seen: NDArray[np.bool_], frame: PixelWindow
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """``uv.U``, ``uv.V`` (H, W) of plate positions (H, W, 2); ``frame`` is where the plate's frame lies in its pixels:
    overscan is below 0 or above 1."""
    known = seen & np.isfinite(positions).all(axis=2)
    u = np.where(known, (positions[..., 0] - np.float32(frame.left)) / np.float32(frame.width), np.float32(0))
    v = np.where(known, 1 - (positions[..., 1] - np.float32(frame.top)) / np.float32(frame.height), np.float32(0))
    return u.astype(np.float32), v.astype(np.float32)


def camera_motion(
    z: NDArray[np.float32], camera: Camera, other: Camera
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How far points that stand still are, as another camera sees them, from where this one sees them: pixels to the
    right and upwards, (H, W) each; 0 where z is not known or the point is behind the other camera.

    Args:
        z: (H, W) z-depth in ``camera``, NaN = none.
        camera, other: of one size.
    """
    height, width = z.shape
    if camera.lens == other.lens and np.array_equal(camera.K, other.K) and np.array_equal(camera.E, other.E):
        # What stands still does so to the last bit, whatever projecting makes of it.
        still = np.zeros(z.shape, np.float32)
        return still, still
    x = np.arange(width)[None, :] + 0.5
    y = np.arange(height)[:, None] + 0.5
    rays = np.asarray(camera.rays(np.stack(np.broadcast_arrays(x, y), axis=-1)))
    between = other.E @ invert_rigid(camera.E)
    with np.errstate(divide="ignore", invalid="ignore"):
        # A point's ray and its disparity are enough: both sides of the projection are divided by z.
        near = 1 / z.astype(np.float64)
        seen = rays @ between[:3, :2].T + between[:3, 2] + near[..., None] * between[:3, 3]
        known = np.isfinite(near) & (seen[..., 2] > 0)
        seen[~known] = (0, 0, 1)
        moved, _ = replace(other, E=np.eye(4)).project(seen)
        right, down = moved[..., 0] - x, moved[..., 1] - y
    return np.where(known, right, 0).astype(np.float32), np.where(known, -down, 0).astype(np.float32)
