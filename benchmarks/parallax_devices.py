# SPDX-License-Identifier: Apache-2.0
"""Depth from parallax on a GPU against the CPU: seconds a frame, and how many pixels differ. See ``bench_parallax``."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from ex4d.camera import Trajectory, intrinsics
from ex4d.depth import DepthFrame, create_depth_source
from ex4d.depth.parallax.matcher import Matcher
from ex4d.depth.parallax.matching import THREADS, CpuMatcher
from ex4d.depth.parallax.neighbours import choose
from ex4d.depth.parallax.sightings import find_points, sightings
from ex4d.depth.parallax.source import ParallaxDepth
from ex4d.depth.parallax.sweep import Neighbour
from ex4d.depth.parallax.views import Passage
from ex4d.evaluation.truth import TruthScene
from ex4d.media.frames import ArrayFrames
from ex4d.system.devices import DEVICE_VARIABLE
from ex4d.system.progress import Silent

#: Frames of a made clip, and metres that its camera slides.
COUNT, WAY = 9, 0.6
#: Depths differ where they do by more than this share.
DIFFERENT = 0.02
#: Rectangles of a made clip, from far to near: a corner and the two sides, metres, x right, y down, z ahead.
BOARDS = (
    ((-14, -12, 9), (28, 0, 3), (0, 24, 0)),
    ((-9, 1.4, 1.5), (18, 0, 0), (0, 0, 12)),
    ((-1.6, -0.9, 4.5), (1.2, 0, 0.5), (0, 2.3, 0)),
    ((0.5, -2, 3.2), (0.25, 0, 0), (0, 3.4, 0)),
)


@dataclass
class Kept:
    """A sink that keeps everything."""

    depth: dict[int, np.ndarray] = field(default_factory=dict)
    measured: dict[int, np.ndarray] = field(default_factory=dict)

    def write(self, frame: DepthFrame) -> None:
        """See ``DepthSink``."""
        self.depth[frame.number] = frame.depth
        if frame.measured is not None:
            self.measured[frame.number] = frame.measured


@contextmanager
def on_device(name: str) -> Iterator[None]:
    """With ``EX4D_DEVICE`` set."""
    before = os.environ.get(DEVICE_VARIABLE)
    os.environ[DEVICE_VARIABLE] = name
    try:
        yield
    finally:
        os.environ.pop(DEVICE_VARIABLE)
        if before is not None:
            os.environ[DEVICE_VARIABLE] = before


def made_clip(size: int) -> tuple[ArrayFrames, Trajectory]:
    """Textured rectangles before a camera that slides: frames of ``size`` squared, and the camera."""
    rng = np.random.default_rng(1)
    textures = []
    for _ in BOARDS:
        layers = [cv2.resize(rng.normal(0, 1, (n, n, 3)).astype(np.float32), (1024, 1024)) for n in (16, 64, 256)]
        textures.append(np.clip(rng.uniform(80, 170, 3) + 25 * sum(layers), 1, 255).astype(np.float32))
    E = np.broadcast_to(np.eye(4), (COUNT, 4, 4)).copy()
    E[:, 0, 3] = -WAY * np.linspace(-0.5, 0.5, COUNT)
    camera = Trajectory(intrinsics(0.98 * size, size, size), E, size, size)
    pictures = []
    for index in range(COUNT):
        picture = np.zeros((2 * size, 2 * size, 3), np.float32)
        for (corner, across, down), texture in zip(BOARDS, textures, strict=True):
            sides = np.column_stack([across, down, np.add(corner, E[index, :3, 3])]) / (1024, 1024, 1)
            H = np.diag([2, 2, 1]) @ camera.K[index] @ sides
            seen = cv2.warpPerspective(texture, H, (2 * size, 2 * size), flags=cv2.INTER_LINEAR)
            picture = np.where(seen.max(axis=-1, keepdims=True) > 0, seen, picture)
        pictures.append(cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA).astype(np.uint8))
    return ArrayFrames.of(pictures, Fraction(24), range(1, COUNT + 1)), camera.numbered(range(1, COUNT + 1), None)


def _matching(frames: ArrayFrames, camera: Trajectory, matcher: Matcher) -> tuple[list[np.ndarray], float]:
    """Disparities of a few frames by themselves, and seconds a frame."""
    grey = [cv2.cvtColor(frames.read_8bit(number), cv2.COLOR_RGB2GRAY) for number in frames.numbers]
    unit = [picture.astype(np.float32) / np.float32(255) for picture in grey]
    points = find_points(lambda index: grey[index], camera)
    count = len(frames)
    found, seconds = [], []
    # The first run is not timed: it loads and tunes.
    for index in (count // 2, count // 4, count // 2, 3 * count // 4):
        choice = choose(camera, index, sightings(points, camera, index))
        near = [Neighbour(unit[k], Passage.between(camera, index, k), k > index) for k in choice.indices]
        began = time.perf_counter()
        found.append(matcher.match(unit[index], near, choice.disparities).disparity)
        seconds.append(time.perf_counter() - began)
    return found[1:], float(np.mean(seconds[1:]))


def _whole(frames: ArrayFrames, camera: Trajectory, estimator: str) -> tuple[Kept, float]:
    """Depth of a clip, and seconds a frame."""
    kept = Kept()
    with tempfile.TemporaryDirectory() as scratch:
        began = time.perf_counter()
        ParallaxDepth(create_depth_source(estimator), camera).estimate(frames, kept, Path(scratch), Silent())
        return kept, (time.perf_counter() - began) / len(frames)


def _different(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> float:
    """Share of the pixels whose values differ by more than ``DIFFERENT``; equal infinities do not."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(
            np.mean([(a != b) & ~(np.abs(a / b - 1) <= DIFFERENT) for a, b in zip(first, second, strict=True)])
        )


def row(name: str, frames: ArrayFrames, camera: Trajectory, device: str, estimator: str) -> str:
    """A row of the table."""
    import torch

    from ex4d.depth.parallax.torch_matching import TorchMatcher

    with closing(CpuMatcher()) as cpu, closing(TorchMatcher(torch.device(device))) as other:
        (plain, slow), (same, fast) = (_matching(frames, camera, matcher) for matcher in (cpu, other))
    with on_device("cpu"):
        before, whole = _whole(frames, camera, estimator)
    with on_device(device):
        after, shortened = _whole(frames, camera, estimator)
    shares = [float(np.mean([*kept.measured.values()])) for kept in (before, after)]
    return (
        f"| {name} | {frames.width}x{frames.height} | {slow:.3f} | {fast:.3f} | {_different(plain, same):.2%} | "
        f"{whole:.2f} | {shortened:.2f} | {_different([*before.depth.values()], [*after.depth.values()]):.2%} | "
        f"{shares[0]:.1%}, {shares[1]:.1%} |"
    )


def print_table(device: str, sizes: Sequence[int], scenes: Sequence[TruthScene], estimator: str) -> None:
    """Measure made clips of these sizes, and scenes at their own."""
    print(f"{device} against {THREADS} threads of the CPU; differ = pixels whose depth differs by more than 2 %")
    print("| clip | size | matching: CPU s/frame | GPU | differ | all: CPU s/frame | GPU | differ | measured |")
    print("|---|---|---|---|---|---|---|---|---|")
    for size in sizes:
        print(row("boards", *made_clip(size), device, estimator), flush=True)
    for scene in scenes:
        numbers = scene.numbers
        frames = ArrayFrames.of([scene.source.picture(n) for n in numbers], Fraction(24), numbers)
        camera = scene.source.camera.for_frames(numbers, None, "the camera")
        print(row(scene.name, frames, camera, device, estimator), flush=True)
