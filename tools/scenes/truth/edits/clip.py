# SPDX-License-Identifier: GPL-3.0-or-later
"""A plate with its truth, in memory: read from a scene's folder, written as one (``ex4d.evaluation.truth``)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory, write_json
from ex4d.colour.transfer import SRGB
from ex4d.evaluation.truth import CAMERA_FILE, NOTHING_HIT, SCENE_FILE, SOURCE, TruthScene
from ex4d.media.exr_picture import read_exr_picture
from ex4d.media.exr_writer import ExrPart, write_exr_parts
from ex4d.media.images import write_png
from ex4d.plate.store import frame_file
from ex4d.system.files import atomic_write, make_folder

Picture = NDArray[np.float32]


@dataclass(frozen=True)
class Clip:
    """A plate with its truth.

    Attributes:
        pictures: (T, H, W, 3) float32, scene-linear RGB.
        z: (T, H, W) float32 z-depth, metres; inf = nothing, or no scene at all, as under a burn-in.
        ids: (T, H, W) int32 object ids, 0 = nothing.
        normals: (T, H, W, 3) float32 unit normals in world axes, 0 where there is nothing.
        camera: K and E of each frame, numbered from 1.
        record: what else ``scene.json`` says.
    """

    pictures: Picture
    z: NDArray[np.float32]
    ids: NDArray[np.int32]
    normals: NDArray[np.float32]
    camera: Trajectory
    record: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def height(self) -> int:
        """Of the pictures, pixels."""
        return self.pictures.shape[1]

    @property
    def width(self) -> int:
        """Of the pictures, pixels."""
        return self.pictures.shape[2]

    def noted(self, **more: Any) -> Clip:
        """The same with more in ``record``."""
        return replace(self, record={**self.record, **more})

    def chosen(self, indices: NDArray[np.intp]) -> Clip:
        """Frames by their indices, each with its own truth, numbered anew from 1."""
        camera = replace(
            self.camera,
            K=self.camera.K[indices],
            E=self.camera.E[indices],
            near=self.camera.near[indices],
            far=self.camera.far[indices],
            frame_numbers=tuple(range(1, len(indices) + 1)),
        )
        return Clip(
            self.pictures[indices], self.z[indices], self.ids[indices], self.normals[indices], camera, self.record
        )

    def without(self, covered: NDArray[np.bool_]) -> Clip:
        """The same where something covers the scene: (H, W) for all frames or (T, H, W). Pictures stay."""
        covered = np.broadcast_to(covered, self.z.shape)
        return replace(
            self,
            z=np.where(covered, np.float32(np.inf), self.z),
            ids=np.where(covered, 0, self.ids),
            normals=np.where(covered[..., None], np.float32(0), self.normals),
        )


def read(folder: Path) -> Clip:
    """The plate of a scene with known truth.

    Raises:
        BadInputError: it is none, or a file is missing or damaged.
    """
    scene = TruthScene.open(folder)
    surfaces = [scene.source.surface(number) for number in scene.numbers]
    paths = [frame_file(scene.source.folder / "linear", number, ".exr") for number in scene.numbers]
    pictures = [read_exr_picture(path.read_bytes(), path).pixels[..., :3] for path in paths]
    return Clip(
        np.stack(pictures).astype(np.float32),
        np.stack([surface.z for surface in surfaces]),
        np.stack([surface.ids for surface in surfaces]),
        np.stack([surface.normals for surface in surfaces]),
        scene.source.camera,
        json.loads((folder / SCENE_FILE).read_text(encoding="utf-8")),
    )


def write(clip: Clip, folder: Path) -> None:
    """Write it as a scene without targets."""
    source = folder / SOURCE
    for part in ("rgb", "linear", "geometry"):
        make_folder(source / part)
    write_json(source / CAMERA_FILE, clip.camera)
    for index, number in enumerate(clip.camera.frame_numbers):
        linear = clip.pictures[index]
        codes = np.rint(255 * np.clip(SRGB.from_linear(linear), 0, 1)).astype(np.uint8)
        write_png(frame_file(source / "rgb", number, ".png"), codes)
        half = {name: linear[..., k].astype(np.float16) for k, name in enumerate("RGB")}
        write_exr_parts(frame_file(source / "linear", number, ".exr"), [ExrPart("", half, {})])
        geometry = {
            # As Cycles says that there is nothing.
            "ViewLayer.Depth.Z": np.where(np.isfinite(clip.z[index]), clip.z[index], np.float32(10 * NOTHING_HIT)),
            "ViewLayer.IndexOB.X": clip.ids[index].astype(np.float32),
            **{f"ViewLayer.Normal.{axis}": clip.normals[index, ..., k] for k, axis in enumerate("XYZ")},
        }
        write_exr_parts(frame_file(source / "geometry", number, ".exr"), [ExrPart("", geometry, {})])
    rate = clip.camera.fps
    record = {
        **clip.record,
        "size": max(clip.width, clip.height),
        "frames": len(clip),
        "fps": float(rate) if rate is not None else None,
        "targets": {},
        "step": 1,
    }
    atomic_write(folder / SCENE_FILE, json.dumps(record, indent=1).encode())
