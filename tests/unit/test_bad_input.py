# SPDX-License-Identifier: Apache-2.0
"""Inputs that nobody should give, and some that are only unusual: one sentence, a hint, the right exit code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from command import Run, files_below, leftovers, make_depth, make_plate, runner, textured
from media_factory import write_movie

from ex4d.camera import Trajectory, intrinsics, write_json
from ex4d.media.images import read_image, write_png


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Run:
    return runner(capfd)


def reshoot(command: Run, folder: Path, *options: object) -> tuple[Path, list[str]]:
    """Run a plate that must work; returns the take's folder and the notes."""
    done = command("run", *options, "--cam", "orbit:4", "--raster", "embree", "--out", folder / "shot", "--json")
    (take,) = done.result["takes"]
    assert leftovers(folder) == []
    return Path(take["folder"]), [event["text"] for event in done.events if event["event"] == "note"]


def numbers_in(take: Path) -> list[int]:
    return sorted(int(path.name.split(".")[1]) for path in (take / "result").iterdir())


# What is wrong with a plate: a function that makes it in a folder, and words of the sentence


def missing(folder: Path) -> Path:
    return folder / "no.mp4"


def missing_pattern(folder: Path) -> Path:
    return folder / "plate.####.png"


def missing_without_suffix(folder: Path) -> Path:
    return folder / "no"


def empty_folder(folder: Path) -> Path:
    (folder / "a").mkdir()
    return folder / "a"


def folder_without_images(folder: Path) -> Path:
    make_plate(folder / "plate.mp4", 2)
    (folder / "notes.txt").write_text("x")
    return folder


def empty_file(folder: Path) -> Path:
    (folder / "a.mp4").touch()
    return folder / "a.mp4"


def text(folder: Path) -> Path:
    (folder / "a.mp4").write_text("This is a letter to my mother.\n" * 50)
    return folder / "a.mp4"


def subtitles(folder: Path) -> Path:
    (folder / "a.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n")
    return folder / "a.srt"


def bytes_of_chance(folder: Path) -> Path:
    (folder / "a.mov").write_bytes(np.random.default_rng(0).bytes(50_000))
    return folder / "a.mov"


