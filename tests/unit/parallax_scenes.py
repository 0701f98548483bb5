# SPDX-License-Identifier: Apache-2.0
"""Small scenes of textured planes, drawn from known cameras: what depth from parallax is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ex4d.camera import Camera, Trajectory, intrinsics, static_trajectory
from ex4d.depth.base import STATIC_NOTE, DepthFrame, DepthResult
from ex4d.media.frames import ArrayFrames


@dataclass(frozen=True)
class Board:
    """A textured rectangle in the plane of a corner and two sides; it may drift.

    Attributes:
        corner, across, down: (3,) world; the sides' lengths are the rectangle's.
        seed: of its texture.
        drift: (3,) by frame.
        detail: texture cells over its sides.
        tint: colour that the texture is mixed with.
    """

    corner: tuple[float, float, float]
    across: tuple[float, float, float]
    down: tuple[float, float, float]
    seed: int
    drift: tuple[float, float, float] = (0, 0, 0)
    detail: int = 64
    tint: tuple[int, int, int] = (128, 128, 128)

    def texture(self) -> np.ndarray:
        rng = np.random.default_rng(self.seed)
        grey = rng.uniform(-70, 70, (self.detail, self.detail, 1)) + rng.uniform(-15, 15, (self.detail, self.detail, 3))
        fine = cv2.resize(grey.astype(np.float32), (1024, 1024), interpolation=cv2.INTER_CUBIC)
        return np.clip(fine + self.tint, 0, 255).astype(np.float32)

    def hit(self, camera: Camera, frame: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """z-depth (inf where it is missed) and the texture's coordinates (0..1) of each pixel."""
        x = (np.arange(camera.width) + 0.5 - camera.K[0, 2]) / camera.K[0, 0]
        y = (np.arange(camera.height) + 0.5 - camera.K[1, 2]) / camera.K[1, 1]
        rays = np.stack([*np.meshgrid(x, y), np.ones((camera.height, camera.width))], axis=-1)
        R, t = camera.E[:3, :3], camera.E[:3, 3]
        corner = R @ (np.array(self.corner) + frame * np.array(self.drift)) + t
        sides = np.column_stack([R @ self.across, R @ self.down])
        normal = np.cross(sides[:, 0], sides[:, 1])
        with np.errstate(divide="ignore"):
            z = (corner @ normal) / (rays @ normal)
        u, v = np.moveaxis((rays * z[..., None] - corner) @ np.linalg.pinv(sides).T, -1, 0)
        return np.where((z > 0) & (u >= 0) & (u <= 1) & (v >= 0) & (v <= 1), z, np.inf), u, v


@dataclass(frozen=True)
class Clip:
    """A clip with its truth.

    Attributes:
        plate: frames from 1001 on.
        camera: of them.
        z: (T, H, W) float32.
        which: (T, H, W) index of the board that is seen.
    """

    plate: ArrayFrames
    camera: Trajectory
    z: np.ndarray
    which: np.ndarray


def draw(boards: Sequence[Board], camera: Trajectory, lens: object = None) -> Clip:
    """The boards as the cameras see them, four samples a pixel; the first board must fill all pictures."""
    pictures, depths, indices = [], [], []
    textures = [board.texture() for board in boards]
    for frame in range(len(camera)):
        fine = camera[frame].resized(2 * camera.width, 2 * camera.height)
        colour = _picture(boards, textures, fine, frame)
        small = cv2.resize(colour, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
        pictures.append(np.clip(small + 0.5, 0, 255).astype(np.uint8))
        hits = np.stack([board.hit(camera[frame], frame)[0] for board in boards])
        depths.append(hits.min(axis=0).astype(np.float32))
        indices.append(hits.argmin(axis=0))
    numbers = range(1001, 1001 + len(camera))
    return Clip(
        ArrayFrames.of(pictures, Fraction(24), numbers),
        camera.numbered(tuple(numbers), Fraction(24)),
        np.stack(depths),
        np.stack(indices),
    )


def _picture(boards: Sequence[Board], textures: Sequence[np.ndarray], camera: Camera, frame: int) -> np.ndarray:
    nearest = np.full((camera.height, camera.width), np.inf)
    out = np.zeros((camera.height, camera.width, 3), np.float32)
    for board, texture in zip(boards, textures, strict=True):
        z, u, v = board.hit(camera, frame)
        at = [(np.clip(np.nan_to_num(c), 0, 1) * (len(texture) - 1)).astype(np.float32) for c in (u, v)]
        seen = cv2.remap(texture, *at, cv2.INTER_LINEAR)
        in_front = z < nearest
        out[in_front], nearest[in_front] = seen[in_front], z[in_front]
    return out


def slider(
    count: int, way: float, size: tuple[int, int] = (96, 72), focal: float = 90.0, ahead: float = 0.0
) -> Trajectory:
    """A camera that slides to the right by ``way`` in all, and forwards by ``ahead``."""
    E = np.broadcast_to(np.eye(4), (count, 4, 4)).copy()
    share = np.linspace(-0.5, 0.5, count)
    E[:, 0, 3], E[:, 2, 3] = -way * share, -ahead * share
    return Trajectory(intrinsics(focal, *size), E, *size)


#: A wall that slants away to the right, and fills every picture that these tests take.
WALL = Board((-12, -9, 5.0), (24, 0, 4.0), (0, 18, 0), seed=1, detail=110, tint=(90, 120, 150))
#: A post before it.
POST = Board((-0.35, -4, 3.0), (0.5, 0, 0), (0, 8, 0), seed=2, detail=20, tint=(190, 110, 60))
#: A floor.
FLOOR = Board((-6, 1.2, 0.5), (12, 0, 0), (0, 0, 36), seed=3, detail=70, tint=(120, 140, 90))


@dataclass(frozen=True)
class Flat:
    """An estimator that knows nothing: everything is equally far away."""

    z: float = 4.0

    name, label, licence, tolerance = "flat", "knows nothing", "none", 0.1

    def prepare(self) -> str:
        return ""

    def inputs(self) -> dict[str, Any]:
        return {"z": self.z}

    def steps(self, frames: Any) -> int:
        return len(frames)

    def estimate(self, frames: Any, sink: Any, scratch: Path, progress: Any) -> DepthResult:
        for number in frames.numbers:
            sink.write(DepthFrame(number, np.full(frames.size[::-1], self.z, np.float32)))
            progress.advance()
        camera = static_trajectory(intrinsics(50, *frames.size), *frames.size, len(frames))
        return DepthResult(camera, False, False, (STATIC_NOTE,))
