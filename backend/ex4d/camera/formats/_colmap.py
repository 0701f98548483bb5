# SPDX-License-Identifier: Apache-2.0
"""What COLMAP's text and binary models share: cameras by model and parameters, images by quaternion and translation.

World->camera with OpenCV's axes and pixel centres at i+0.5, as here. The world is the model's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ex4d.camera.camera import Trajectory
from ex4d.camera.formats._checks import bad_file, picture_size
from ex4d.camera.formats._frame_names import order_of_names
from ex4d.camera.lens import Lens
from ex4d.camera.transforms import rigid

Array = NDArray[np.float64]

#: Camera models that are OpenCV's, or parts of it: COLMAP's number, and for each parameter what it is.
MODELS: dict[str, tuple[int, tuple[str, ...]]] = {
    "SIMPLE_PINHOLE": (0, ("f", "cx", "cy")),
    "PINHOLE": (1, ("fx", "fy", "cx", "cy")),
    "SIMPLE_RADIAL": (2, ("f", "cx", "cy", "k1")),
    "RADIAL": (3, ("f", "cx", "cy", "k1", "k2")),
    "OPENCV": (4, ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2")),
    "FULL_OPENCV": (6, ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")),
}
#: Models that are known and no pinhole with such a lens: number and parameters.
OTHER_MODELS = {"OPENCV_FISHEYE": (5, 8), "FOV": (7, 5), "SIMPLE_RADIAL_FISHEYE": (8, 4), "RADIAL_FISHEYE": (9, 5)}
_LENS_KEYS = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
#: Quaternions further from length 1 than this are none.
_UNIT_TOLERANCE = 1e-3


@dataclass(frozen=True)
class ColmapCamera:
    """One camera of a model.

    Attributes:
        model: a key of ``MODELS``.
        size: (width, height) pixels.
        parameters: as that names them.
    """

    model: str
    size: tuple[int, int]
    parameters: tuple[float, ...]

    def named(self) -> dict[str, float]:
        """The parameters by name."""
        return dict(zip(MODELS[self.model][1], self.parameters, strict=True))

    def intrinsics(self) -> Array:
        """(3, 3) K."""
        p = self.named()
        fx, fy = p.get("fx", p.get("f", 0.0)), p.get("fy", p.get("f", 0.0))
        return np.array([[fx, 0, p["cx"]], [0, fy, p["cy"]], [0, 0, 1]])

    def lens(self) -> Lens:
        """Its distortion."""
        p = self.named()
        return Lens("opencv", tuple(p.get(key, 0.0) for key in _LENS_KEYS))


@dataclass(frozen=True)
class ColmapImage:
    """One image of a model: quaternion (w, x, y, z) and translation of world->camera, its camera and its file."""

    quaternion: Array
    translation: Array
    camera: int
    name: str


def make_camera(path: Path, model: str, width: object, height: object, parameters: Sequence[float]) -> ColmapCamera:
    """A camera; raises BadInputError where it is of another model, or has other parameters."""
    if model not in MODELS:
        raise bad_file(
            path,
            f"has a camera of the model {model[:40]}, which is not OpenCV's",
            "Undistort the pictures first (colmap image_undistorter) and give that model.",
        )
    if len(parameters) != len(MODELS[model][1]):
        raise bad_file(path, f"has a camera with {len(parameters)} parameters for {model}", "Export it again.")
    return ColmapCamera(model, picture_size(path, width, height), tuple(map(float, parameters)))


def trajectory_of(path: Path, cameras: Mapping[int, ColmapCamera], images: Sequence[ColmapImage]) -> Trajectory:
    """The trajectory of a model, by the frame numbers in its images' names.

    Raises:
        BadInputError: it has no images, sizes or lenses differ, or a camera is missing.
    """
    if not images:
        raise bad_file(path, "holds no images", "Export the model again.")
    missing = next((image.camera for image in images if image.camera not in cameras), None)
    if missing is not None:
        raise bad_file(path, f"has an image of camera {missing}, which is missing", "Export the model again.")
    order, numbers, notes = order_of_names(path, [image.name for image in images])
    images = [images[index] for index in order]
    used = [cameras[image.camera] for image in images]
    if len({camera.size for camera in used}) > 1:
        raise bad_file(path, "does not give one image size for all frames", "Solve frames of one size.")
    lenses = {camera.lens() for camera in used}
    if len(lenses) > 1:
        raise bad_file(path, "describes several distorted lenses", "Solve with one camera for all frames.")
    (lens,) = lenses
    E = np.stack([rigid(rotation_of(path, image.quaternion), image.translation) for image in images])
    K = np.stack([camera.intrinsics() for camera in used])
    found = None if lens.is_identity else lens
    return Trajectory(K, E, *used[0].size, frame_numbers=numbers, notes=tuple(notes), lens=found)


def rotation_of(path: Path, quaternion: Array) -> Array:
    """(3, 3) rotation of a quaternion (w, x, y, z); raises BadInputError where that is none."""
    with np.errstate(all="ignore"):
        length = float(np.linalg.norm(quaternion))
    if not abs(length - 1) < _UNIT_TOLERANCE:
        raise bad_file(path, "has a quaternion that is not of length 1", "Export the model again.")
    w, x, y, z = quaternion / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def quaternion_of(rotation: Array) -> Array:
    """Quaternion (w, x, y, z), w not negative, of a rotation (3, 3)."""
    r = rotation
    # The largest of the four is found first: it divides the others.
    squares = np.array(
        [
            1 + r[0, 0] + r[1, 1] + r[2, 2],
            1 + r[0, 0] - r[1, 1] - r[2, 2],
            1 - r[0, 0] + r[1, 1] - r[2, 2],
            1 - r[0, 0] - r[1, 1] + r[2, 2],
        ]
    )
    rows = np.array(
        [
            [squares[0], r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], squares[1], r[1, 0] + r[0, 1], r[0, 2] + r[2, 0]],
            [r[0, 2] - r[2, 0], r[1, 0] + r[0, 1], squares[2], r[2, 1] + r[1, 2]],
            [r[1, 0] - r[0, 1], r[0, 2] + r[2, 0], r[2, 1] + r[1, 2], squares[3]],
        ]
    )
    q = rows[int(np.argmax(squares))]
    q = q / np.linalg.norm(q)
    return -q if q[0] < 0 else q
