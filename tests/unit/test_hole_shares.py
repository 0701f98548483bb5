# SPDX-License-Identifier: Apache-2.0
"""Why pixels had to be filled: revealed by the move, or never covered by any frame."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scenes import Plane, mesh_of

from ex4d.camera import Camera, Trajectory, intrinsics, static_trajectory
from ex4d.camera.transforms import rigid
from ex4d.composite.coverage import fill_note, hole_shares
from ex4d.fill.base import PixelOrigin
from ex4d.media.frames import ArrayFrames
from ex4d.raster.coverage import asked_cameras
from ex4d.raster.embree import EmbreeRasterizer
from ex4d.raster.stage import RasterStage
from ex4d.raster.store import RASTER_FILE
from ex4d.stages.stage import Part, PartOutput

WIDTH, HEIGHT = 120, 80
SOURCE = Camera(intrinsics(100.0, WIDTH, HEIGHT), np.eye(4), WIDTH, HEIGHT)


class Box:
    """A card before a wall."""

    def hit(self, origin, directions):  # type: ignore[no-untyped-def]
        t = Plane((0.0, 0.0, 1.0), 3.0).hit(origin, directions)
        points = origin + directions * t[..., None]
        return np.where((np.abs(points[..., 0]) < 0.4) & (np.abs(points[..., 1]) < 0.4), t, np.inf)


def shares(camera: Camera, others: list[Camera]) -> tuple[dict[str, float], np.ndarray]:
    mesh, _ = mesh_of([Plane((0.0, 0.0, 1.0), 6.0), Box()], SOURCE)
    with EmbreeRasterizer().upload(mesh, np.full((HEIGHT, WIDTH, 3), 90, np.uint8)) as scene:
        frame = scene.render(camera)
    origin = np.where(frame.mask > 0, np.uint8(PixelOrigin.MEASURED), np.uint8(PixelOrigin.INVENTED))
    return hole_shares(frame.mask, origin, frame.z, camera, SOURCE, others), frame.mask


def test_behind_the_card_is_revealed_and_beside_the_frame_never_covered() -> None:
    camera = replace(SOURCE, E=rigid(np.eye(3), np.array([-0.6, 0.0, 0.0])))
    found, mask = shares(camera, [])
    assert found["generated"] == pytest.approx((mask == 0).mean(), abs=1e-6)
    # The wall has moved by f·b/z = 10 pixels: so wide is the strip at the right; the card by 20.
    strip = mask[:, -10:] == 0
    hole = mask == 0
    assert strip.sum() > 0.9 * 10 * HEIGHT
    assert found["of_it_never_covered"] == pytest.approx(strip.sum() / hole.sum(), abs=0.02)
    assert found["of_it_revealed"] == pytest.approx(1 - strip.sum() / hole.sum(), abs=0.02)
    assert found["of_it_revealed"] > 0.15


def test_what_another_frame_has_in_its_view_is_covered() -> None:
    wide = replace(SOURCE, K=intrinsics(50.0, WIDTH, HEIGHT))
    alone, mask = shares(wide, [])
    assert (mask == 0).mean() > 0.7
    assert alone["of_it_never_covered"] > 0.99
    assert alone["of_it_revealed"] < 0.01
    # Another frame looked at the right half besides: a plane at the wall's depth.
    beside = replace(SOURCE, E=rigid(np.eye(3), np.array([-3.6, 0.0, 0.0])))
    both, _ = shares(wide, [beside])
    expected = 30 * 40 / (mask == 0).sum()
    assert alone["of_it_never_covered"] - both["of_it_never_covered"] == pytest.approx(expected, abs=0.02)


def test_what_comes_from_other_frames_is_neither() -> None:
    mask = np.array([[255, 0, 0, 0]], np.uint8)
    origin = np.array([[255, 128, 128, 0]], np.uint8)
    z = np.full((1, 4), np.nan, np.float32)
    camera = Camera(intrinsics(4.0, 4, 1), np.eye(4), 4, 1)
    found = hole_shares(mask, origin, z, camera, camera, [])
    assert found["generated"] == 0.75
    assert found["of_it_from_other_frames"] == pytest.approx(2 / 3, abs=1e-6)
    parts = [found[f"of_it_{name}"] for name in ("from_other_frames", "revealed", "never_covered")]
    assert sum(parts) == pytest.approx(1, abs=1e-5)


def test_nothing_is_filled_where_all_is_seen() -> None:
    found, _ = shares(SOURCE, [])
    assert set(found.values()) == {0}
    assert fill_note([found, found]) == ""


def test_the_note_weighs_frames_by_what_was_filled_in_them() -> None:
    one = {"generated": 0.1, "of_it_from_other_frames": 1.0, "of_it_revealed": 0.0, "of_it_never_covered": 0.0}
    two = {"generated": 0.3, "of_it_from_other_frames": 0.0, "of_it_revealed": 0.4, "of_it_never_covered": 0.6}
    note = fill_note([one, two])
    assert "25% come from other frames, 30% were hidden behind something, and 45% lie outside" in note


def test_cameras_of_long_shots_are_asked_evenly() -> None:
    poses = np.broadcast_to(np.eye(4), (500, 4, 4)).copy()
    poses[:, 0, 3] = np.arange(500)
    source = Trajectory(SOURCE.K, poses, WIDTH, HEIGHT)
    assert len(asked_cameras(source)) == 24
    short = replace(source, E=source.E[:3], K=source.K[:3], near=source.near[:3], far=source.far[:3])
    assert len(asked_cameras(short)) == 3
    # One that stands still has one view.
    assert len(asked_cameras(replace(source, E=np.broadcast_to(np.eye(4), poses.shape)))) == 1


@pytest.mark.parametrize("told", [True, False])
def test_a_render_begun_by_an_earlier_version_tells_nothing_of_what_is_never_covered(
    told: bool, tmp_path: Path
) -> None:
    frames = ArrayFrames.of([np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 2, Fraction(25), (1, 2))
    camera = static_trajectory(SOURCE.K, WIDTH, HEIGHT, 2)
    nothing: Any = None
    stage = RasterStage("p", "m", frames, nothing, camera, "embree", lambda: (EmbreeRasterizer(), ()))
    first: dict[str, Any] = {"coverage": [0.5], **({"never_covered": [0.25]} if told else {})}
    second = {"coverage": [0.75], "never_covered": [0.125]}
    stage.finish(tmp_path, [PartOutput(part, (), done) for part, done in ((Part(0, 1), first), (Part(1, 2), second))])
    record = json.loads((tmp_path / RASTER_FILE).read_text(encoding="utf-8"))
    assert record["coverage"] == [0.5, 0.75]
    assert record.get("never_covered") == ([0.25, 0.125] if told else None)
