# SPDX-License-Identifier: Apache-2.0
"""Simulated masks against scenes whose every ray can be computed by hand."""

import cv2
import numpy as np
import pytest
from scenes import Plane, Sphere, cast, rays

from ex4d.camera import build_take, intrinsics, parse_preset, static_trajectory
from ex4d.protocol.errors import ResourceError, UsageError
from ex4d.raster import create_rasterizer
from ex4d.training.masking import (
    MaskingParameters,
    Tracks,
    draw_sample,
    draw_trajectory,
    erode,
    rendering_mask,
    simulate,
    tracking_mask,
)
from ex4d.training.masking.sampling import draw_kinds, generator
from ex4d.training.masking.trackers import FlowTracker, create_tracker
from ex4d.training.masking.tracking import grid_points

SIDE = 160
SOURCE = static_trajectory(intrinsics(SIDE, SIDE, SIDE), SIDE, SIDE, 1)


def box(low, high):
    """The six sides of a box, each a plane that is only there within its bounds."""
    low, high = np.array(low, float), np.array(high, float)

    class Side:
        def __init__(self, axis, at):
            self.axis, self.at = axis, at

        def hit(self, origin, directions):
            with np.errstate(divide="ignore", invalid="ignore"):
                t = (self.at - origin[self.axis]) / directions[..., self.axis]
                points = origin + t[..., None] * directions
                others = [k for k in range(3) if k != self.axis]
                inside = ((points >= low - 1e-9) & (points <= high + 1e-9))[..., others].all(axis=-1)
            return np.where((t > 0) & inside, t, np.inf)

    return [Side(axis, bound[axis]) for axis in range(3) for bound in (low, high)]


ROOM = [
    Plane((0, 0, 1), 5.0),
    Plane((0, 1, 0), 1.2),
    *box((-0.7, -0.4, 2.6), (0.3, 1.2, 3.2)),
    Sphere((1.0, 0.5, 3.6), 0.5),
]


def covisible(shapes, source, novel):
    """(H, W) whether the novel camera sees the point behind each source pixel, by casting a ray to it."""
    z, _ = cast(shapes, source)
    origin, directions = rays(source)
    points = origin + z[..., None] * directions
    pixel, depth = novel.project(points)
    eye = novel.center()
    way = points - eye
    nearest = np.min([shape.hit(eye, way) for shape in shapes], axis=0)
    inside = ((pixel >= 0) & (pixel <= (novel.width, novel.height))).all(axis=-1)
    return inside & (depth > 0) & (nearest >= 1 - 1e-6)


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


@pytest.fixture(scope="module")
def rasterizer():
    made, _ = create_rasterizer()
    yield made
    made.close()


def moved(text):
    return build_take(parse_preset(text), SOURCE, np.array([0.0, 0.0, 3.0]))


@pytest.mark.parametrize(
    "text", ["orbit:20..20", "orbit:-40..-40", "truck:0.3..0.3", "crane:0.3..0.3", "dolly_in:0.3..0.3", "pan:10..10"]
)
def test_the_rendering_mask_is_the_true_covisibility(rasterizer, text):
    depth = cast(ROOM, SOURCE[0])[0].astype(np.float32)
    novel = moved(text)
    truth = covisible(ROOM, SOURCE[0], novel[0])
    mask = rendering_mask([depth], SOURCE, novel, rasterizer)[0] > 0
    assert iou(mask, truth) >= 0.95
    # Neither a mask without holes nor that of another camera would do.
    assert iou(np.ones_like(truth), truth) < 0.93
    other = rendering_mask([depth], SOURCE, moved("orbit:8..8"), rasterizer)[0] > 0
    assert iou(other, truth) < 0.93
    # Nor wrong depth, unless the camera only turns.
    if text.startswith("pan"):
        return
    bent = depth * np.linspace(0.6, 1.4, SIDE, dtype=np.float32)
    assert iou(rendering_mask([bent], SOURCE, novel, rasterizer)[0] > 0, truth) < iou(mask, truth) - 0.01


def test_from_the_source_camera_all_is_seen(rasterizer):
    depth = cast(ROOM, SOURCE[0])[0].astype(np.float32)
    loose = MaskingParameters(min_angle_deg=0.01, max_depth_ratio=1e6)
    assert (rendering_mask([depth], SOURCE, SOURCE, rasterizer, loose) == 255).mean() > 0.995


