# SPDX-License-Identifier: Apache-2.0
"""Our plain trajectory JSON: K and E per frame, and the lens where there is one, with the conventions spelt out in the
file."""

from __future__ import annotations

import json
import math
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ex4d.camera.camera import Trajectory
from ex4d.camera.formats._checks import bad_file, matrix, picture_size, whole_number
from ex4d.camera.formats.base import JsonFormat
from ex4d.camera.lens import Lens
from ex4d.protocol.parsing import fraction_from
from ex4d.system.files import atomic_write

JSON_FORMAT = "ex4d-trajectory"
JSON_VERSION = 1


def json_bytes(trajectory: Trajectory) -> bytes:
    """Our plain JSON: K and E per frame with the conventions spelt out."""
    numbers = trajectory.frame_numbers or tuple(range(len(trajectory)))
    document = {
        "format": JSON_FORMAT,
        "version": JSON_VERSION,
        "convention": "E world->camera, OpenCV axes (x right, y down, z forward); K in pixels, centres at i+0.5",
        "width": trajectory.width,
        "height": trajectory.height,
        "fps": str(trajectory.fps) if trajectory.fps is not None else None,
        "numbered": bool(trajectory.frame_numbers),
        **({"lens": trajectory.lens.record()} if trajectory.lens is not None else {}),
        "frames": [
            {
                "frame": number,
                "K": camera.K.tolist(),
                "E": camera.E.tolist(),
                "near": camera.near,
                "far": camera.far if math.isfinite(camera.far) else None,
            }
            for number, camera in zip(numbers, trajectory, strict=True)
        ],
    }
    return json.dumps(document, indent=1).encode()


def write_json(path: Path, trajectory: Trajectory) -> None:
    """Write ``json_bytes`` to a file."""
    atomic_write(path, json_bytes(trajectory))


def parse_own_json(path: Path, document: dict[str, Any]) -> Trajectory:
    """Trajectory from the parsed document, by rising frame numbers where it has some; ``path`` is for error texts
    only."""
    if document.get("version") != JSON_VERSION:
        raise bad_file(
            path,
            f"is of version {str(document.get('version', 'unknown'))[:20]}, not {JSON_VERSION}",
            "Update ex4d, or export it again.",
        )
    frames = document.get("frames")
    if not isinstance(frames, list) or not all(isinstance(f, dict) for f in frames) or not frames:
        raise bad_file(path, "holds no frames", "Export it again.")
    numbers = _numbers(path, frames) if document.get("numbered") else ()
    if numbers:
        order = sorted(range(len(numbers)), key=lambda index: numbers[index])
        frames, numbers = [frames[index] for index in order], tuple(numbers[index] for index in order)
    K = np.stack([matrix(path, f.get("K"), (3, 3), "K") for f in frames])
    E = np.stack([matrix(path, f.get("E"), (4, 4), "E") for f in frames])
    width, height = picture_size(path, document.get("width"), document.get("height"))
    try:
        fps = _rate(document.get("fps"))
        near = np.array([float(f.get("near", 1e-3)) for f in frames])
        far = np.array([math.inf if f.get("far") is None else float(f["far"]) for f in frames])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise bad_file(
            path, "lacks a number that a trajectory needs, or has a text in its place", "Export it again."
        ) from None
    lens = Lens.from_record(document["lens"]) if document.get("lens") is not None else None
    return Trajectory(K, E, width, height, near, far, numbers, fps, lens=lens)


def _rate(value: object) -> Fraction | None:
    if value is None:
        return None
    rate = fraction_from(value)
    if rate <= 0:
        raise ValueError("a rate of zero")
    return rate


def _numbers(path: Path, frames: list[dict[str, Any]]) -> tuple[int, ...]:
    """The frame number of each camera; raises BadInputError where one is none, or comes twice."""
    try:
        numbers = tuple(whole_number(f["frame"]) for f in frames)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise bad_file(path, "has a camera without a whole frame number", "Export it again.") from None
    number, times = Counter(numbers).most_common(1)[0]
    if times > 1:
        raise bad_file(path, f"has {times} cameras for frame {number}", "Leave one camera per frame.")
    return numbers


FORMAT = JsonFormat("our trajectory JSON", lambda document: document.get("format") == JSON_FORMAT, parse_own_json)
