# SPDX-License-Identifier: Apache-2.0
"""nerfstudio's ``transforms.json``: camera->world with OpenGL axes, intrinsics in pixels."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.camera.camera import Trajectory, intrinsics
from ex4d.camera.formats._checks import bad_file, matrix
from ex4d.camera.transforms import CV_GL, invert_rigid
from ex4d.files import atomic_write

Array = NDArray[np.float64]

#: Keys of lens models that a pinhole raster cannot reproduce.
DISTORTION_KEYS = ("k1", "k2", "k3", "k4", "p1", "p2")


def write_transforms_json(path: Path, trajectory: Trajectory) -> None:
    """Write nerfstudio's format: camera->world with OpenGL axes, intrinsics per frame."""
    c2w = invert_rigid(trajectory.E) @ CV_GL
    numbers = trajectory.frame_numbers or tuple(range(len(trajectory)))
    document = {
        "camera_model": "OPENCV",
        "w": trajectory.width,
        "h": trajectory.height,
        "frames": [
            {
                "file_path": f"images/frame_{number:05d}.png",
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


def _transforms_intrinsics(path: Path, entry: dict[str, Any], width: int, height: int) -> Array:
    try:
        if "fl_x" in entry:
            fx = float(entry["fl_x"])
        else:
            fx = width / 2 / math.tan(float(entry["camera_angle_x"]) / 2)
        fy = float(entry.get("fl_y", fx))
        cx, cy = float(entry.get("cx", width / 2)), float(entry.get("cy", height / 2))
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        raise bad_file(
            path,
            "has no focal length",
            "It needs fl_x (pixels) or camera_angle_x (radians), for all or per frame.",
        ) from None
    K = intrinsics(fx, width, height)
    K[1, 1], K[0, 2], K[1, 2] = fy, cx, cy
    return K


def parse_transforms_json(path: Path, document: dict[str, Any]) -> Trajectory:
    """Trajectory from the parsed document, frames in the order listed; ``path`` is for error texts only."""
    frames = document["frames"]
    if not isinstance(frames, list) or not all(isinstance(f, dict) for f in frames) or not frames:
        raise bad_file(path, "holds no frames", "Export it again.")
    for key in DISTORTION_KEYS:
        if any(entry.get(key) not in (None, 0, 0.0) for entry in (document, *frames)):
            raise bad_file(
                path,
                f"describes a distorted lens ({key} is not zero)",
                "Undistort the footage first and export the pinhole camera.",
            )
    sizes = {(entry.get("w", document.get("w")), entry.get("h", document.get("h"))) for entry in frames}
    try:
        ((width, height),) = {(int(w), int(h)) for w, h in sizes}
    except (TypeError, ValueError):
        raise bad_file(path, "does not give one image size for all frames", "Add w and h in pixels.") from None
    K = np.stack([_transforms_intrinsics(path, {**document, **f}, width, height) for f in frames])
    c2w = np.stack([matrix(path, f.get("transform_matrix"), (4, 4), "transform_matrix") for f in frames])
    return Trajectory(K, CV_GL @ _invert(path, c2w), width, height)


def _invert(path: Path, matrices: Array) -> Array:
    try:
        return np.asarray(np.linalg.inv(matrices), dtype=np.float64)
    except np.linalg.LinAlgError:
        raise bad_file(path, "has a camera matrix that cannot be inverted", "Export it again.") from None
