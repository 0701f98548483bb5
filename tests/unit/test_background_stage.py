# SPDX-License-Identifier: Apache-2.0
"""Takes of a moving film plate: the truth of other frames is delivered, with its own origin everywhere."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from numpy.typing import NDArray
from scenes import Plane, cast, picture_at, rays
from toy_generator.spec import ToyFill

from ex4d.camera import Camera, Trajectory, intrinsics, write_json
from ex4d.camera.transforms import invert_rigid, rigid, rotation_y
from ex4d.commands.render import _rest
from ex4d.composite.result_files import sequence_file
from ex4d.depth import create_depth_source
from ex4d.depth.base import DepthFrame, DepthResult
from ex4d.fill import create_generator
from ex4d.fill.base import PixelOrigin
from ex4d.fill.stage import FillStage
from ex4d.jobs import preview, render
from ex4d.jobs.context import JobContext
from ex4d.jobs.takes import TakePipeline
from ex4d.media.exr_values import read_exr_values
from ex4d.media.images import read_grey, read_image, write_png
from ex4d.mesh import MeshSettings
from ex4d.protocol.requests import MoveCamera, OutputRequest, PlateRequest, PreviewRequest, RenderRequest
from ex4d.shot.depth_plan import DepthPlan
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import make_reconstruction, open_reconstruction
from ex4d.system.progress import Silent

WIDTH, HEIGHT, COUNT, WALL_Z = 80, 60, 6, 5.0
NUMBERS = range(1001, 1001 + COUNT)
#: The wall is brighter than the working picture can be.
BRIGHT = 100.0
MOVING = np.stack([rigid(rotation_y(0.01 * i), np.array([0.15 * i, 0.0, 0.0])) for i in range(COUNT)])


def wall(camera: Camera) -> NDArray[np.float64]:
    origin, directions = rays(camera)
    points = origin + directions * cast([Plane((0.0, 0.0, 1.0), WALL_Z)], camera)[0][..., None]
    return BRIGHT * picture_at(points[..., 0] * 14, points[..., 1] * 14)


@dataclass
class Made:
    folder: Path
    trajectory: Trajectory
    record: dict[str, Any]
    stages: set[str]

    def exr(self, kind: str, number: int) -> NDArray[Any]:
        return np.asarray(read_exr_values(sequence_file(self.folder / kind, number, ".exr").read_bytes()))[..., :3]

    def confidence(self, number: int) -> NDArray[np.uint8]:
        return np.asarray(read_grey(sequence_file(self.folder / "confidence", number)), np.uint8)

    def mask(self, number: int) -> NDArray[np.uint8]:
        return np.asarray(read_grey(sequence_file(self.folder / "mask", number)), np.uint8)


def shoot(root: Path, poses: NDArray[np.float64], move: str) -> Made:
    source = Trajectory(intrinsics(70.0, WIDTH, HEIGHT), invert_rigid(poses), WIDTH, HEIGHT).numbered(NUMBERS, None)
    (root / "plate").mkdir(parents=True)
    depths = []
    for number, camera in zip(NUMBERS, source, strict=True):
        planes = {name: wall(camera)[..., i].astype(np.float16) for i, name in enumerate("RGB")}
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        with OpenEXR.File({**header, "colorInteropID": "lin_rec709_scene"}, planes) as file:
            file.write(str(root / "plate" / f"p.{number}.exr"))
        depths.append(cast([Plane((0.0, 0.0, 1.0), WALL_Z)], camera)[0].astype(np.float32))
    np.savez(root / "depth.npz", depth=np.stack(depths))
    write_json(root / "source.json", source)
    shot = Shot(root / "shot")
    depth = create_depth_source(str(root / "depth.npz"), camera=root / "source.json")
    made = make_reconstruction(shot, PlateRequest(str(root / "plate")), DepthPlan(depth), MeshSettings(), Silent())
    pipeline = TakePipeline(shot, made, "embree", Silent())
    rendered = pipeline.render(pipeline.camera(MoveCamera(move)))
    folder = pipeline.deliver(rendered, create_generator("preview"), output=OutputRequest(aov=True))
    stages = {path.name.split("-")[0] for path in (root / "shot" / "cache").iterdir()}
    return Made(folder, rendered.raster.trajectory, json.loads((folder / "take.json").read_text()), stages)


@pytest.fixture(scope="module")
def take(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return shoot(tmp_path_factory.mktemp("moving"), MOVING, "zoom_out:1.4..1.4")


def test_the_truth_of_other_frames_is_delivered(take: Made) -> None:
    """The working picture ends at 64: what comes through it could not be brighter."""
    count = 0
    for index, number in enumerate(NUMBERS):
        other = take.confidence(number) == PixelOrigin.OTHER_FRAME
        result, truth = take.exr("result", number), wall(take.trajectory[index])
        count += int(other.sum())
        if other.any():
            assert np.percentile(np.abs(result[other].astype(float) / truth[other] - 1), 97) < 0.02
            assert result[other].max() > 80
    assert count > 1000


def test_other_frames_keep_their_own_origin(take: Made) -> None:
    for frame, number in zip(take.record["frames"], NUMBERS, strict=True):
        origin, mask = take.confidence(number), take.mask(number)
        assert origin.shape == mask.shape
        assert np.array_equal(origin == PixelOrigin.MEASURED, mask == 255)
        with OpenEXR.File(str(sequence_file(take.folder / "aov", number, ".exr")), separate_channels=True) as file:
            told = next(part.channels["origin.Y"] for part in file.parts if "origin.Y" in part.channels).pixels
        expected = np.select([mask == 255, origin == PixelOrigin.OTHER_FRAME], [1.0, 0.5], 0.0)
        assert np.array_equal(told, expected)
        share = (origin == PixelOrigin.OTHER_FRAME).sum() / (mask == 0).sum()
        assert frame["of_it_from_other_frames"] == pytest.approx(share, abs=1e-5)
        assert frame["of_it_from_other_frames"] > 0.1
        rest = frame["of_it_revealed"] + frame["of_it_never_covered"]
        assert frame["of_it_from_other_frames"] + rest == pytest.approx(1, abs=1e-5)
        # A wall hides nothing.
        assert frame["of_it_revealed"] < 0.1
    assert sum("come from other frames" in note for note in take.record["notes"]) == 1


def test_still_cameras_have_no_such_stage_and_the_fill_its_old_key(tmp_path: Path, take: Made) -> None:
    still = shoot(tmp_path, MOVING[[0] * COUNT], "zoom_out:1.4..1.4")
    assert "background" in take.stages
    assert "background" not in still.stages
    nothing: Any = None
    plain = FillStage("r" * 16, nothing, create_generator("preview"))
    assert "background" not in plain.inputs()
    assert FillStage("r" * 16, nothing, create_generator("preview"), "b" * 16).key() != plain.key()
    assert [frame["of_it_never_covered"] > 0.9 for frame in still.record["frames"]] == [True] * COUNT


@pytest.mark.parametrize("job", [render.run, preview.run], ids=["render", "preview"])
def test_renders_and_previews_tell_what_no_frame_has_in_its_view(take: Made, job: Any) -> None:
    """As takes do: what other frames have seen was never outside the views of all."""
    request = PreviewRequest if job is preview.run else RenderRequest
    drawn = job(request(str(take.folder.parents[1]), MoveCamera("zoom_out:1.4..1.4")), JobContext())
    told = [frame["generated"] * frame["of_it_never_covered"] for frame in take.record["frames"]]
    assert min(told) > 0.2
    np.testing.assert_allclose(drawn.never_covered, told, atol=0.05 if job is preview.run else 0.015)
    line = _rest(drawn)
    never = sum(told) / sum(1 - share for share in drawn.coverage)
    assert line.endswith("% in no frame's view")
    assert float(line.split("move, ")[1].split("%")[0]) == pytest.approx(100 * never, abs=12)


@dataclass(frozen=True)
class _Shown(ToyFill):
    """Draws one colour, and keeps what it was shown of other frames."""

    shown: dict[int, NDArray[np.bool_]] = field(default_factory=dict)

    def generate(self, take: Any, sink: Any, progress: Any) -> tuple[str, ...]:
        for frame in take.frames():
            assert frame.other is not None
            whole = frame.with_other_frames()
            assert np.array_equal(whole.mask > 0, (frame.mask > 0) | frame.other.known)
            assert np.array_equal(whole.color[frame.other.known], frame.other.values[frame.other.known])
            self.shown[frame.number] = frame.other.known
        return super().generate(take, sink, progress)


def test_any_generator_is_shown_what_other_frames_show_and_keeps_it(take: Made) -> None:
    """Whatever it draws there, the result has the other frames' own pixels."""
    shot = Shot(take.folder.parents[1])
    pipeline = TakePipeline(shot, open_reconstruction(shot), "embree", Silent())
    rendered = pipeline.render(pipeline.camera(MoveCamera("zoom_out:1.4..1.4")))
    toy = _Shown(0.5, None)
    made = Made(pipeline.deliver(rendered, toy), take.trajectory, {}, set())
    for number in NUMBERS:
        other, mask = made.confidence(number) == PixelOrigin.OTHER_FRAME, made.mask(number)
        assert np.array_equal(other, toy.shown[number])
        ours, preview_s = made.exr("result", number), take.exr("result", number)
        assert np.array_equal(ours[other | (mask > 0)], preview_s[other | (mask > 0)])
        invented = ~other & (mask == 0)
        assert (ours[invented] != preview_s[invented]).mean() > 0.5


