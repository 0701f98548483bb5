# SPDX-License-Identifier: Apache-2.0
"""Scenes whose truth is known: how their folders are laid out, and reading them.

    SCENE/scene.json                format, family, seed, size, frames, fps, targets and their step, objects by id
    SCENE/VIEW/camera.json          K and E per frame (``ex4d-trajectory``)
    SCENE/VIEW/rgb/000001.png         8-bit sRGB
    SCENE/VIEW/linear/000001.exr      half float RGB, scene-linear
    SCENE/VIEW/geometry/000001.exr    float: Z (z-depth), object id, world normal, of the surface in the pixel's centre
    SCENE/VIEW/regions/000001.png     ``Region`` codes; targets only

VIEW is ``source`` (the plate) or the name of a target camera. ``scene.json`` is written last: without it a scene is not
whole. Depth, camera and pictures are of the kinds that ``ex4d recon`` reads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from ex4d.camera import Trajectory, read_trajectory
from ex4d.media.images import read_grey, read_image
from ex4d.plate.store import frame_file
from ex4d.protocol.errors import BadInputError

SCENE_FILE = "scene.json"
CAMERA_FILE = "camera.json"
SOURCE = "source"
#: Cycles writes 1e10 where a ray leaves the scene.
NOTHING_HIT = 1e9


class Region(IntEnum):
    """What the plate knows of a pixel of a target view: the codes of the region maps.

    They are those of ``ex4d.fill.PixelOrigin``, in which a fill says where it took a pixel from.
    """

    NEVER_SEEN = 0
    OTHER_FRAME = 128
    CO_VISIBLE = 255


@dataclass(frozen=True)
class Surface:
    """What stands in the centres of the pixels of one frame.

    Attributes:
        z: (H, W) float32 z-depth, metres; inf = nothing.
        ids: (H, W) int32 object ids, 0 = nothing.
        normals: (H, W, 3) float32 unit normals in world axes, 0 where there is nothing.
    """

    z: NDArray[np.float32]
    ids: NDArray[np.int32]
    normals: NDArray[np.float32]


@dataclass(frozen=True)
class TruthView:
    """One camera of a scene.

    Attributes:
        folder: of the view.
        camera: K and E per frame.
    """

    folder: Path
    camera: Trajectory

    @property
    def name(self) -> str:
        """Of the view."""
        return self.folder.name

    @property
    def pictures(self) -> Path:
        """Folder of the 8-bit pictures."""
        return self.folder / "rgb"

    @property
    def geometry(self) -> Path:
        """Folder of the depth files."""
        return self.folder / "geometry"

    def picture(self, number: int) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 sRGB."""
        return np.asarray(read_image(frame_file(self.pictures, number, ".png")), np.uint8)

    def surface(self, number: int) -> Surface:
        """Exact geometry.

        Raises:
            BadInputError: the file is missing, damaged or lacks a channel.
        """
        path = frame_file(self.geometry, number, ".exr")
        try:
            with OpenEXR.File(str(path), separate_channels=True) as file:
                channels = {name.removeprefix("ViewLayer."): c.pixels for name, c in file.channels().items()}
            z = channels["Depth.Z"].astype(np.float32)
            ids = np.rint(channels["IndexOB.X"]).astype(np.int32)
            normals = np.stack([channels[f"Normal.{axis}"] for axis in "XYZ"], axis=-1).astype(np.float32)
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise BadInputError(
                f"{path} is missing or damaged.", "Render the truth again: make_groundtruth."
            ) from error
        return Surface(np.where(z < NOTHING_HIT, z, np.float32(np.inf)), ids, normals)

    def regions_file(self, number: int) -> Path:
        """Where the region map is."""
        return frame_file(self.folder / "regions", number, ".png")

    def regions(self, number: int) -> NDArray[np.uint8]:
        """(H, W) uint8 ``Region`` codes."""
        return np.asarray(read_grey(self.regions_file(number)), np.uint8)


@dataclass(frozen=True)
class TruthScene:
    """A scene with its truth.

    Attributes:
        folder: of the scene.
        family: what kind of scene.
        numbers: of its frames.
        matte: whether nothing in it reflects or refracts.
        pivot: distance, along the source camera's axis, of the point that the targets turn about; metres.
        moving: ids of objects that move or deform.
        source: the plate's camera.
        targets: the other cameras by name.
        step: targets have the first and every so many frames; 1 = all.
    """

    folder: Path
    family: str
    numbers: tuple[int, ...]
    matte: bool
    pivot: float
    moving: frozenset[int]
    source: TruthView
    targets: Mapping[str, TruthView]
    step: int = 1

    @property
    def name(self) -> str:
        """Of the scene."""
        return self.folder.name

    @classmethod
    def open(cls, folder: Path) -> TruthScene:
        """A whole scene.

        Raises:
            BadInputError: it is not one.
        """
        try:
            record: dict[str, Any] = json.loads((folder / SCENE_FILE).read_text(encoding="utf-8"))
            if (record["format"], record["version"]) != ("ex4d-truth", 1):
                raise _not_a_scene(folder)
            moving = frozenset(int(key) for key, value in record["objects"].items() if value["moving"])
            return cls(
                folder,
                record["family"],
                tuple(range(1, record["frames"] + 1)),
                record["matte"],
                record["pivot"],
                moving,
                _view(folder / SOURCE),
                {name: _view(folder / name) for name in record["targets"]},
                record.get("step", 1),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _not_a_scene(folder) from error


def _not_a_scene(folder: Path) -> BadInputError:
    return BadInputError(
        f"{folder} is not a whole scene with known truth.", "Make it with python -m tools.scenes.make_groundtruth."
    )


def _view(folder: Path) -> TruthView:
    return TruthView(folder, read_trajectory(folder / CAMERA_FILE))


def find_scenes(folder: Path) -> list[TruthScene]:
    """All whole scenes in a folder, or the one that the folder is, in the order of their names.

    Raises:
        BadInputError: there is none.
    """
    if (folder / SCENE_FILE).is_file():
        return [TruthScene.open(folder)]
    scenes = [TruthScene.open(path.parent) for path in sorted(folder.glob(f"*/{SCENE_FILE}"))]
    if not scenes:
        raise BadInputError(
            f"{folder} holds no scene with known truth.", "Make some with python -m tools.scenes.make_groundtruth."
        )
    return scenes
