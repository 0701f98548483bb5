# SPDX-License-Identifier: Apache-2.0
"""The source camera as the plate has it: what a source of depth says of it, on the plate's pixels, through its lens."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ex4d.camera import LensCalibration, Trajectory
from ex4d.depth.base import DepthResult, DepthSource
from ex4d.depth.files import FileDepth
from ex4d.depth.parallax.source import ParallaxDepth
from ex4d.depth.solved import SolvedDepth
from ex4d.media.frames import FrameSource, frame_window
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.values import DEFAULT_FOV_DEG
from ex4d.stages.plate_pixels import plate_intrinsics

#: A lens may be calibrated at another size of the same picture; its sides are rounded to whole pixels.
ASPECT_TOLERANCE = 0.01


def has_own_camera(source: DepthSource) -> bool:
    """Whether the source camera was solved, or given by people: its K stands above a lens file's."""
    if isinstance(source, FileDepth):
        return source.camera is not None
    return isinstance(source, SolvedDepth | ParallaxDepth)


@dataclass(frozen=True)
class PlateCamera:
    """Makes it.

    Attributes:
        frames: of the plate.
        source: of the depth.
        lens: what was given with --lens; None = a pinhole, or the lens of the camera that was given.
    """

    frames: FrameSource
    source: DepthSource
    lens: LensCalibration | None

    def of(self, result: DepthResult) -> DepthResult:
        """The result with the source camera at the plate's size.

        Raises:
            BadInputError: the lens was calibrated for a picture of another shape, or folds over inside the picture.
        """
        camera = result.source.resized(*self.frames.size)
        notes, known = result.notes, result.intrinsics_known
        if not has_own_camera(self.source):
            if self.lens is not None and self.lens.camera is not None:
                camera, known = replace(camera, K=self._calibrated(self.lens)), True
            elif (self.frames.frame is not None or self.frames.pixel_aspect != 1) and (
                fov := self._fov_of_frame(result)
            ):
                camera = replace(camera, K=plate_intrinsics(fov, self.frames))
        if self.lens is not None:
            camera = replace(camera, lens=None if self.lens.lens.is_identity else self.lens.lens)
        if camera.lens is not None:
            for K in np.unique(camera.K, axis=0):
                camera.lens.check_picture(K, camera.width, camera.height)
            if not known:
                notes = (
                    *notes,
                    "The lens's distortion counts on the focal length, and that is assumed. Give it with the lens, or "
                    "with --fov.",
                )
        return replace(result, source=camera, intrinsics_known=known, notes=notes)

    def _fov_of_frame(self, result: DepthResult) -> float | None:
        """The field of view over the frame that was given or assumed; None where the source's K is of all pixels: an
        estimate, or a file's."""
        if isinstance(self.source, FileDepth):
            return None
        fov: float | None = getattr(self.source, "fov_deg", None)
        return fov or (None if result.intrinsics_known else DEFAULT_FOV_DEG)

    def _calibrated(self, lens: LensCalibration) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """K of the lens's own calibration, at the plate's pixels."""
        assert lens.camera is not None
        window = frame_window(self.frames)
        shape = lens.camera.size[0] * window.height / (lens.camera.size[1] * window.width)
        if abs(shape - 1) > ASPECT_TOLERANCE:
            raise BadInputError(
                f"The lens is of pictures of {lens.camera.size[0]}x{lens.camera.size[1]} pixels, another shape than "
                f"the plate's {window.width}x{window.height}.",
                "Calibrate it with pictures of the same shape, or leave the camera out of the lens file.",
            )
        K = lens.camera.intrinsics(window.width, window.height)
        K[:2, 2] += window.left, window.top
        return K


def with_lens(camera: Trajectory, lens: LensCalibration | None) -> Trajectory:
    """A camera that people gave, with the lens that they gave besides."""
    return camera if lens is None or lens.lens.is_identity else replace(camera, lens=lens.lens)
