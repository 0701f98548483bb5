# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of rendered clips carry the truth along: a dot of known place is where the edited camera says."""

from __future__ import annotations

import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ex4d.camera import Camera, Trajectory, intrinsics
from ex4d.evaluation.truth import TruthScene
from tools.scenes import edit_clip
from tools.scenes.truth.edits import EDITS, Clip, parse, read, write

SIZE, FRAMES, FPS, RADIUS = 64, 12, 24, 2.0
#: The scene is a wall at z = WALL with bright dots on it.
WALL = 4.0
DOTS = np.array([[x, y, WALL] for x in (-0.9, 0.05, 0.8) for y in (-0.7, 0.1, 0.85)])


def _wall_depth(camera: Camera) -> np.ndarray:
    """(H, W) z-depth of the wall in the pixels' centres."""
    x, y = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    rays = np.concatenate([camera.rays(np.stack([x, y], -1)), np.ones((*x.shape, 1))], -1) @ camera.E[:3, :3]
    return (WALL - camera.center()[2]) / rays[..., 2]


def _picture(camera: Camera) -> np.ndarray:
    """(H, W, 3) a dark wall with the dots."""
    x, y = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    places, _ = camera.project(DOTS)
    light = sum(np.exp(-((x - u) ** 2 + (y - v) ** 2) / RADIUS**2) for u, v in places)
    return np.repeat(np.asarray(light, np.float32)[..., None], 3, -1)


def _clip(frames: int = FRAMES, fps: int = FPS, speed: float = 0.02, zoom: float = 1.0) -> Clip:
    """The camera goes to the right, and its focal length grows by so much."""
    E = np.tile(np.eye(4), (frames, 1, 1))
    E[:, 0, 3] = -speed * np.arange(frames)
    K = np.stack([intrinsics(60 * zoom**t, SIZE, SIZE) for t in np.linspace(0, 1, frames)])
    camera = Trajectory(K, E, SIZE, SIZE).numbered(range(1, frames + 1), Fraction(fps))
    shape = (frames, SIZE, SIZE)
    return Clip(
        np.stack([_picture(each) for each in camera]),
        np.stack([_wall_depth(each) for each in camera]).astype(np.float32),
        np.full(shape, 1, np.int32),
        np.broadcast_to(np.float32([0, 0, -1]), (*shape, 3)).copy(),
        camera,
        {
            "format": "ex4d-truth",
            "version": 1,
            "family": "wall",
            "matte": True,
            "pivot": WALL,
            "objects": {"1": {"name": "wall", "moving": False}},
        },
    )


def _misplaced(clip: Clip, frames: range | None = None) -> float:
    """The greatest distance, in pixels, of a dot from where its camera has it; of dots well inside the picture."""
    worst, margin, found = 0.0, 2.5 * RADIUS, 0
    y, x = np.mgrid[: clip.height, : clip.width] + 0.5
    frames = frames or range(len(clip))
    for index in frames:
        for u, v in clip.camera[index].project(DOTS)[0]:
            if not (margin < u < clip.width - margin and margin < v < clip.height - margin):
                continue
            light = clip.pictures[index, ..., 0] * (np.hypot(x - u, y - v) < margin)
            worst = max(
                worst, float(np.hypot((light * x).sum() / light.sum() - u, (light * y).sum() / light.sum() - v))
            )
            found += 1
    assert found >= 2 * len(frames)
    return worst


def _wrong_depth(clip: Clip) -> float:
    """The greatest error of depth, as a share."""
    return max(float(np.abs(clip.z[i] / _wall_depth(clip.camera[i]) - 1).max()) for i in range(len(clip)))


def test_the_wall_is_where_its_cameras_say() -> None:
    assert _misplaced(_clip()) < 0.02
    assert _wrong_depth(_clip()) < 1e-6


@pytest.mark.parametrize(
    "text", ["distort:-0.2", "distort:-0.1,0.05", "distort:0.15", "shake:2", "shake:2,7", "crop:5,9,50,40"]
)
def test_rays_go_along(text: str) -> None:
    for clip in (_clip(), _clip(zoom=0.8)):
        edited = parse(text)(clip)
        assert _misplaced(edited) < 0.1
        # The nearest pixel's depth: half a pixel aside at most.
        assert _wrong_depth(edited) < 0.004


def test_what_the_edited_rays_tell_apart() -> None:
    """The measures above see an edit whose camera does not go along."""
    clip = _clip()
    for text, least in (("distort:-0.2", 0.3), ("shake:2", 1.0), ("crop:5,9,64,64", 0)):
        if text.startswith("crop"):
            with pytest.raises(ValueError, match="window"):
                parse(text)(clip)
            continue
        assert _misplaced(replace(parse(text)(clip), camera=clip.camera)) > least


