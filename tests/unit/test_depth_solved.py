# SPDX-License-Identifier: Apache-2.0
"""Depth on the scale of a solved camera: an estimator that is off by a line in disparity comes back exact."""

import json
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ex4d.camera import Trajectory, intrinsics
from ex4d.depth.base import DepthFrame, DepthResult, KnownMovers
from ex4d.depth.solved import LEAST_SIGHTINGS, SolvedDepth, fit_line, parse_points
from ex4d.protocol.errors import BadInputError
from ex4d.system.progress import Silent

SIZE = (48, 32)
NUMBERS = (1001, 1002, 1003)


@dataclass
class _Frames:
    """Only what the source asks of a FrameStore."""

    numbers = NUMBERS
    size = SIZE
    fps = None
    frame, pixel_aspect = None, Fraction(1)

    def __len__(self) -> int:
        return len(self.numbers)


class _Kept(dict):
    def __init__(self) -> None:
        super().__init__()
        self.moving: list[np.ndarray | None] = []

    def write(self, frame: DepthFrame) -> None:
        self[frame.number] = frame.depth
        self.moving.append(frame.moving)


def _truth(camera: Trajectory) -> list[np.ndarray]:
    """z-depth of the slanted plane z = 4 + x/2 seen by each camera, which looks along z."""
    maps = []
    for view in camera:
        columns, rows = np.meshgrid(np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1]) + 0.5)
        ray = (columns - view.K[0, 2]) / view.K[0, 0]
        x0, _, z0 = view.center()
        # z0 + t = 4 + (x0 + ray·t)/2
        maps.append((4 + x0 / 2 - z0) / (1 - ray / 2) + 0 * rows)
    return maps


def _camera() -> Trajectory:
    E = np.broadcast_to(np.eye(4), (3, 4, 4)).copy()
    E[:, 0, 3] = [0, -0.3, -0.6]
    E[:, 2, 3] = [0, -0.1, 0.2]
    return Trajectory(intrinsics(40, *SIZE), E, *SIZE).numbered(NUMBERS, None)


class _Estimator:
    """Knows the truth's disparity up to a factor and an offset."""

    name, label, licence, tolerance = "fake", "a fake", "none", 0.1

    def __init__(self, maps: list[np.ndarray], slope: float, offset: float) -> None:
        self.maps = [1 / ((1 / truth - offset) / slope) for truth in maps]

    def inputs(self) -> dict[str, Any]:
        return {}

    def steps(self, frames: Any) -> int:
        return 0

    def estimate(self, frames: Any, sink: Any, scratch: Path, progress: Any) -> DepthResult:
        for number, depth in zip(frames.numbers, self.maps, strict=True):
            sink.write(DepthFrame(number, depth.astype(np.float32)))
        camera = Trajectory(intrinsics(99, *SIZE), np.broadcast_to(np.eye(4), (3, 4, 4)), *SIZE)
        return DepthResult(camera.numbered(NUMBERS, None), poses_known=False, intrinsics_known=False)


def _points(count: int) -> np.ndarray:
    rng = np.random.default_rng(4)
    x, y = rng.uniform(-1, 1, count), rng.uniform(-1, 1, count)
    return np.stack([x, y, 4 + x / 2], axis=-1)


def test_estimate_comes_onto_the_scale_of_the_solve(tmp_path: Path) -> None:
    camera, kept = _camera(), _Kept()
    points = np.concatenate([_points(60), [[0, 0, 1.0], [0.3, 0.1, 40.0]]])  # two wrong ones
    source = SolvedDepth(_Estimator(_truth(camera), 0.2, 0.05), camera, points)
    result = source.estimate(_Frames(), kept, tmp_path, Silent())
    assert result.poses_known
    assert result.intrinsics_known
    np.testing.assert_allclose(result.source.E, camera.E)
    for number, truth in zip(NUMBERS, _truth(camera), strict=True):
        np.testing.assert_allclose(kept[number], truth, rtol=0.02)


def test_too_few_points_leave_the_motion_out_and_say_so(tmp_path: Path) -> None:
    camera, kept = _camera(), _Kept()
    source = SolvedDepth(_Estimator(_truth(camera), 0.2, 0.05), camera, _points(2))
    result = source.estimate(_Frames(), kept, tmp_path, Silent())
    assert not result.poses_known
    np.testing.assert_array_equal(result.source.E, np.broadcast_to(np.eye(4), (3, 4, 4)))
    np.testing.assert_allclose(result.source.K[0], camera.K[0])
    assert any("too few" in note for note in result.notes)
    assert LEAST_SIGHTINGS > 2 * 3


def test_the_key_knows_camera_and_points() -> None:
    camera = _camera()
    estimator = _Estimator(_truth(camera), 0.2, 0.05)
    one, two = SolvedDepth(estimator, camera, _points(9)), SolvedDepth(estimator, camera, _points(10))
    assert one.inputs() != two.inputs()
    json.dumps(one.inputs())


def test_line_through_outliers() -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(0.3, 1, 200)
    y = 0.5 * x + 0.1
    y[::10] += rng.uniform(0.5, 2, 20)
    assert fit_line(x, y) == pytest.approx((0.5, 0.1), abs=0.01)


def test_line_is_never_inverted() -> None:
    x = np.linspace(0.3, 1, 50)
    slope, offset = fit_line(x, 1.2 - x)
    assert slope > 0
    assert offset == 0


@pytest.mark.parametrize("data", [b"", b"[]", b'{"points": 3}', b'{"points": [[1, 2]]}', b'{"points": [["a", 1, 2]]}'])
def test_no_points(data: bytes) -> None:
    with pytest.raises(BadInputError) as caught:
        parse_points(data)
    assert caught.value.hint


@pytest.mark.parametrize("path", ["moves", "turns", "too few points"])
def test_what_the_solve_found_to_move_is_told_at_the_plate_s_size(tmp_path: Path, path: str) -> None:
    camera = _camera()
    if path == "turns":
        camera = replace(camera, E=np.broadcast_to(np.eye(4), camera.E.shape))
    points = _points(2 if path == "too few points" else 60)
    cells = np.random.default_rng(2).random((3, SIZE[1] // 4, SIZE[0] // 4)) < 0.3
    plain, kept = SolvedDepth(_Estimator(_truth(camera), 0.2, 0.05), camera, points), _Kept()
    source = replace(plain, movers=KnownMovers(lambda index: cells[index], "these"))
    source.estimate(_Frames(), kept, tmp_path, Silent())
    np.testing.assert_array_equal(np.array(kept.moving), np.kron(cells, np.ones((4, 4), bool)))
    assert source.inputs() == {**plain.inputs(), "movers": "these"}


def test_without_them_nothing_is_told(tmp_path: Path) -> None:
    camera, kept = _camera(), _Kept()
    SolvedDepth(_Estimator(_truth(camera), 0.2, 0.05), camera, _points(60)).estimate(
        _Frames(), kept, tmp_path, Silent()
    )
    assert kept.moving == [None, None, None]
