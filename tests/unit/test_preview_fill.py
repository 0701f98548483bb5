# SPDX-License-Identifier: Apache-2.0
"""The preview fill over whole shots whose truth is known: a red card that crosses before a painted wall."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scenes import Plane, cast, picture_at, rays

from ex4d.camera import Camera, Trajectory, intrinsics, write_json
from ex4d.camera.transforms import rigid, rotation_y
from ex4d.composite.result_files import sequence_file
from ex4d.depth import create_depth_source
from ex4d.fill import create_generator
from ex4d.fill.base import PixelOrigin
from ex4d.jobs.cameras import camera_from_file
from ex4d.jobs.takes import TakePipeline
from ex4d.media.images import read_grey, read_image, write_png
from ex4d.mesh import MeshSettings
from ex4d.protocol.requests import PlateRequest
from ex4d.shot.depth_plan import DepthPlan
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import make_reconstruction
from ex4d.system.progress import Silent

WIDTH, HEIGHT, COUNT, FOCAL = 160, 112, 10, 150.0
WALL_Z, CARD_Z = 6.0, 3.0
RED = np.array([0.86, 0.08, 0.08])
NUMBERS = range(1001, 1001 + COUNT)


def wall_picture(camera: Camera) -> np.ndarray:
    """(H, W, 3) in 0..1: the wall as the camera sees it."""
    origin, directions = rays(camera)
    z, _ = cast([Plane((0.0, 0.0, 1.0), WALL_Z)], camera)
    points = origin + directions * z[..., None]
    # The wall's paint is fixed to it: world x and y in pixels of a camera at the origin.
    return picture_at(points[..., 0] / WALL_Z * FOCAL, points[..., 1] / WALL_Z * FOCAL)


def card(index: int, camera: Camera) -> np.ndarray:
    """(H, W) bool: where the camera's rays meet the card, which moves to the right with the frames."""
    origin, directions = rays(camera)
    z, _ = cast([Plane((0.0, 0.0, 1.0), CARD_Z)], camera)
    points = origin + directions * z[..., None]
    left = -1.2 + 0.2 * index
    return (points[..., 0] > left) & (points[..., 0] < left + 0.6) & (np.abs(points[..., 1]) < 0.5)


@dataclass
class Take:
    """What came out."""

    folder: Path
    trajectory: Trajectory
    record: dict

    def result(self, index: int) -> np.ndarray:
        return read_image(sequence_file(self.folder / "result", NUMBERS[index]))

    def mask(self, index: int) -> np.ndarray:
        return read_grey(sequence_file(self.folder / "mask", NUMBERS[index]))

    def origin(self, index: int) -> np.ndarray:
        return read_grey(sequence_file(self.folder / "confidence", NUMBERS[index]))


def shoot(root: Path, poses: np.ndarray, *, dtype: type = np.uint8, take_x: float = 0.35) -> Take:
    """Make the plate with its truth, re-shoot it from ``take_x`` to the right of the source camera."""
    K = intrinsics(FOCAL, WIDTH, HEIGHT)
    source = Trajectory(K, poses, WIDTH, HEIGHT).numbered(NUMBERS, None)
    (root / "plate").mkdir(parents=True)
    depths = []
    white = np.iinfo(dtype).max
    for index, camera in enumerate(source):
        on_card = card(index, camera)
        picture = np.where(on_card[..., None], RED, wall_picture(camera))
        write_png(root / "plate" / f"p.{NUMBERS[index]}.png", (picture * white + 0.5).astype(dtype))
        z = [cast([Plane((0.0, 0.0, 1.0), plane)], camera)[0] for plane in (CARD_Z, WALL_Z)]
        depths.append(np.where(on_card, *z).astype(np.float32))
    np.savez(root / "depth.npz", depth=np.stack(depths))
    write_json(root / "source.json", source)
    moved = Trajectory(K, rigid(np.eye(3), np.array([-take_x, 0.0, 0.0])) @ poses, WIDTH, HEIGHT)
    write_json(root / "take.json", moved.numbered(NUMBERS, None))
    shot = Shot(root / "shot")
    depth = create_depth_source(str(root / "depth.npz"), camera=root / "source.json")
    reconstruction = make_reconstruction(
        shot, PlateRequest(str(root / "plate")), DepthPlan(depth), MeshSettings(), Silent()
    )
    pipeline = TakePipeline(shot, reconstruction, "embree", Silent())
    folder = pipeline.deliver(
        pipeline.render(pipeline.camera(camera_from_file(root / "take.json"))), create_generator("preview")
    )
    return Take(folder, moved, json.loads((folder / "take.json").read_text()))


STILL = np.broadcast_to(np.eye(4), (COUNT, 4, 4))
MOVING = np.stack([rigid(rotation_y(0.01 * i), np.array([-0.03 * i, 0.0, 0.0])) for i in range(COUNT)])


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Take]:
    poses = {"still source": STILL, "moving source": MOVING}
    return {name: shoot(tmp_path_factory.mktemp("shot"), of_it) for name, of_it in poses.items()}