def test_a_shake_stays_at_its_place_and_shows_no_edge() -> None:
    clip = _clip()
    clip = replace(clip, pictures=np.ones_like(clip.pictures))
    edited = parse("shake:3")(clip)
    np.testing.assert_allclose(edited.camera.centers(), clip.camera.centers(), atol=1e-9)
    angles = np.degrees(np.arccos(np.clip((np.trace(edited.camera.E[:, :3, :3], axis1=1, axis2=2) - 1) / 2, -1, 1)))
    assert 1 < angles.max() < 9
    np.testing.assert_allclose(edited.pictures, 1, atol=1e-5)


def test_a_lens_leaves_the_picture_full() -> None:
    clip = replace(_clip(), pictures=np.ones((FRAMES, SIZE, SIZE, 3), np.float32))
    edited = parse("distort:-0.2")(clip)
    np.testing.assert_allclose(edited.pictures, 1, atol=1e-5)
    assert edited.camera.lens is not None
    assert edited.camera.K[0, 0, 0] > 60
    for text in ("distort:-0.1", "shake:1"):
        with pytest.raises(ValueError, match="lens"):
            parse(text)(edited)


def test_a_mirrored_clip_is_of_the_mirrored_scene() -> None:
    clip = parse("crop:5,9,50,40")(_clip())
    edited = parse("mirror")(clip)
    np.testing.assert_array_equal(edited.pictures[:, :, ::-1], clip.pictures)
    np.testing.assert_allclose(edited.camera.centers(), clip.camera.centers() * [-1, 1, 1], atol=1e-12)
    mirrored_dots = DOTS * [-1, 1, 1]
    places = clip.camera[3].project(DOTS)[0]
    np.testing.assert_allclose(edited.camera[3].project(mirrored_dots)[0], [50, 0] + places * [-1, 1], atol=1e-9)
    # The normals of a wall that is seen from the side.
    slanted = replace(clip, normals=np.broadcast_to(np.float32([0.6, 0, -0.8]), clip.normals.shape))
    np.testing.assert_array_equal(parse("mirror")(slanted).normals[0, 0, 0], np.float32([-0.6, 0, -0.8]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("frames:3,6", [2, 3, 4, 5]),
        ("frames:1,12,4", [0, 4, 8]),
        ("frames:12,9", [11, 10, 9, 8]),
        ("frames:7,2,2", [6, 4, 2]),
    ],
)
def test_a_part_of_the_frames(text: str, expected: list[int]) -> None:
    clip, edited = _clip(), parse(text)(_clip())
    np.testing.assert_array_equal(edited.pictures, clip.pictures[expected])
    np.testing.assert_array_equal(edited.camera.E, clip.camera.E[expected])
    assert edited.camera.frame_numbers == tuple(range(1, len(expected) + 1))


def test_frames_on_twos() -> None:
    clip, edited = _clip(), parse("held:2")(_clip())
    assert edited.record["held"] == [2, 4, 6, 8, 10, 12]
    np.testing.assert_array_equal(edited.pictures[1::2], edited.pictures[::2])
    np.testing.assert_array_equal(edited.pictures[::2], clip.pictures[::2])
    assert _misplaced(edited) < 0.02
    assert edited.camera.frame_numbers == clip.camera.frame_numbers


def test_a_pulldown_weaves_two_of_five() -> None:
    clip, edited = _clip(), parse("pulldown")(_clip())
    assert (len(edited), edited.camera.fps) == (15, 30)
    assert edited.record["woven"] == [3, 4, 8, 9, 13, 14]
    np.testing.assert_array_equal(edited.pictures[2, ::2], clip.pictures[1, ::2])
    np.testing.assert_array_equal(edited.pictures[2, 1::2], clip.pictures[2, 1::2])
    np.testing.assert_array_equal(edited.pictures[9], clip.pictures[7])
    assert _misplaced(edited, range(2)) < 0.02


def test_a_cut_goes_on_in_another_world(tmp_path: Path) -> None:
    other = _clip(speed=-0.03)
    write(other, tmp_path / "other")
    edited = parse(f"cut:{tmp_path / 'other'}")(_clip())
    assert edited.record["shots"] == [1, FRAMES + 1]
    assert set(edited.record["objects"]) == {"1", "2"}
    assert np.unique(edited.ids[FRAMES:]).tolist() == [2]
    assert _misplaced(edited) < 0.02


def test_a_shutter_blurs_about_the_middle() -> None:
    clip = _clip(60, 120, speed=0.04)
    edited = parse("shutter:5,5")(clip)
    assert (len(edited), edited.camera.fps) == (12, 24)
    # Equal ways before and after: the blurred dot's middle stays where the camera has it, and it is wider and darker.
    assert _misplaced(edited, range(4)) < 0.1
    assert edited.pictures[2].max() < 0.9 * clip.pictures[12].max()
    np.testing.assert_allclose(edited.pictures.sum(axis=(1, 2, 3))[2], clip.pictures[12].sum(), rtol=0.02)
    with pytest.raises(ValueError, match="odd"):
        parse("shutter:5,4")(clip)


