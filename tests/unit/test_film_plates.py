# SPDX-License-Identifier: Apache-2.0
"""Plates whose truth is another than the working picture, from the file to the pixels of the result."""

from __future__ import annotations

import importlib
import itertools
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from command import make_depth, make_plate, textured
from numpy.typing import NDArray

from ex4d.colour.transforms import transform_of
from ex4d.composite.movies import MovieTake
from ex4d.composite.pixels import ResultPicture, ResultPictures
from ex4d.depth import create_depth_source
from ex4d.fill import TakeScene, create_generator
from ex4d.fill.stage import FillStage, FillStore, RenderedTake
from ex4d.jobs.takes import RenderedShot, TakePipeline
from ex4d.media.encoding import HEADROOM_16
from ex4d.media.images import write_png
from ex4d.mesh import MeshSettings
from ex4d.mesh import stage as mesh_stage
from ex4d.plate import PlateOptions, open_plate
from ex4d.plate.store import PLATE_FILE
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.requests import MoveCamera, PlateRequest
from ex4d.protocol.values import FrameRange
from ex4d.raster.embree import EmbreeRasterizer
from ex4d.raster.stage import BRIGHTEST_FILL
from ex4d.raster.store import RASTER_FILE
from ex4d.shot.depth_plan import DepthPlan
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import Reconstruction, make_reconstruction, open_reconstruction
from ex4d.system.progress import Silent

SIZE = (96, 64)
ACES = {"colorInteropID": "lin_ap1_scene"}
RASTERIZERS = ["embree", "opengl"]
#: Keys of the records of 8- and 16-bit display plates.
PLAIN_PLATE = {
    *("width", "height", "fps", "numbers", "times", "variable_rate", "bit_depth", "has_alpha", "notes"),
}
PLAIN_RASTER = {"coverage", "never_covered", "rasterizer", "device", "licence", "notes"}


def scene_linear(index: int, dtype: Any = np.float16) -> NDArray[Any]:
    """(H, W, 3) scene-linear: a lamp at 60, negatives, inf and NaN among ordinary values."""
    picture = (textured(index, *SIZE).astype(np.float32) / 255) ** 2.2 * 2
    picture[4:8, 10:14] = 60
    picture[20, 50:54] = -0.05
    picture[41, 30] = np.inf
    picture[44, 60, 1] = np.nan
    picture[50, 5] = 65504
    return picture.astype(dtype)


def write_exr(path: Path, pixels: NDArray[Any], **header: Any) -> None:
    names = "RGBA"[: pixels.shape[2]]
    planes = {name: np.ascontiguousarray(pixels[..., i]) for i, name in enumerate(names)}
    attributes = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **header}
    with OpenEXR.File(attributes, planes) as file:
        file.write(str(path))
    # Of files that were just written no stamp tells that they stay.
    os.utime(path, (1_600_000_000, 1_600_000_000))


def bits(values: NDArray[Any]) -> NDArray[Any]:
    """For comparing floats to the bit, NaN included."""
    return values.view(f"u{values.dtype.itemsize}") if values.dtype.kind == "f" else values


@dataclass
class Work:
    """A plate with known depth, and what is done to it."""

    root: Path

    @property
    def plate(self) -> Path:
        return self.root / "plate"

    def write(self, pictures: list[NDArray[Any]], suffix: str = ".exr", **header: Any) -> None:
        self.plate.mkdir(exist_ok=True)
        for number, picture in enumerate(pictures, start=1001):
            path = self.plate / f"p.{number}{suffix}"
            if suffix == ".exr":
                write_exr(path, picture, **header)
            else:
                write_png(path, picture)
        make_depth(self.root / "depth.npz", len(pictures), *SIZE)

    def reconstruct(self, path: Path | None = None, **request: Any) -> Reconstruction:
        source = create_depth_source(str(self.root / "depth.npz"), fov_deg=50)
        plate = PlateRequest(str(path or self.plate), **request)
        return make_reconstruction(Shot(self.root / "shot"), plate, DepthPlan(source), MeshSettings(), Silent())

    def render(
        self, reconstruction: Reconstruction, move: str = "orbit:0", rasterizer: str = "embree", **options: Any
    ) -> RenderedShot:
        pipeline = TakePipeline(Shot(self.root / "shot"), reconstruction, rasterizer, Silent())
        return pipeline.render(pipeline.camera(MoveCamera(move)), **options)

    def results(self, reconstruction: Reconstruction, rendered: RenderedShot, **options: Any) -> ResultPictures:
        shot, frames = Shot(self.root / "shot"), reconstruction.frames
        mesh, trajectory = reconstruction.mesh, rendered.raster.trajectory
        scene = TakeScene(frames, mesh, trajectory, reconstruction.depth.tolerance, EmbreeRasterizer)
        stage = FillStage(rendered.key, lambda: RenderedTake(rendered.raster, scene), create_generator("preview"))
        fill = FillStore.open(shot.cache.ensure(stage, Silent()))
        return ResultPictures(rendered.raster, fill, frames.colour, frames.source_bits, **options)

    def result(self, number: int, move: str = "orbit:0", rasterizer: str = "embree", **request: Any) -> ResultPicture:
        reconstruction = self.reconstruct(**request)
        return self.results(reconstruction, self.render(reconstruction, move, rasterizer)).read(number)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path)


