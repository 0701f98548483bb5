# SPDX-License-Identifier: Apache-2.0
"""nerfstudio's ``transforms.json``: camera->world with OpenGL axes, intrinsics in pixels.

Read are order and frame numbers from ``file_path``, the lens (OpenCV's model, the same for all), one size, and
intrinsics for all or per frame. The world is the file's own; where its exporter has moved it, that is noted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.camera.camera import Trajectory, intrinsics
from ex4d.camera.formats._checks import bad_file, matrix, picture_size
from ex4d.camera.formats._frame_names import order_of_names
from ex4d.camera.formats.base import JsonFormat
from ex4d.camera.lens import COEFFICIENTS, Lens
from ex4d.camera.transforms import CV_GL, invert_rigid
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.values import padded_number
from ex4d.system.files import atomic_write

Array = NDArray[np.float64]

#: Lens models that are OpenCV's, or parts of it; COLMAP's and nerfstudio's names.
OPENCV_MODELS = ("PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "FULL_OPENCV", "PERSPECTIVE")
#: Its coefficients that all programs with this file mean alike, and the others: nerfstudio's k4 is a fisheye's.
DISTORTION_KEYS, OTHER_KEYS = COEFFICIENTS["opencv"][:5], COEFFICIENTS["opencv"][5:]
#: Two statements of one focal length may differ by this share.
_FOCAL_TOLERANCE = 0.01
_WAY_OUT = "Undistort the footage first and export the pinhole camera."


def write_transforms_json(path: Path, trajectory: Trajectory) -> None:
    """Write nerfstudio's format: camera->world with OpenGL axes, intrinsics per frame.

    Raises:
        BadInputError: the cameras have a lens that is not OpenCV's, or has rational or thin-prism terms.
    """
    lens = trajectory.lens
    named = {} if lens is None else lens.record()["coefficients"]
    if lens is not None and (lens.model != "opencv" or not set(named) <= set(DISTORTION_KEYS)):
        raise BadInputError(
            f"A lens of the model {lens.model} with {', '.join(named)} has no place in transforms.json.",
            "Write our own JSON, or a pinhole.",
        )
    c2w = invert_rigid(trajectory.E) @ CV_GL
    numbers = trajectory.frame_numbers or tuple(range(len(trajectory)))
    document = {
        "camera_model": "OPENCV",
        **named,
        "w": trajectory.width,
        "h": trajectory.height,
        "frames": [
            {
                "file_path": f"images/frame_{padded_number(number, 5)}.png",
                "fl_x": K[0, 0],
                "fl_y": K[1, 1],
                "cx": K[0, 2],
                "cy": K[1, 2],
                "transform_matrix": pose.tolist(),
            }
            for number, K, pose in zip(numbers, trajectory.K, c2w, strict=True)
        ],
    }
    atomic_write(path, json.dumps(document, indent=1).encode())


def _focal(path: Path, entry: dict[str, Any], axis: str, side: int, otherwise: float | None) -> tuple[float, bool]:
    """Focal length along an axis in pixels, and whether another statement of the entry contradicts it."""
    focal, angle = entry.get(f"fl_{axis}"), entry.get(f"camera_angle_{axis}")
    try:
        from_angle = None if angle is None else side / 2 / math.tan(_angle(angle) / 2)
        stated = None if focal is None else float(focal)
    except (TypeError, ValueError, OverflowError):
        from_angle = stated = otherwise = None
    found = next((value for value in (stated, from_angle, otherwise) if value is not None), None)
    if found is None:
        raise bad_file(
            path,
            "has no focal length",
            "It needs fl_x (pixels) or camera_angle_x (radians), for all or per frame.",
        )
    differ = stated is not None and from_angle is not None and abs(from_angle / found - 1) > _FOCAL_TOLERANCE
    return found, differ


def _angle(value: object) -> float:
    angle = float(value)  # type: ignore[arg-type]
    if not 0 < angle < math.pi:
        raise ValueError("no angle of view")
    return angle


def _intrinsics(path: Path, entry: dict[str, Any], width: int, height: int) -> tuple[Array, bool]:
    """3x3 K of a frame, and whether its entry contradicts itself."""
    fx, differ_x = _focal(path, entry, "x", width, None)
    fy, differ_y = _focal(path, entry, "y", height, fx)
    try:
        cx, cy = float(entry.get("cx", width / 2)), float(entry.get("cy", height / 2))
    except (TypeError, ValueError, OverflowError):
        raise bad_file(path, "has a principal point that is no number", "Give cx and cy in pixels.") from None
    K = intrinsics(fx, width, height)
    K[1, 1], K[0, 2], K[1, 2] = fy, cx, cy
    return K, differ_x or differ_y


def _lens(path: Path, document: dict[str, Any], frames: Sequence[dict[str, Any]]) -> Lens | None:
    """The lens of all cameras, None for pinholes; raises BadInputError where there are several, or one that is not
    OpenCV's."""
    lenses = {_lens_of(path, {**document, **frame}) for frame in frames}
    if len(lenses) > 1:
        raise bad_file(path, "describes several distorted lenses", _WAY_OUT)
    (lens,) = lenses
    return None if lens.is_identity else lens