@pytest.fixture(params=["still source", "moving source"])
def take(request: pytest.FixtureRequest, takes: dict[str, Take]) -> Take:
    return takes[request.param]


def test_measured_pixels_are_the_source(take: Take) -> None:
    for index, camera in enumerate(take.trajectory):
        truth = np.where(card(index, camera)[..., None], RED, wall_picture(camera)) * 255
        seen = take.mask(index) > 0
        error = np.abs(take.result(index).astype(float) - truth).max(axis=2)[seen]
        # The card's edge falls between pixels.
        assert np.percentile(error, 97) <= 2.5


def test_what_other_frames_saw_is_the_true_background(take: Take) -> None:
    count = 0
    for index, camera in enumerate(take.trajectory):
        other = take.origin(index) == PixelOrigin.OTHER_FRAME
        error = np.abs(take.result(index).astype(float) - wall_picture(camera) * 255).max(axis=2)[other]
        count += int(other.sum())
        if error.size:
            assert np.percentile(error, 95) <= 3
            assert error.max() < 40  # the card's red is 120 and more away
    assert count > COUNT * 100


def test_most_of_the_uncovered_background_was_found(take: Take) -> None:
    found = holes = 0
    for index in range(2, COUNT - 2):
        # Away from the frame's border, behind which no frame looked.
        hole = (take.mask(index) == 0)[:, 24:-24]
        holes += int(hole.sum())
        found += int((hole & (take.origin(index)[:, 24:-24] == PixelOrigin.OTHER_FRAME)).sum())
    assert found > 0.7 * holes > 500


def test_invented_pixels_take_no_red(take: Take) -> None:
    for index, camera in enumerate(take.trajectory):
        invented = take.origin(index) == PixelOrigin.INVENTED
        redness = take.result(index)[..., 0].astype(float) - take.result(index)[..., 1:].max(axis=2)
        wall = wall_picture(camera) * 255
        expected = (wall[..., 0] - wall[..., 1:].max(axis=2)).max()
        assert np.percentile(redness[invented], 99) < expected + 30


def test_confidence_and_shares_fit_the_mask(take: Take) -> None:
    for index, frame in enumerate(take.record["frames"]):
        mask, origin = take.mask(index), take.origin(index)
        assert set(np.unique(mask)) <= {0, 255}
        assert np.array_equal(origin == PixelOrigin.MEASURED, mask == 255)
        assert frame["frame"] == NUMBERS[index]
        assert frame["generated"] == pytest.approx((mask == 0).mean(), abs=1e-6)
        other = (origin == PixelOrigin.OTHER_FRAME).sum() / max((mask == 0).sum(), 1)
        assert frame["of_it_from_other_frames"] == pytest.approx(other, abs=1e-5)
    shares = [frame["generated"] for frame in take.record["frames"]]
    assert take.record["generated_mean"] == pytest.approx(np.mean(shares), abs=1e-5)
    assert take.record["generated_max"] == pytest.approx(max(shares), abs=1e-5)


def test_the_record_says_what_it_is(take: Take) -> None:
    assert take.record["fill"]["generative_model"] is False
    assert "no generative model" in take.record["fill"]["label"]
    assert take.record["fill"]["seed"] is None
    assert len(take.record["plate"]["sha256"]) == 64
    assert {"ex4d", "numpy", "python"} <= take.record["versions"].keys()
    assert take.record["camera"]["file"].endswith("take.json")


def test_nothing_static_flickers(takes: dict[str, Take]) -> None:
    """Still source and take cameras: filled background that no card ever crosses does not change."""
    take = takes["still source"]
    results = np.stack([take.result(index) for index in range(COUNT)]).astype(float)
    other = np.stack([take.origin(index) != PixelOrigin.MEASURED for index in range(COUNT)])
    away = np.stack([~card(index, camera) for index, camera in enumerate(take.trajectory)]).all(axis=0)
    strip = other.all(axis=0) & away  # the frame's border, filled in all frames
    assert strip.sum() > 500
    assert np.abs(np.diff(results, axis=0)).max(axis=-1)[:, strip].mean() < 1.5


def test_two_runs_are_the_same_to_the_bit(takes: dict[str, Take], tmp_path: Path) -> None:
    first, second = takes["moving source"], shoot(tmp_path, MOVING)
    for index in range(COUNT):
        assert np.array_equal(first.result(index), second.result(index))
        assert np.array_equal(first.origin(index), second.origin(index))


def test_sixteen_bits(tmp_path: Path) -> None:
    take = shoot(tmp_path, STILL, dtype=np.uint16)
    index = COUNT // 2
    assert take.result(index).dtype == np.uint16
    other = take.origin(index) == PixelOrigin.OTHER_FRAME
    truth = wall_picture(take.trajectory[index]) * 65535
    error = np.abs(take.result(index) - truth).max(axis=2)[other]
    assert np.percentile(error, 90) < 2 * 257
