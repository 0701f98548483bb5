# SPDX-License-Identifier: Apache-2.0
"""COLMAP's binary models: ``cameras.bin`` and ``images.bin`` in one folder; little-endian. Read only."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from ex4d.camera.camera import Trajectory
from ex4d.camera.formats._checks import bad_file
from ex4d.camera.formats._colmap import MODELS, OTHER_MODELS, ColmapImage, make_camera, trajectory_of
from ex4d.camera.formats.base import NamedFormat
from ex4d.system.inputs import read_bytes

CAMERAS, IMAGES = "cameras.bin", "images.bin"
#: Bytes of a file at most.
MAX_BINARY = 1 << 30
_PARAMETERS = {number: (name, len(names)) for name, (number, names) in MODELS.items()} | {
    number: (name, count) for name, (number, count) in OTHER_MODELS.items()
}
#: Bytes of one sighting: x, y and the point's number.
_SIGHTING = 24


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{layout}", self.data, self.at)
        self.at += struct.calcsize(f"<{layout}")
        return values

    def text(self) -> str:
        end = self.data.index(b"\0", self.at)
        text = self.data[self.at : end].decode()
        self.at = end + 1
        return text


def read_colmap_binary(path: Path, size: tuple[int, int] | None = None) -> Trajectory:
    """Read the model that an ``images.bin`` belongs to; ``cameras.bin`` lies beside it.

    Raises:
        BadInputError: it is missing, damaged, or its cameras are no pinholes of one size and lens.
    """
    del size
    try:
        reader = _Reader(read_bytes(path.with_name(CAMERAS), MAX_BINARY))
        cameras = {}
        for _ in range(reader.take("Q")[0]):
            name, model, width, height = reader.take("iiQQ")
            title, count = _PARAMETERS.get(model, (f"number {model}", 0))
            cameras[name] = make_camera(path, title, width, height, reader.take(f"{count}d"))
        reader = _Reader(read_bytes(path, MAX_BINARY))
        images = []
        for _ in range(reader.take("Q")[0]):
            values = reader.take("I7dI")
            title = reader.text()
            sightings = reader.take("Q")[0]
            reader.at += sightings * _SIGHTING
            images.append(ColmapImage(np.array(values[1:5]), np.array(values[5:8]), int(values[8]), title))
        if reader.at > len(reader.data):
            raise bad_file(path, "ends too early", "Export the model again.")
    except (struct.error, ValueError, OverflowError) as error:
        raise bad_file(path, "is not COLMAP's binary list of images", "Export the model again.") from error
    return trajectory_of(path, cameras, images)


FORMAT = NamedFormat("COLMAP's images.bin", IMAGES, read_colmap_binary)