@pytest.mark.parametrize("rasterizer", RASTERIZERS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_source_view_is_the_plate_to_the_bit(work: Work, dtype: Any, rasterizer: str) -> None:
    pictures = [scene_linear(index, dtype) for index in range(2)]
    work.write(pictures, **ACES)
    for number, picture in enumerate(pictures, start=1001):
        result = work.result(number, rasterizer=rasterizer)
        assert result.mask.all()
        assert result.pixels.dtype == dtype
        assert np.array_equal(bits(result.pixels), bits(picture))
        assert result.alpha is None


def test_measured_pixels_of_a_moved_view_are_the_float_raster_to_the_bit(work: Work) -> None:
    work.write([scene_linear(index) for index in range(2)], **ACES)
    reconstruction = work.reconstruct()
    rendered = work.render(reconstruction, "truck:0.3")
    result = work.results(reconstruction, rendered).read(1002)
    truth, _ = rendered.raster.truth(1002)
    seen = result.mask == 255
    assert 0.5 < seen.mean() < 0.99
    assert np.array_equal(bits(result.pixels[seen]), bits(truth[seen]))
    assert not truth[~seen].any()
    filled = result.pixels[~seen].astype(np.float32)
    assert np.isfinite(filled).all()
    assert filled.min() >= 0
    assert filled.max() <= BRIGHTEST_FILL


def test_a_fill_has_the_plates_brightness(work: Work) -> None:
    """A grey wall at 3.0, scene-linear: what is filled of it is as bright."""
    work.write([np.full((*SIZE[::-1], 3), 3, np.float16)] * 2, **ACES)
    result = work.result(1002, "truck:0.3")
    holes = result.mask == 0
    assert holes.any()
    assert np.abs(result.pixels[holes].astype(np.float32) / 3 - 1).max() < 2e-3


def test_what_is_brighter_than_a_fill_can_be_is_said(work: Work) -> None:
    work.write([scene_linear(0)] * 2, **ACES)
    assert any("64" in note for note in work.render(work.reconstruct()).notes)
    work.write([np.full((*SIZE[::-1], 3), 60, np.float16)] * 2, **ACES)
    shutil.rmtree(work.root / "shot")
    assert not any("64" in note for note in work.render(work.reconstruct()).notes)


def test_the_truth_of_image_sequences_is_not_copied(work: Work) -> None:
    work.write([scene_linear(index) for index in range(3)], **ACES)
    frames = work.reconstruct().frames
    assert sorted(path.name for path in frames.folder.iterdir() if path.is_dir()) == ["frames"]
    pixels, alpha = frames.read_truth(1003)
    assert alpha is None
    assert np.array_equal(bits(pixels), bits(scene_linear(2)))
    assert frames.read(1003)[0].dtype == np.uint16
    assert frames.colour.kind == frames.truth.kind == "linear"


def test_a_plate_file_that_changed_is_refused(work: Work) -> None:
    work.write([scene_linear(index) for index in range(2)], **ACES)
    work.reconstruct()
    write_exr(work.plate / "p.1002.exr", scene_linear(7), **ACES)
    reconstruction = open_reconstruction(Shot(work.root / "shot"))
    with pytest.raises(BadInputError, match=r"p\.1002\.exr, a frame of the plate, has changed"):
        work.render(reconstruction)


def test_a_plate_file_that_is_gone_is_refused_and_a_moved_plate_is_found(work: Work) -> None:
    work.write([scene_linear(index) for index in range(2)], **ACES)
    before = work.reconstruct()
    moved = work.root / "elsewhere"
    work.plate.rename(moved)
    with pytest.raises(BadInputError, match=r"p\.1001\.exr, a frame of the plate, is not there any more"):
        work.render(open_reconstruction(Shot(work.root / "shot")))
    after = work.reconstruct(moved)
    assert after.plate_key == before.plate_key
    assert work.render(open_reconstruction(Shot(work.root / "shot"))).raster.coverage == (1.0, 1.0)


def test_a_plate_that_says_nothing_of_its_colours_is_refused_before_any_work(work: Work) -> None:
    work.write([scene_linear(0)] * 2)
    with pytest.raises(BadInputError):
        work.reconstruct()
    assert not (work.root / "shot" / "cache").exists()
    assert work.reconstruct(colour_space="ACEScg").frames.colour.space == "ACEScg"


def test_stages_are_made_anew_with_the_same_options(work: Work) -> None:
    work.write([scene_linear(index) for index in range(4)])
    reconstruction = work.reconstruct(colour_space="ACEScg")
    shutil.rmtree(reconstruction.frames.folder)
    again = open_reconstruction(Shot(work.root / "shot"))
    assert again.plate_key == reconstruction.plate_key
    assert again.frames.colour == reconstruction.frames.colour


def test_frames_of_another_kind_within_a_sequence_are_refused(work: Work) -> None:
    work.write([scene_linear(0), scene_linear(1, np.float32)], **ACES)
    with pytest.raises(BadInputError, match=r"p\.1002\.exr has .* 32-bit float RGB, the frames before it .* 16-bit"):
        work.reconstruct()
    write_exr(work.plate / "p.1002.exr", scene_linear(1), colorInteropID="lin_rec709_scene")
    with pytest.raises(BadInputError, match=r"p\.1002\.exr has another colour space"):
        work.reconstruct()


LOG = "S-Log3 S-Gamut3.Cine"


def log_codes(index: int, top: int = 40_000) -> NDArray[Any]:
    """(H, W, 3) uint16 codes of a camera's log."""
    return (textured(index, *SIZE).astype(np.uint32) * top // 255 + 6_000).astype(np.uint16)


def test_codes_of_a_log_come_back_as_codes_and_as_linear_values(work: Work) -> None:
    pictures = [log_codes(index) for index in range(2)]
    work.write(pictures, ".png")
    reconstruction = work.reconstruct(colour_space=LOG)
    frames = reconstruction.frames
    assert (frames.truth.kind, frames.truth.dtype, frames.source_bits) == ("codes", np.uint16, 16)
    assert not np.array_equal(frames.read(1001)[0], pictures[0])
    rendered = work.render(reconstruction)
    codes = work.results(reconstruction, rendered, pictures="codes").read(1002)
    assert np.array_equal(codes.pixels, pictures[1])
    results = work.results(reconstruction, rendered)
    linear = results.read(1002)
    assert linear.pixels.dtype == results.encoding.dtype
    assert results.encoding.is_float
    back = frames.truth.values(transform_of(frames.colour).unit_from_linear(linear.pixels.astype(np.float32)))
    assert np.array_equal(back, pictures[1])


def test_filled_codes_have_the_walls_brightness(work: Work) -> None:
    work.write([np.full((*SIZE[::-1], 3), 26_000, np.uint16)] * 2, ".png")
    reconstruction = work.reconstruct(colour_space=LOG)
    rendered = work.render(reconstruction, "truck:0.3")
    codes = work.results(reconstruction, rendered, pictures="codes").read(1002)
    assert (codes.mask == 0).any()
    assert np.abs(codes.pixels.astype(int) - 26_000).max() <= 8
    linear = work.results(reconstruction, rendered).read(1002).pixels
    assert np.ptp(linear) <= 1e-3 * linear.max()


def test_movies_to_fill_must_be_display_pictures(work: Work) -> None:
    work.write([scene_linear(0)] * 2, **ACES)
    with pytest.raises(BadInputError, match="is in ACEScg, and here display-referred pictures are needed"):
        MovieTake.open(work.plate, work.plate, 1)


def test_the_codes_of_a_movie_are_kept_in_the_stage(work: Work) -> None:
    plate = make_plate(work.root / "log.mp4", 3, width=SIZE[0], height=SIZE[1])
    make_depth(work.root / "depth.npz", 3, *SIZE)
    coded = open_plate(plate, options=PlateOptions(colour_space=LOG))
    reconstruction = work.reconstruct(plate, colour_space=LOG)
    frames = reconstruction.frames
    assert frames.truth == coded.info.truth == HEADROOM_16
    for frame, plain in zip(coded.frames(), open_plate(plate).frames(), strict=True):
        assert np.array_equal(frames.read_truth(frame.number)[0], frame.pixels)
        # Within black and white these are the codes of the display picture, which is rounded to 8 bits.
        assert np.abs(frames.truth.unit(frame.pixels).clip(0, 1) - unit_of(plain.pixels)).max() <= 2 / 255
    assert (frames.folder / "truth" / "001003.png").exists()
    plate.unlink()
    assert work.render(open_reconstruction(Shot(work.root / "shot"))).raster.coverage == (1.0,) * 3


def unit_of(pixels: NDArray[Any]) -> NDArray[np.float32]:
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def test_parts_gone_on_from_give_the_same_files(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while the second part of the plate, then of the render, was in work."""
    count = 40
    work.write([with_alpha(index % 8, np.float16) for index in range(count)], **ACES)
    monkeypatch.setattr("ex4d.stages.stage.PART_FRAMES", 16)
    whole = work.reconstruct()
    rendered = work.render(whole, "truck:0.3").raster
    before = {path: path.read_bytes() for folder in (whole.frames.folder, rendered.folder) for path in made(folder)}
    shutil.rmtree(work.root / "shot")
    for module, name in (("ex4d.plate.stage", "file_sha256"), ("ex4d.raster.stage", "write_exr_values")):
        with monkeypatch.context() as patch:
            patch.setattr(f"{module}.{name}", failing_after(20, getattr(importlib.import_module(module), name)))
            with pytest.raises(KeyboardInterrupt):
                work.render(work.reconstruct(), "truck:0.3")
    again = work.reconstruct()
    work.render(again, "truck:0.3")
    assert all(path.read_bytes() == data for path, data in before.items())


def made(folder: Path) -> list[Path]:
    """A stage's files but its seal, which tells how long it took."""
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "done.json"]


def failing_after(count: int, call: Any) -> Any:
    calls = itertools.count()

    def wrapped(*args: Any) -> Any:
        if next(calls) >= count:
            raise KeyboardInterrupt
        return call(*args)

    return wrapped


def with_alpha(index: int, dtype: Any) -> NDArray[Any]:
    """(H, W, 4): alpha falls from left to right; straight integers, associated floats."""
    alpha = np.broadcast_to(np.linspace(1, 0, SIZE[0], dtype=np.float32), SIZE[::-1])[..., None]
    color = textured(index, *SIZE).astype(np.float32) / 255
    if np.dtype(dtype).kind == "f":
        return np.concatenate([color * alpha, alpha], axis=-1).astype(dtype)
    return np.rint(np.concatenate([color, alpha], axis=-1) * np.iinfo(dtype).max).astype(dtype)


@pytest.mark.parametrize("rasterizer", RASTERIZERS)
@pytest.mark.parametrize(("dtype", "suffix"), [(np.float16, ".exr"), (np.uint8, ".png"), (np.uint16, ".png")])
def test_alpha_is_shot_again_and_never_filled(work: Work, dtype: Any, suffix: str, rasterizer: str) -> None:
    pictures = [with_alpha(index, dtype) for index in range(2)]
    work.write(pictures, suffix, **(ACES if suffix == ".exr" else {}))
    result = work.result(1002, rasterizer=rasterizer)
    assert result.mask.all()
    assert result.alpha is not None
    white = 1 if suffix == ".exr" else np.iinfo(dtype).max
    error = np.abs(result.alpha.astype(np.float64) - pictures[1][..., 3]) / white
    assert error.max() <= 1 / 255
    if dtype != np.uint8:
        assert np.array_equal(bits(result.alpha), bits(np.ascontiguousarray(pictures[1][..., 3])))
        assert np.array_equal(bits(result.pixels), bits(np.ascontiguousarray(pictures[1][..., :3])))


def test_what_is_filled_is_opaque(work: Work) -> None:
    work.write([with_alpha(index, np.float16) for index in range(2)], **ACES)
    result = work.result(1002, "truck:0.3")
    holes = result.mask == 0
    assert holes.any()
    assert result.alpha is not None
    assert (result.alpha[holes] == 1).all()


def test_ordinary_plates_say_nothing_new_in_their_records(work: Work) -> None:
    work.write([textured(index, *SIZE) for index in range(2)], ".png")
    reconstruction = work.reconstruct()
    assert reconstruction.frames.files.json(PLATE_FILE).keys() == PLAIN_PLATE
    raster = work.render(reconstruction).raster
    assert raster.files.json(RASTER_FILE).keys() == PLAIN_RASTER
    assert {path.name for path in raster.folder.iterdir() if path.is_dir()} == {"color", "mask", "z"}


def test_a_shot_whose_transparent_pixels_were_holes_says_so(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    work.write([with_alpha(index, np.uint8) for index in range(2)], ".png")
    with monkeypatch.context() as patch:
        patch.setattr(mesh_stage, "ALPHA_CARRIED", {})
        work.reconstruct()
    notes: list[str] = []
    progress = Silent()
    progress.note = notes.append  # type: ignore[method-assign]
    open_reconstruction(Shot(work.root / "shot"), progress)
    assert any("transparent pixels" in note for note in notes)
    notes.clear()
    work.reconstruct()
    open_reconstruction(Shot(work.root / "shot"), progress)
    assert not any("transparent pixels" in note for note in notes)


@pytest.mark.parametrize("rasterizer", RASTERIZERS)
@pytest.mark.parametrize("suffix", [".exr", ".png"])
def test_plate_positions_lie_where_the_mask_is(work: Work, suffix: str, rasterizer: str) -> None:
    pictures = [scene_linear(i) if suffix == ".exr" else textured(i, *SIZE) for i in range(2)]
    work.write(pictures, suffix, **(ACES if suffix == ".exr" else {}))
    reconstruction = work.reconstruct()
    pipeline = TakePipeline(Shot(work.root / "shot"), reconstruction, rasterizer, Silent())
    rendered = pipeline.render(pipeline.camera(MoveCamera("truck:0.3")))
    positions = pipeline.positions(rendered)
    seen = rendered.raster.mask(1002) > 0
    assert np.array_equal(np.isfinite(positions.read(1002)).all(axis=2), seen)
    # At the source view each pixel is its own position.
    first = positions.read(1001)
    own = np.dstack(np.meshgrid(np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1]) + 0.5))
    assert np.array_equal(first, own)


@pytest.mark.parametrize("matrix", ["bt709", None])
def test_a_shot_that_is_opened_again_knows_the_same_of_its_plate(work: Work, matrix: str | None) -> None:
    plate = make_plate(work.root / "plate.mp4", 2, width=SIZE[0], height=SIZE[1], matrix=matrix)
    make_depth(work.root / "depth.npz", 2, *SIZE)
    made = work.reconstruct(plate)
    again = open_reconstruction(Shot(work.root / "shot"))
    assert again.frames.source == made.frames.source
    assert again.record() == made.record()


def test_a_jump_of_the_time_code_is_said_once(work: Work) -> None:
    codes = [OpenEXR.TimeCode(1, 0, 59, frame, *[False] * 6, *[0] * 8) for frame in (20, 21, 5, 6)]
    work.plate.mkdir()
    for number, code in enumerate(codes, start=1001):
        write_exr(work.plate / f"p.{number}.exr", scene_linear(0), timeCode=code, **ACES)
    make_depth(work.root / "depth.npz", 4, *SIZE)
    reconstruction = work.reconstruct()
    assert (reconstruction.frames.timecode, reconstruction.frames.timecode_number) == ("01:00:59:20", 1001)
    notes = [note for note in reconstruction.notes() if "time code" in note]
    assert len(notes) == 1
    assert "does not run on" in notes[0]


def test_handles_are_read_and_left_out_of_takes(work: Work) -> None:
    work.write([scene_linear(index) for index in range(6)], **ACES)
    reconstruction = work.reconstruct(frames="1003-1005", handles=2)
    assert reconstruction.frames.numbers == tuple(range(1001, 1007))
    assert reconstruction.frames.handles == (2, 1)
    assert any("2 before the range and 1 after" in note for note in reconstruction.notes())
    taken = reconstruction.selected(None)
    assert (taken.frames.numbers, taken.frames.handles) == ((1003, 1004, 1005), (0, 0))
    taken = reconstruction.selected(None, handles=1)
    assert (taken.frames.numbers, taken.frames.handles) == ((1002, 1003, 1004, 1005, 1006), (1, 1))
    taken = reconstruction.selected(FrameRange.parse("1004"), handles=9)
    assert (taken.frames.numbers, taken.frames.handles) == (tuple(range(1001, 1007)), (3, 2))
