# SPDX-License-Identifier: Apache-2.0
"""Clips to hold rasterizers against each other with, and how far two of them are apart.

Three scenes are made here: blocks at different depths under a sky, slanted and curved surfaces with pixels that have no
depth, and things of one to three pixels width. Every thing has a colour of its own, so that a wrong outline shows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera, build_take, intrinsics, parse_preset, static_trajectory
from ex4d.depth import AUTOMATIC, create_depth_source
from ex4d.mesh import MeshSettings, build_mesh, far_plane
from ex4d.protocol.requests import PlateRequest
from ex4d.raster import RasterFrame, View
from ex4d.shot.depth_plan import DepthPlan
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import make_reconstruction
from ex4d.system.progress import Silent

Float = NDArray[np.float32]
FOCAL = 500.0
#: Moves by which the clips are seen.
MOVES = ("orbit:35", "crane:0.5", "dolly_in:0.5")


@dataclass(frozen=True, eq=False)
class Clip:
    """A plate with its depth, and take cameras.

    Attributes:
        name: what it is.
        depth: (N, H, W) float32 z-depth.
        color: (N, H, W, 3) uint8.
        opaque: (N, H, W) bool.
        sources, takes: N cameras each.
        far: z-depth of the far plane.
    """

    name: str
    depth: Float
    color: NDArray[np.uint8]
    opaque: NDArray[np.bool_]
    sources: Sequence[Camera]
    takes: Sequence[Camera]
    far: float

    def views(self) -> list[View]:
        """Meshes by numpy, with their pictures and cameras; what drawing them needs is computed already."""
        frames = zip(self.depth, self.sources, self.opaque, strict=True)
        meshes = [build_mesh(depth, source, self.far, opaque) for depth, source, opaque in frames]
        for mesh in meshes:
            _ = mesh.edges
        return list(zip(meshes, self.color, self.takes, strict=True))

    def part(self, step: int) -> Clip:
        """Every ``step``-th frame, without the first one, which is seen from its own camera."""
        chosen = slice(step - 1, None, step)
        arrays: list[Any] = [self.depth[chosen], self.color[chosen], self.opaque[chosen]]
        return Clip(self.name, *arrays, self.sources[chosen], self.takes[chosen], self.far)


def flower(video: Path, move: str = "orbit:60") -> Clip:
    """A video with depth from the default estimator."""
    with tempfile.TemporaryDirectory() as folder:
        source = create_depth_source(AUTOMATIC)
        shot = make_reconstruction(
            Shot(Path(folder) / "shot"), PlateRequest(str(video)), DepthPlan(source), MeshSettings(), Silent()
        )
        numbers = shot.frames.numbers
        meshes = [shot.mesh.read(index) for index in range(len(numbers))]
        pivot = np.array([0.0, 0.0, shot.mesh.pivot])
        take = build_take(parse_preset(move), shot.depth.source, pivot, follow=True)
        return Clip(
            video.stem,
            np.stack([mesh.grid_z for mesh in meshes]),
            np.stack([shot.frames.read_8bit(number) for number in numbers]),
            np.stack([mesh.pixel_valid for mesh in meshes]),
            [mesh.source for mesh in meshes],
            [take[index] for index in range(len(numbers))],
            shot.mesh.far,
        )


def _picture(thing: NDArray[np.intp], shift: float) -> NDArray[np.uint8]:
    """A picture in which every thing has its colour and a soft pattern."""
    y, x = np.mgrid[: thing.shape[0], : thing.shape[1]]
    base = 128 + 70 * np.cos(2.4 * thing[..., None] + np.array([0.0, 2.1, 4.2]))
    waves = np.stack([np.sin((x + shift) / 9), np.cos(y / 7), np.sin((x + y) / 11)], axis=-1)
    return (base + 25 * waves + 0.5).clip(0, 255).astype(np.uint8)


def _blocks(t: float, depth: Float, thing: NDArray[np.intp], random: np.random.Generator) -> None:
    size = depth.shape[0]
    depth[:] = 6
    depth[: size // 5] = np.inf
    for number in range(14):
        y, x, h, w = (random.uniform(0, 1, 4) * [0.8, 0.9, 0.3, 0.25] * size).astype(int)
        x = int(x + t * 20 * random.uniform(-1, 1))
        block = np.s_[y : y + h + 8, max(x, 0) : max(x, 0) + w + 8]
        depth[block], thing[block] = random.uniform(1.5, 5.5), number + 1


def _slants(t: float, depth: Float, thing: NDArray[np.intp], random: np.random.Generator) -> None:
    size = depth.shape[0]
    v, u = np.mgrid[:size, :size] / size - 0.5
    depth[:] = 5 / (1 + 0.5 * u + 0.2 * v)
    ground = v > 0.15
    depth[ground], thing[ground] = 0.8 / v[ground], 1
    distance = np.hypot(u + 0.1 - 0.05 * t, v + 0.05) / 0.22
    ball = distance < 1
    depth[ball], thing[ball] = (2.5 - 0.6 * np.sqrt(1 - np.minimum(distance, 1) ** 2))[ball], 2
    sheet = (u > 0.1) & (u < 0.4) & (v > -0.4) & (v < 0.0)
    depth[sheet], thing[sheet] = (2.0 + 3 * (u - 0.1) + v)[sheet], 3
    holes = random.uniform(size=depth.shape) < 0.002
    depth[holes] = np.nan


def _thin(t: float, depth: Float, thing: NDArray[np.intp], random: np.random.Generator) -> None:
    size = depth.shape[0]
    y, x = np.mgrid[:size, :size]
    depth[:] = 7 - 2 * x / size
    for number in range(9):
        place = size * (number + 0.5) / 9 + 10 * t
        wide = 0.5 * (1 + number % 3)
        slope = random.uniform(-0.3, 0.3)
        wire = np.abs(x - place - slope * (y - size / 2)) / np.hypot(1, slope) < wide
        depth[wire], thing[wire] = 2.0 + 0.3 * (number % 4), number + 1
    for number in range(40):
        cy, cx, radius = random.uniform(0, size), random.uniform(0, size) + 6 * t, random.uniform(2, 14)
        leaf = np.hypot(x - cx, y - cy) < radius
        depth[leaf], thing[leaf] = random.uniform(2.5, 4.5), 10 + number


SCENES: dict[str, Callable[[float, Float, NDArray[np.intp], np.random.Generator], None]] = {
    "blocks": _blocks,
    "slants": _slants,
    "thin things": _thin,
}


def synthetic(name: str, count: int = 9, size: int = 512) -> Clip:
    """One of ``SCENES``, ``count`` frames; the takes go through ``MOVES`` in turn."""
    depth, thing = np.zeros((count, size, size), np.float32), np.zeros((count, size, size), np.intp)
    for frame in range(count):
        SCENES[name](frame / count, depth[frame], thing[frame], np.random.default_rng(7))
    finite = depth[np.isfinite(depth)]
    source = static_trajectory(intrinsics(FOCAL * size / 512, size, size), size, size, count)
    takes = [build_take(parse_preset(move), source, np.array([0, 0, 3.0])) for move in MOVES]
    return Clip(
        name,
        depth,
        np.stack([_picture(each, 3.0 * frame) for frame, each in enumerate(thing)]),
        np.ones(depth.shape, np.bool_),
        [source[index] for index in range(count)],
        [takes[index % len(takes)][index] for index in range(count)],
        far_plane(np.inf if np.isinf(depth).any() else float(finite.max()), float(np.median(finite))),
    )


def agreement(reference: Sequence[RasterFrame], frames: Sequence[RasterFrame]) -> tuple[float, float]:
    """The masks' IoU, and the colours' PSNR in dB inside both masks; of the frame with the smallest of each."""
    ious, psnrs = [], []
    for a, b in zip(reference, frames, strict=True):
        seen, wanted = b.mask > 0, a.mask > 0
        both = seen & wanted
        ious.append(float(both.sum() / (seen | wanted).sum()))
        error = np.mean((a.color[both].astype(np.float64) - b.color[both]) ** 2)
        psnrs.append(float(10 * np.log10(255**2 / max(error, 1e-10))))
    return min(ious), min(psnrs)