class _Flat:
    """The wall's depth, whatever hangs on it, and where it says that something moves."""

    name, label, licence, tolerance = "flat", "a fake", "none", 0.05

    def __init__(self, source: Trajectory, moving: list[NDArray[np.bool_]]) -> None:
        self.source, self.moving = source, moving

    def prepare(self) -> str:
        return ""

    def inputs(self) -> dict[str, Any]:
        return {"told": len(self.moving)}

    def steps(self, frames: Any) -> int:
        return 1

    def estimate(self, frames: Any, sink: Any, scratch: Path, progress: Any) -> DepthResult:
        for index, (number, camera) in enumerate(zip(frames.numbers, self.source, strict=True)):
            depth = cast([Plane((0.0, 0.0, 1.0), WALL_Z)], camera)[0].astype(np.float32)
            sink.write(DepthFrame(number, depth, moving=self.moving[index] if self.moving else None))
        return DepthResult(self.source, poses_known=True, intrinsics_known=True)


@pytest.mark.parametrize("turns", [False, True], ids=["moves", "turns"])
def test_a_mover_that_stands_in_half_of_the_frames_is_not_copied(tmp_path: Path, turns: bool) -> None:
    """It is as far away as the wall, so depth does not give it away, and half of the frames agree on its colour: only
    what the depth stage was told of it does."""
    count = 10
    step, place = ((0.03, 0.0), 4.2) if turns else ((0.0, 0.16), 3.6)
    poses = np.stack([rigid(rotation_y(step[0] * i), np.array([step[1] * i, 0.0, 0.0])) for i in range(count)])
    numbers = range(1001, 1001 + count)
    source = Trajectory(intrinsics(70.0, WIDTH, HEIGHT), invert_rigid(poses), WIDTH, HEIGHT).numbered(numbers, None)

    def seen(camera: Camera, index: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        origin, directions = rays(camera)
        points = origin + directions * cast([Plane((0.0, 0.0, 1.0), WALL_Z)], camera)[0][..., None]
        on_it = (np.abs(points[..., 0] - place) < 0.4) & (np.abs(points[..., 1]) < 0.7) & (index >= count // 2)
        return 0.3 + 0.2 * picture_at(points[..., 0] * 14, points[..., 1] * 14), on_it

    (tmp_path / "plate").mkdir()
    masks = []
    for index, camera in enumerate(source):
        picture, on_it = seen(camera, index)
        picture[on_it] = (1.0, 0.0, 0.0)
        masks.append(on_it)
        write_png(tmp_path / "plate" / f"p.{numbers[index]}.png", np.rint(picture * 255).astype(np.uint8))
    assert 3 < sum(mask.any() for mask in masks) <= count // 2

    def reddest(moving: list[NDArray[np.bool_]]) -> float:
        shot = Shot(tmp_path / f"shot-{len(moving)}")
        plan = DepthPlan(_Flat(source, moving))
        made = make_reconstruction(shot, PlateRequest(str(tmp_path / "plate")), plan, MeshSettings(), Silent())
        pipeline = TakePipeline(shot, made, "embree", Silent())
        rendered = pipeline.render(pipeline.camera(MoveCamera("zoom_out:1.8..1.8")))
        folder = pipeline.deliver(rendered, create_generator("preview"))
        most = 0.0
        for index in range(count // 2):
            number = numbers[index]
            other = read_grey(sequence_file(folder / "confidence", number)) == PixelOrigin.OTHER_FRAME
            result = read_image(sequence_file(folder / "result", number)).astype(float)
            assert other.sum() > 100
            most = max(most, float((result[..., 0] - result[..., 1])[other].max()))
        return most

    assert reddest([]) > 150
    assert reddest(masks) < 60
