# SPDX-License-Identifier: Apache-2.0
"""What the OpenEXR files of a take say of themselves: time, shape of pixels, colours, camera, and how they were made.

The camera attributes are OpenEXR's (ImfStandardAttributes.h): ``worldToCamera`` has RenderMan's axes (x right, y up, z
forward), ``worldToNDC`` goes to x right, y down, (0, 0)-(1, 1) over the display window. Imath multiplies row vectors
from the left, so both are stored transposed. The file does not say what the world is; here it is Blender's (z up), the
shot world stood up as the extension stands it up, and ``ex4d/world`` says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d import __version__
from ex4d.camera import Camera
from ex4d.camera.transforms import invert_rigid
from ex4d.colour.tags import exr_attributes
from ex4d.composite.pixel_aspect import take_pixel_aspect
from ex4d.fill.stage import FillStore
from ex4d.media.exr_writer import time_code
from ex4d.media.timecode import Timecode
from ex4d.plate.store import FrameStore
from ex4d.raster.store import RasterStore
from ex4d.stages.stage import content_key

#: Shot world (OpenCV axes) -> Blender's world, z up: (x, y, z) becomes (x, z, -y).
SHOT_TO_WORLD = np.array([[1.0, 0, 0, 0], [0, 0, 1.0, 0], [0, -1.0, 0, 0], [0, 0, 0, 1.0]])
#: OpenCV camera axes -> RenderMan's.
_CV_TO_RENDERMAN = np.diag([1.0, -1.0, 1.0, 1.0])
_WORLD = "x right, y forward, z up; units of the shot, which are metres where its depth is metric"


def world_to_camera(camera: Camera) -> NDArray[np.float32]:
    """OpenEXR's ``worldToCamera`` (4, 4): row vectors of the world, z up, to x right, y up, z forward."""
    return np.ascontiguousarray((_CV_TO_RENDERMAN @ camera.E @ invert_rigid(SHOT_TO_WORLD)).T, np.float32)


def world_to_ndc(camera: Camera) -> NDArray[np.float32]:
    """OpenEXR's ``worldToNDC`` (4, 4): row vectors of the world, z up, to x right, y down, 0..1 over the picture; the
    third coordinate is 0 on the near plane and 1 at infinity."""
    K = camera.K
    projection = np.array(
        [
            [K[0, 0] / camera.width, K[0, 1] / camera.width, K[0, 2] / camera.width, 0],
            [0, K[1, 1] / camera.height, K[1, 2] / camera.height, 0],
            [0, 0, 1, -camera.near],
            [0, 0, 1, 0],
        ]
    )
    return np.ascontiguousarray((projection @ camera.E @ invert_rigid(SHOT_TO_WORLD)).T, np.float32)


@dataclass(frozen=True)
class TakeHeaders:
    """Attributes of a take's OpenEXR files, as ``OpenEXR.File`` takes them.

    Attributes:
        frames: the plate.
        raster: the rendered take.
        fill: its filled frames.
        take_key: key of the take.
        plate_hash: SHA-256 of the plate's files.
        title: what the client calls the take; "" = nothing.
    """

    frames: FrameStore
    raster: RasterStore
    fill: FillStore
    take_key: str
    plate_hash: str
    title: str = ""

    def of_frame(self, number: int, generated: float) -> dict[str, Any]:
        """Those of one frame, its colours apart.

        Args:
            number: the plate's frame number.
            generated: share of its pixels that are not measured, 0..1.
        """
        camera = self.raster.trajectory[self.raster.numbers.index(number)]
        attributes = {
            **self._same,
            "worldToCamera": world_to_camera(camera),
            "worldToNDC": world_to_ndc(camera),
            "ex4d/frame": number,
            "ex4d/generated": generated,
        }
        if (moment := self.timecode(number)) is not None:
            attributes["timeCode"] = time_code(moment, self.frames.fps)
        return attributes

    @cached_property
    def colours(self) -> dict[str, Any]:
        """Of pictures in the plate's scene-linear space."""
        return exr_attributes(self.frames.colour)

    def timecode(self, number: int) -> str | None:
        """Of a frame; None where the plate has none, or none that its rate knows."""
        if self.frames.timecode is None:
            return None
        try:
            start = Timecode.parse(self.frames.timecode, self.frames.fps)
        except ValueError:
            return None
        return str(start.later(number - self.frames.timecode_number))

    @cached_property
    def _same(self) -> dict[str, Any]:
        """What is the same in all frames."""
        colour, fill = self.frames.colour, self.fill
        return {
            "framesPerSecond": self.frames.fps,  # the binding writes fractions, and not its own type
            "pixelAspectRatio": float(take_pixel_aspect(self.frames, self.raster.trajectory)),
            "ex4d/version": __version__,
            "ex4d/plate": self.plate_hash,
            "ex4d/take": self.take_key,
            **({"ex4d/title": self.title} if self.title else {}),
            "ex4d/generator": fill.name,
            "ex4d/generative": int(fill.generative),
            "ex4d/model": self._model,
            "ex4d/seed": "" if fill.seed is None else str(fill.seed),
            "ex4d/space": colour.linear_space,
            "ex4d/config": colour.config,
            "ex4d/curve": colour.working,
            "ex4d/world": _WORLD,
        }

    @cached_property
    def _model(self) -> str:
        """Hash of what the generator drew with: its options, and its weights where it has any."""
        options = self.fill.files.seal.record.get("inputs", {}).get("options", {})
        return content_key({"generator": self.fill.name, "options": options})