def test_a_rolling_shutter_has_each_row_at_its_time() -> None:
    clip = _clip(60, 120, speed=0.04)
    edited = parse("rolling:5,5")(clip)
    assert (len(edited), edited.camera.fps, edited.record["readout"]) == (12, 24, 1.0)
    np.testing.assert_array_equal(edited.pictures[3, 0], clip.pictures[15, 0])
    np.testing.assert_array_equal(edited.pictures[3, -1], clip.pictures[19, -1])
    np.testing.assert_array_equal(edited.camera.E[3], clip.camera.E[17])
    # Straight rows of dots lean: above they are early, below late.
    assert _misplaced(edited) > 0.5


def test_bars_and_letters_cover_the_scene() -> None:
    boxed = parse("letterbox:2")(_clip())
    left, top, width, height = boxed.record["picture"]
    assert (left, top, width, height) == (0, 16, 64, 32)
    assert not boxed.pictures[:, :top].any()
    assert np.isinf(boxed.z[:, :top]).all()
    np.testing.assert_array_equal(boxed.pictures[:, top : top + height], _clip().pictures[:, top : top + height])
    burnt = parse("burn_in")(_clip())
    letters = ~np.isfinite(burnt.z)
    assert 0.001 < letters.mean() < 0.2
    assert (burnt.pictures[letters] == 1).all()
    np.testing.assert_array_equal(burnt.pictures[~letters], _clip().pictures[~letters])
    assert (letters[0] != letters[1]).any()
    with pytest.raises(ValueError, match="aspect"):
        parse("letterbox:0.9")(_clip())


def test_grain_is_new_in_each_frame_and_of_the_light() -> None:
    clip = replace(_clip(), pictures=np.full((FRAMES, SIZE, SIZE, 3), 0.25, np.float32))
    noise = parse("grain:0.05")(clip).pictures - np.float32(0.25)
    assert noise.std() == pytest.approx(0.05 * 0.5, rel=0.05)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.05


def test_edited_clips_are_scenes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(_clip(), tmp_path / "wall")
    arguments = [
        "edit_clip",
        str(tmp_path / "wall"),
        "distort:-0.1",
        "letterbox:1.6",
        "--out",
        str(tmp_path / "edited"),
    ]
    monkeypatch.setattr(sys, "argv", arguments)
    edit_clip.main()
    assert "12 frames of 64x64" in capsys.readouterr().out
    scene, clip = TruthScene.open(tmp_path / "edited"), read(tmp_path / "edited")
    assert clip.record["edits"] == ["distort:-0.1", "letterbox:1.6"]
    assert scene.source.camera.lens == clip.camera.lens is not None
    expected = parse("letterbox:1.6")(parse("distort:-0.1")(_clip()))
    np.testing.assert_allclose(clip.pictures, expected.pictures, atol=1e-3)
    np.testing.assert_array_equal(clip.z, expected.z)
    np.testing.assert_array_equal(clip.ids, expected.ids)
    codes = scene.source.picture(3)
    assert codes.dtype == np.uint8
    light = clip.pictures[2]
    bright = light > 0.01
    expected_codes = 255 * (1.055 * light[bright] ** (1 / 2.4) - 0.055)
    assert bright.sum() > 100
    assert np.abs(codes[bright] - expected_codes).max() <= 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no edit"),
        ("blur:3", "no edit blur"),
        ("frames:0,5", "frames 1 to 12"),
        ("frames:3,13", "frames 1 to 12"),
        ("frames:1,5,0", "frames 1 to 12"),
        ("held", "takes TIMES"),
        ("held:1", "twice at least"),
        ("held:x", "invalid literal"),
        ("crop:1,2,3", "takes LEFT,TOP,WIDTH,HEIGHT"),
        ("pulldown:2", "no values"),
        ("shutter:50,3", "more frames"),
        ("rolling:3,5", "more frames"),
    ],
)
def test_other_edits_are_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse(text)(_clip())


def test_too_short_clips_are_refused() -> None:
    short = _clip().chosen(np.arange(3))
    with pytest.raises(ValueError, match="four frames"):
        parse("pulldown")(short)
    with pytest.raises(ValueError, match="more frames"):
        parse("shutter:5,3")(short)


def test_each_edit_says_its_values() -> None:
    assert EDITS["distort"].usage == "K1,[K2]"
    assert EDITS["crop"].usage == "LEFT,TOP,WIDTH,HEIGHT"