def test_pixels_without_depth_and_slivers_are_holes(rasterizer):
    depth = np.full((SIDE, SIDE), 2.0, np.float32)
    depth[40:60, 40:60] = np.nan
    mask = rendering_mask([depth], SOURCE, SOURCE, rasterizer)[0]
    assert not mask[41:59, 41:59].any()
    assert mask[:38].all()
    # A floor that is seen nearly edge-on far away: its faces are needles there.
    floor = cast([Plane((0, 1, 0), 0.05)], SOURCE[0])[0].astype(np.float32)
    kept = [
        (rendering_mask([floor], SOURCE, SOURCE, rasterizer, MaskingParameters(min_angle_deg=angle))[0] > 0).mean()
        for angle in (1.0, 5.0, 15.0)
    ]
    assert kept[0] > kept[1] > kept[2] > 0


def test_skies_are_seen_like_surfaces(rasterizer):
    depth = np.full((SIDE, SIDE), np.inf, np.float32)
    depth[60:100, 60:100] = 2.0
    mask = rendering_mask([depth], SOURCE, moved("truck:0.2..0.2"), rasterizer)[0] > 0
    assert mask[10:50, 10:-10].all()
    assert mask[65:95, 65:95].all()
    hidden = ~mask[70:90]
    # What is hidden lies beside the square, as wide as its shift: 0.6 / 2 · 160 = 48 pixels, less what its own width
    # covers.
    assert 30 <= hidden.sum(axis=1).mean() <= 48


# Tracking


class Scripted:
    """A tracker whose points stand still, and whose right half is lost in frame 1."""

    name = "scripted"

    def track(self, frames, points):
        visible = np.ones((len(frames), len(points)), bool)
        visible[1:, points[:, 0] > frames.shape[2] / 2] = False
        return Tracks(np.repeat(points[None], len(frames), axis=0), visible)


def test_boxes_cover_what_is_tracked():
    mask = tracking_mask(np.zeros((2, 120, 120, 3), np.uint8), Scripted(), 13, 11)
    assert mask.shape == (2, 120, 120)
    assert mask[0].all()
    # Points are 10 pixels apart and boxes reach 5 pixels to each side: up to the last kept point's box.
    assert mask[1, :, :64].all()
    assert not mask[1, :, 68:].any()


def textured(seed, size):
    noise = np.random.default_rng(seed).random((size[1], size[0], 3)).astype(np.float32)
    return (cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)).astype(np.uint8)