def truncated(folder: Path) -> Path:
    path = make_plate(folder / "a.mp4", 12, options={"g": "1"}, container_options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    return path


def without_index(folder: Path) -> Path:
    """An mp4 file of a recorder that died: its index, which stands at the end, is missing."""
    path = make_plate(folder / "a.mp4", 12)
    path.write_bytes(path.read_bytes()[:-900])
    return path


def no_frames(folder: Path) -> Path:
    with av.open(str(folder / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        container.start_encoding()
    return folder / "a.mkv"


def only_sound(folder: Path) -> Path:
    with av.open(str(folder / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        for start in range(0, 48000, 1024):
            frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = 48000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return folder / "a.mp4"


def one_pixel(folder: Path) -> Path:
    write_png(folder / "p.1.png", np.full((1, 1, 3), 90, np.uint8))
    return folder


def one_column(folder: Path) -> Path:
    write_png(folder / "p.1.png", np.full((64, 1, 3), 90, np.uint8))
    return folder


def one_row(folder: Path) -> Path:
    write_png(folder / "p.1.png", np.full((1, 64, 3), 90, np.uint8))
    return folder


def changing_size(folder: Path) -> Path:
    write_png(folder / "p.1.png", textured(0))
    write_png(folder / "p.2.png", textured(1, 80, 64))
    return folder


def gap(folder: Path) -> Path:
    for number in (1, 2, 4):
        write_png(folder / f"p.{number}.png", textured(number))
    return folder


def two_sequences(folder: Path) -> Path:
    for name in "ab":
        write_png(folder / f"{name}.1.png", textured(0))
    return folder


def damaged_frame(folder: Path) -> Path:
    for number in range(1, 4):
        write_png(folder / f"p.{number}.png", textured(number))
    (folder / "p.3.png").write_bytes((folder / "p.3.png").read_bytes()[:500])
    return folder


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (missing, "does not exist"),
        (missing_pattern, "No file matches"),
        (missing_without_suffix, "does not exist"),
        (empty_folder, "holds no"),
        (folder_without_images, "holds no"),
        (empty_file, "empty"),
        (text, "a.mp4"),
        (subtitles, "a.srt"),
        (bytes_of_chance, "a.mov"),
        (truncated, "a.mp4"),
        (without_index, "a.mp4"),
        (no_frames, "a.mkv"),
        (only_sound, "a.mp4"),
        (one_pixel, "1x1"),
        (one_column, "1x64"),
        (one_row, "64x1"),
        (changing_size, "80x64"),
        (gap, "missing"),
        (two_sequences, "2 sequences"),
        (damaged_frame, "p.3.png is damaged"),
    ],
)
@pytest.mark.parametrize("name", ["run", "recon"])
def test_plates_that_cannot_be_used(
    command: Run, tmp_path: Path, name: str, make: Callable[[Path], Path], words: str
) -> None:
    (tmp_path / "in").mkdir()
    plate = make(tmp_path / "in")
    cameras = ["--cam", "orbit:5", "--raster", "embree"] if name == "run" else []
    failed = command(name, plate, *cameras, "--out", tmp_path / "shot", "--json")
    assert words in failed.refused(10)
    assert "Check" in failed.events[-1]["hint"] or len(failed.events[-1]["hint"]) > 15
    # libpng cannot be kept quiet.
    assert all(line.startswith("libpng") for line in failed.err.splitlines())
    assert leftovers(tmp_path) == []
    # At most stages that were whole.
    assert {path.name.split("-")[0] for path in tmp_path.glob("shot/cache/*")} <= {"plate", "depth"}
    assert not list(tmp_path.glob("shot/takes/*"))


def test_the_same_in_text(command: Run, tmp_path: Path) -> None:
    failed = command("run", text(tmp_path), "--cam", "hold", "--out", tmp_path / "shot")
    assert (failed.code, failed.out) == (10, "")
    first, second = failed.err.splitlines()
    assert first.startswith("error: ")
    assert second.startswith("       ")
    assert second.endswith(".")


def test_frames_that_the_plate_does_not_have(command: Run, tmp_path: Path) -> None:
    plate = make_plate(tmp_path / "a.mp4")
    for frames in ("1-8", "1000-1002", "1008-1009", "2000", "1009-"):
        failed = command("recon", plate, "--frames", frames, "--out", tmp_path / "shot", "--json")
        assert failed.refused(10) == f"Frames {frames} are not all in {plate}, which has frames 1001-1008."
        assert not (tmp_path / "shot").exists()


# Unusual plates that work


def test_one_frame(command: Run, tmp_path: Path) -> None:
    take, _ = reshoot(command, tmp_path, make_plate(tmp_path / "a.mp4", 1))
    assert numbers_in(take) == [1001]
    with av.open(str(take / "result.mp4")) as movie:
        assert len(list(movie.decode(video=0))) == 1


def test_one_frame_of_many(command: Run, tmp_path: Path) -> None:
    take, _ = reshoot(command, tmp_path, make_plate(tmp_path / "a.mp4"), "--frames", "1005")
    assert numbers_in(take) == [1005]


def test_one_image(command: Run, tmp_path: Path) -> None:
    write_png(tmp_path / "poster.png", textured(0))
    take, _ = reshoot(command, tmp_path, tmp_path / "poster.png")
    assert numbers_in(take) == [1001]


NARROW = [(3, 64), (64, 3), (2, 2), (3, 3), (17, 5)]


@pytest.mark.parametrize(("width", "height"), NARROW)
@pytest.mark.parametrize(
    "depth",
    [
        "files",
        "prior",
        "small",
    ],
)
def test_narrow_frames(command: Run, tmp_path: Path, width: int, height: int, depth: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(1, 4):
        write_png(folder / f"p.{number}.png", textured(number, width, height))
    file = make_depth(tmp_path / "d.npz", 3, width, height)
    take, _ = reshoot(command, tmp_path, folder, "--depth", file if depth == "files" else depth)
    assert read_image(take / "result" / "result.0001.png").shape == (height, width, 3)
    with av.open(str(take / "result.mp4")) as movie:
        assert (movie.streams.video[0].width, movie.streams.video[0].height) == (width, height)


def test_pictures_of_one_colour(command: Run, tmp_path: Path) -> None:
    for value in (0, 255):
        folder = tmp_path / str(value)
        folder.mkdir()
        flat = [np.full((64, 96, 3), value, np.uint8)] * 3
        take, _ = reshoot(command, folder, write_movie(folder / "a.mp4", flat, fps=25, matrix="bt709"))
        assert np.abs(read_image(take / "result" / "result.1002.png").astype(int) - value).max() <= 2


def test_sixteen_bits_and_alpha(command: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    alpha = np.full((64, 96), 65535, np.uint16)
    alpha[:, :30] = 0
    for number in range(1, 4):
        write_png(folder / f"p.{number}.png", np.dstack([textured(number).astype(np.uint16) * 257, alpha]))
    take, _ = reshoot(command, tmp_path, folder)
    result = read_image(take / "result" / "result.0001.png")
    assert result.dtype == np.uint16
    # Alpha is shot like the colours, and no reason to fill.
    mask = read_image(take / "mask" / "mask.0001.png")[..., 0] == 255
    assert mask.mean() > 0.9
    assert (result[..., 3] == alpha)[mask].all()


def test_an_8k_frame(command: Run, tmp_path: Path) -> None:
    picture = np.zeros((4320, 7680, 3), np.uint8)
    picture[...] = np.linspace(20, 230, 7680)[None, :, None]
    write_png(tmp_path / "p.1.png", picture)
    done = command("recon", tmp_path / "p.1.png", "--mesh-grid", "512", "--out", tmp_path / "s", "--json")
    assert done.ran() == ["plate", "depth", "mesh"]
    assert done.result["size"] == [7680, 4320]


# Depth files


@dataclass
class DepthCase:
    """Depth of an 8-frame plate, as a function that writes it, and how it ends."""

    write: Callable[[Path], list[object]]
    code: int = 10
    words: str = ""


def nan(folder: Path) -> list[object]:
    np.save(folder / "d.npy", np.full((8, 64, 96), np.nan, np.float32))
    return ["--depth", folder / "d.npy"]


def negative(folder: Path) -> list[object]:
    np.save(folder / "d.npy", np.full((8, 64, 96), -2, np.float32))
    return ["--depth", folder / "d.npy"]


def zero(folder: Path) -> list[object]:
    np.save(folder / "d.npy", np.zeros((8, 64, 96), np.float32))
    return ["--depth", folder / "d.npy"]


def infinite(folder: Path) -> list[object]:
    np.save(folder / "d.npy", np.full((8, 64, 96), np.inf, np.float32))
    return ["--depth", folder / "d.npy"]


def one_bad_frame(folder: Path) -> list[object]:
    depth = np.full((8, 64, 96), 2, np.float32)
    depth[5] = np.nan
    np.save(folder / "d.npy", depth)
    return ["--depth", folder / "d.npy"]


def other_shape(folder: Path) -> list[object]:
    return ["--depth", make_depth(folder / "d.npz", width=64)]


def other_length(folder: Path) -> list[object]:
    return ["--depth", make_depth(folder / "d.npz", 7)]


def two_channels(folder: Path) -> list[object]:
    np.save(folder / "d.npy", np.ones((8, 64, 96, 2), np.float32))
    return ["--depth", folder / "d.npy"]


def words_in_it(folder: Path) -> list[object]:
    np.savez(folder / "d.npz", depth=np.array(["a", "b"]))
    return ["--depth", folder / "d.npz"]


def pickled(folder: Path) -> list[object]:
    np.save(folder / "d.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    return ["--depth", folder / "d.npy"]


def no_depth_in_it(folder: Path) -> list[object]:
    np.savez(folder / "d.npz", colour=np.ones((8, 64, 96)))
    return ["--depth", folder / "d.npz"]


def cut_off(folder: Path) -> list[object]:
    path = make_depth(folder / "d.npz")
    path.write_bytes(path.read_bytes()[:5000])
    return ["--depth", path]


def gone(folder: Path) -> list[object]:
    return ["--depth", folder / "no.npz"]


def unknown_estimator(folder: Path) -> list[object]:
    return ["--depth", "magic"]


def png_without_scale(folder: Path) -> list[object]:
    (folder / "d").mkdir()
    for number in range(1001, 1009):
        write_png(folder / "d" / f"d.{number}.png", np.full((64, 96), 2000, np.uint16))
    return ["--depth", folder / "d"]


def bad_scale(folder: Path) -> list[object]:
    return ["--depth", make_depth(folder / "d.npz"), "--depth-scale", "0"]


def bad_intrinsics(folder: Path) -> list[object]:
    return ["--depth", make_depth(folder / "d.npz", intrinsics=np.zeros((3, 3)))]


def nan_intrinsics(folder: Path) -> list[object]:
    return ["--depth", make_depth(folder / "d.npz", intrinsics=np.full((3, 3), np.nan))]


def too_few_poses(folder: Path) -> list[object]:
    return ["--depth", make_depth(folder / "d.npz", extrinsics=np.tile(np.eye(4), (5, 1, 1)))]


def scaled_poses(folder: Path) -> list[object]:
    return ["--depth", make_depth(folder / "d.npz", extrinsics=np.tile(np.eye(4) * 2, (8, 1, 1)))]


def camera_of_another_length(folder: Path) -> list[object]:
    write_json(folder / "c.json", Trajectory(intrinsics(100, 96, 64), np.tile(np.eye(4), (7, 1, 1)), 96, 64))
    return ["--depth", make_depth(folder / "d.npz"), "--depth-camera", folder / "c.json"]


def camera_of_another_shape(folder: Path) -> list[object]:
    write_json(folder / "c.json", Trajectory(intrinsics(100, 64, 64), np.tile(np.eye(4), (8, 1, 1)), 64, 64))
    return ["--depth", make_depth(folder / "d.npz"), "--depth-camera", folder / "c.json"]


def camera_that_is_none(folder: Path) -> list[object]:
    (folder / "c.json").write_text("{}")
    return ["--depth", make_depth(folder / "d.npz"), "--depth-camera", folder / "c.json"]


DEPTHS = [
    DepthCase(nan, words="frame 1001 has no valid pixel"),
    DepthCase(negative, words="frame 1001 has no valid pixel"),
    DepthCase(zero, words="frame 1001 has no valid pixel"),
    DepthCase(infinite, words="infinite everywhere"),
    DepthCase(one_bad_frame, words="frame 1006 has no valid pixel"),
    DepthCase(other_shape, words="64x64"),
    DepthCase(other_length, words="7 depth maps, the plate 8 frames"),
    DepthCase(two_channels, words="d.npy"),
    DepthCase(words_in_it, words="d.npz"),
    DepthCase(pickled, words="d.npy"),
    DepthCase(no_depth_in_it, words="d.npz"),
    DepthCase(cut_off, words="d.npz"),
    DepthCase(gone, words="no.npz"),
    DepthCase(unknown_estimator, words="magic"),
    DepthCase(png_without_scale, code=2, words="scale"),
    DepthCase(bad_scale, code=2, words="scale of 0"),
    DepthCase(bad_intrinsics, words="principal point|intrinsics"),
    DepthCase(nan_intrinsics, words="principal point|intrinsics|finite"),
    DepthCase(too_few_poses, words="5 cameras for 8"),
    DepthCase(scaled_poses, words="rigid"),
    DepthCase(camera_of_another_length, words="7 cameras, the plate 8 frames"),
    DepthCase(camera_of_another_shape, words="c.json is for 64x64"),
    DepthCase(camera_that_is_none, words="c.json is not a trajectory"),
]


@pytest.mark.parametrize("case", DEPTHS, ids=lambda case: case.write.__name__)
def test_depth_that_cannot_be_used(command: Run, tmp_path: Path, case: DepthCase) -> None:
    plate = make_plate(tmp_path / "a.mp4")
    failed = command("recon", plate, *case.write(tmp_path), "--out", tmp_path / "shot", "--json")
    message = failed.refused(case.code)
    assert any(words in message for words in case.words.split("|")), message
    assert failed.err == ""
    assert leftovers(tmp_path) == []
    assert {path.name.split("-")[0] for path in tmp_path.glob("shot/cache/*")} <= {"plate"}


@pytest.mark.parametrize("size", [(48, 32), (192, 128), (96, 64)])
def test_depth_of_another_size_is_resampled(command: Run, tmp_path: Path, size: tuple[int, int]) -> None:
    depth = make_depth(tmp_path / "d.npz", width=size[0], height=size[1])
    take, notes = reshoot(command, tmp_path, make_plate(tmp_path / "a.mp4"), "--depth", depth)
    assert any("resampled" in note for note in notes) == (size != (96, 64))
    assert len(numbers_in(take)) == 8


def test_depth_without_intrinsics_gets_a_note(command: Run, tmp_path: Path) -> None:
    plate = make_plate(tmp_path / "a.mp4")
    depth = make_depth(tmp_path / "d.npz")
    _, notes = reshoot(command, tmp_path, plate, "--depth", depth)
    assert any("field of view" in note and "--fov" in note for note in notes)
    assert any("stand still" in note for note in notes)
    (tmp_path / "b").mkdir()
    known = make_depth(tmp_path / "b" / "d.npz", intrinsics=intrinsics(90, 96, 64))
    _, notes = reshoot(command, tmp_path / "b", plate, "--depth", known)
    assert not any("field of view" in note for note in notes)


def test_depth_with_holes_works(command: Run, tmp_path: Path) -> None:
    depth = np.full((8, 64, 96), 3, np.float32)
    depth[:, :20], depth[:, 20:30], depth[:, 30:35] = np.nan, np.inf, -1
    np.save(tmp_path / "d.npy", depth)
    take, _ = reshoot(command, tmp_path, make_plate(tmp_path / "a.mp4"), "--depth", tmp_path / "d.npy")
    mask = read_image(take / "mask" / "mask.1001.png")[..., 0]
    assert (mask[:18] == 0).all()
    assert (mask[38:] == 255).mean() > 0.95


# Outputs


def file_in_place(folder: Path) -> Path:
    (folder / "shot").write_text("precious")
    return folder / "shot"


def below_a_file(folder: Path) -> Path:
    (folder / "file").write_text("precious")
    return folder / "file" / "shot"


def too_long(folder: Path) -> Path:
    return folder / ("x" * 300)


@pytest.mark.parametrize("make", [file_in_place, below_a_file, too_long])
def test_outputs_that_cannot_be(command: Run, tmp_path: Path, make: Callable[[Path], Path]) -> None:
    out = make(tmp_path)
    plate = make_plate(tmp_path / "a.mp4")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    failed = command("run", plate, "--cam", "hold", "--out", out, "--json")
    message = failed.refused(10)
    assert "folder" in message
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_output_where_nobody_can_write(command: Run, tmp_path: Path) -> None:
    plate = make_plate(tmp_path / "a.mp4")
    failed = command("recon", plate, "--out", "/proc/shot", "--json")
    assert failed.refused(30).startswith("/proc/shot cannot be written")
    mask = write_movie(tmp_path / "m.mp4", [np.full((64, 96, 3), 255, np.uint8)] * 8, fps=25)
    failed = command(
        "generate", "--color_video", plate, "--mask_video", mask, "--output_video", "/proc/o/o.mp4", "--json"
    )
    assert failed.refused(30).startswith("/proc/o cannot be written")
    assert files_below(tmp_path) == ["a.mp4", "m.mp4"]


def test_an_export_folder_that_is_a_file(command: Run, tmp_path: Path) -> None:
    plate = make_plate(tmp_path / "a.mp4")
    command("recon", plate, "--out", tmp_path / "shot", "--json")
    failed = command("render", tmp_path / "shot", "--cam", "hold", "--raster", "embree", "--out", plate, "--json")
    assert "cannot be made a folder" in failed.refused(10)