def _lens_of(path: Path, entry: dict[str, Any]) -> Lens:
    model = entry.get("camera_model")
    if model is not None and str(model).upper() not in OPENCV_MODELS:
        raise bad_file(path, f"describes a lens of the model {str(model)[:40]}, which is not OpenCV's", _WAY_OUT)
    if entry.get("is_fisheye"):
        raise bad_file(path, "describes a fisheye lens (is_fisheye)", _WAY_OUT)
    parameters = entry.get("distortion_params")
    if any(value not in (None, 0, 0.0) for value in (parameters if isinstance(parameters, list) else [parameters])):
        # Nerfstudio's own order, k1 k2 k3 k4 p1 p2, of which k4 is another than OpenCV's.
        raise bad_file(path, "describes a distorted lens (distortion_params is not zero)", _WAY_OUT)
    values = [entry.get(key) or 0.0 for key in DISTORTION_KEYS]
    if others := [key for key in OTHER_KEYS if entry.get(key)]:
        raise bad_file(path, f"describes a lens with {', '.join(others)}, which programs mean differently", _WAY_OUT)
    return Lens.from_record({"model": "opencv", "coefficients": values})


def _in_order(path: Path, frames: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], tuple[int, ...], list[str]]:
    """The frames in the order of their files, the files' numbers (or none), and notes. Exporters list frames in the
    order in which their solver took them in."""
    names = [frame.get("file_path") for frame in frames]
    if not all(isinstance(name, str) and name for name in names):
        if any(names):
            raise bad_file(path, "names the file of some frames only", "Give each frame its file_path, or none.")
        return frames, (), []
    order, numbers, notes = order_of_names(path, [str(name) for name in names])
    return [frames[index] for index in order], numbers, notes


def _moved_note(path: Path, document: dict[str, Any]) -> list[str]:
    """A note where the exporter has moved, turned or scaled the world after the solve."""
    transform, scale = document.get("applied_transform"), document.get("applied_scale")
    names = []
    if transform is not None:
        rows = matrix(path, transform[:3] if isinstance(transform, list) else transform, (3, 4), "applied_transform")
        if not np.allclose(rows, np.eye(4)[:3]):
            names.append("applied_transform")
    if scale is not None and scale != 1:
        names.append("applied_scale")
    if not names:
        return []
    return [
        f"The world of {path.name} was moved by its exporter ({', '.join(names)}); its cameras are taken as they stand "
        "in the file, and the shot's source camera must be of the same world."
    ]


def parse_transforms_json(path: Path, document: dict[str, Any]) -> Trajectory:
    """Trajectory from the parsed document, in the order of the frames' files and with their numbers; ``path`` is for
    error texts only.

    Raises:
        BadInputError: it is damaged, or its cameras are no pinholes of one size.
    """
    frames = document["frames"]
    if not isinstance(frames, list) or not all(isinstance(f, dict) for f in frames) or not frames:
        raise bad_file(path, "holds no frames", "Export it again.")
    lens = _lens(path, document, frames)
    frames, numbers, notes = _in_order(path, frames)
    sizes = [(entry.get("w", document.get("w")), entry.get("h", document.get("h"))) for entry in frames]
    if any(size != sizes[0] for size in sizes):
        raise bad_file(path, "does not give one image size for all frames", "Export frames of one size.")
    width, height = picture_size(path, *sizes[0])
    lenses = [_intrinsics(path, {**document, **f}, width, height) for f in frames]
    if any(differ for _, differ in lenses):
        notes.append(f"The angles of view in {path.name} contradict its focal lengths, and these were taken.")
    c2w = np.stack([_pose(path, f.get("transform_matrix")) for f in frames])
    notes += _moved_note(path, document)
    E = CV_GL @ _invert(path, c2w)
    K = np.stack([K for K, _ in lenses])
    return Trajectory(K, E, width, height, frame_numbers=numbers, notes=tuple(notes), lens=lens)


def _pose(path: Path, value: object) -> Array:
    """4x4 camera->world; the last row may be left out."""
    if isinstance(value, list) and len(value) == 3:
        value = [*value, [0.0, 0.0, 0.0, 1.0]]
    return matrix(path, value, (4, 4), "transform_matrix")


def _invert(path: Path, matrices: Array) -> Array:
    try:
        with np.errstate(all="ignore"):
            return np.asarray(np.linalg.inv(matrices), dtype=np.float64)
    except np.linalg.LinAlgError:
        raise bad_file(path, "has a camera matrix that cannot be inverted", "Export it again.") from None


FORMAT = JsonFormat("nerfstudio's transforms.json", lambda document: "frames" in document, parse_transforms_json)