def test_flow_follows_a_pan_and_loses_what_is_covered():
    wide, thing = textured(1, (400, 160)), textured(2, (60, 60))
    frames = []
    for index in range(21):
        frame = wide[:, index : index + 200].copy()
        frame[50:110, 3 * index + 10 : 3 * index + 70] = thing
        frames.append(frame)
    points = grid_points(200, 160, 21)
    tracks = FlowTracker().track(np.stack(frames), points)
    moved, kept = tracks.positions[-1] - points, tracks.visible[-1]
    on_thing = (points[:, 0] > 15) & (points[:, 0] < 65) & (points[:, 1] > 55) & (points[:, 1] < 105)
    background = ((points[:, 1] < 40) | (points[:, 1] > 120)) & (points[:, 0] > 30)
    for where, way, error in ((background, (-20, 0), 1), (on_thing, (60, 0), 3)):
        assert kept[where].mean() > 0.75
        assert np.median(np.linalg.norm(moved[where & kept] - way, axis=1)) < error
    # The thing is at x = 70 to 130 at last, over what was at 90 to 150.
    covered = (points[:, 0] > 95) & (points[:, 0] < 145) & (points[:, 1] > 58) & (points[:, 1] < 102)
    assert kept[covered].mean() < 0.5
    assert not kept[points[:, 0] < 10][: 21 // 4].any()


def test_what_comes_into_view_is_a_hole():
    wide = textured(3, (300, 160))
    frames = np.stack([wide[:, 5 * index : 5 * index + 160] for index in range(10)])
    mask = tracking_mask(frames, FlowTracker(), 30, 11)
    assert mask[0].mean() > 250
    assert mask[9, :, :100].mean() > 245
    assert mask[9, :, 125:].mean() < 10


def test_trackers_by_name():
    assert create_tracker("flow").name == "flow"
    with pytest.raises(UsageError, match="no tracker"):
        create_tracker("guess")
    with pytest.raises(ResourceError, match="is not installed"):
        create_tracker("cotracker")


# Sampling


def clip():
    return np.repeat(textured(4, (SIDE, SIDE))[None], 5, axis=0)


def run(seed, rasterizer, video="video", **parameters):
    depth = cast(ROOM, SOURCE[0])[0].astype(np.float32)
    source = static_trajectory(SOURCE.K[0], SIDE, SIDE, 5)
    made = MaskingParameters(**parameters)
    return simulate(video, seed, clip(), [depth] * 5, source, rasterizer, FlowTracker(), made)


def test_the_same_hash_and_seed_give_the_same_mask(rasterizer):
    first, sample = run(3, rasterizer, policy="both")
    again, same = run(3, rasterizer, policy="both")
    assert sample == same
    assert np.array_equal(first, again)
    assert first.dtype == np.uint8
    assert set(np.unique(first)) <= {0, 255}
    assert first[0].all()
    assert not np.array_equal(first, run(4, rasterizer, policy="both")[0])
    assert not np.array_equal(first, run(3, rasterizer, video="other", policy="both")[0])


def test_both_keeps_what_each_keeps(rasterizer):
    masks = {policy: run(5, rasterizer, policy=policy)[0] for policy in ("rendering", "tracking", "both")}
    assert np.array_equal(masks["both"], masks["rendering"] & masks["tracking"])
    assert not np.array_equal(masks["both"], masks["tracking"])


def test_policies():
    def kinds(**parameters):
        return {draw_kinds("v", seed, MaskingParameters(**parameters)) for seed in range(60)}

    assert kinds(policy="rendering") == {("rendering",)}
    assert kinds(policy="either") == {("rendering",), ("tracking",)}
    assert kinds(policy="either", rendering_share=1.0) == {("rendering",)}
    assert kinds(policy="both") == {("rendering", "tracking")}
    drawn = [draw_sample("v", seed, MaskingParameters(policy="tracking"))[0] for seed in range(300)]
    assert {sample.kernel for sample in drawn} == set(range(11, 30, 2))
    assert min(sample.grid for sample in drawn) == 10
    assert max(sample.grid for sample in drawn) == 50


@pytest.mark.parametrize(
    "wrong",
    [
        {"policy": "none"},
        {"families": ("circle",)},
        {"families": ()},
        {"rendering_share": 1.5},
        {"kernel": (10, 20)},
        {"grid": (1, 5)},
        {"radius": (0.5, 0.1)},
        {"tolerance": 0.0},
    ],
)
def test_impossible_parameters_are_refused(wrong):
    with pytest.raises(UsageError):
        MaskingParameters(**wrong)


def test_trajectories_start_at_the_source_and_reach_as_far_as_they_say():
    source = static_trajectory(SOURCE.K[0], SIDE, SIDE, 49)
    names, yaws = set(), {}
    for seed in range(200):
        rng = generator("v", seed, "trajectory")
        novel, name = draw_trajectory(rng, source, 2.0, 3.0, MaskingParameters())
        assert np.allclose(novel.E[0], np.eye(4), atol=0.4)
        assert np.allclose(novel.centers()[0], 0, atol=1e-9)
        family = name.split(":")[0]
        names.add(family)
        forward = novel.E[:, 2, :3]
        yaws.setdefault(family, []).append(np.degrees(np.arctan2(forward[:, 0], forward[:, 2])))
    assert {"ellipse", "half_orbit", "orbit", "truck", "dolly_in", "pan"} <= names
    reach = np.abs(yaws["half_orbit"]).max()
    assert 85 < reach <= 90.001
    assert 30 < np.abs(yaws["ellipse"]).max() < 60
    # Both directions first.
    assert {np.sign(yaw[10]) for yaw in yaws["half_orbit"]} == {-1, 1}


# Erosion


def test_erosion_takes_off_two_to_eight_pixels():
    masks = np.zeros((6, 60, 60), np.uint8)
    masks[:, :, 20:40] = 255
    alike, different = set(), 0
    for seed in range(120):
        eroded = erode(masks, "v", seed, MaskingParameters())
        assert np.array_equal(eroded[0], masks[0])
        widths = (eroded[1:, 30] > 0).sum(axis=1)
        assert 20 - 7 <= widths.min() <= widths.max() <= 20 - 1
        if len(set(widths)) == 1:
            alike.add(int(widths[0]))
        else:
            different += 1
    assert len(alike) >= 4
    assert 30 < different < 90
    assert np.array_equal(erode(masks, "v", 7, MaskingParameters()), erode(masks, "v", 7, MaskingParameters()))
    constant = MaskingParameters(erosion_varies=0.0)
    assert all(len({f.tobytes() for f in erode(masks, "v", seed, constant)[1:]}) == 1 for seed in range(20))
