# SPDX-License-Identifier: Apache-2.0
"""Files and situations that a hostile or unlucky colleague makes, found by looking for them afresh."""

from __future__ import annotations

import json
import os
import shutil
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command import Run, make_depth, make_plate, runner
from tiff_factory import page, tiff

from ex4d.camera import read_trajectory
from ex4d.composite import take as take_module
from ex4d.media.colour_tags import ColourTags
from ex4d.media.images import read_picture
from ex4d.media.sequences import PLATE_SUFFIXES, find_sequence
from ex4d.plate import open_plate
from ex4d.protocol.errors import BadInputError, TransientError
from ex4d.protocol.jobs import JobSnapshot
from ex4d.protocol.requests import (
    GenerateRequest,
    MoveCamera,
    PlateRequest,
    PreviewRequest,
    ReconstructRequest,
    RenderRequest,
    TrajectoryCamera,
)
from ex4d.protocol.seal import read_ours
from ex4d.server.demands import WORK_LANE
from ex4d.server.journal import Entry, Journal
from ex4d.server.queue import JobQueue

PICTURE = np.random.default_rng(3).integers(0, 256, (16, 24, 3), dtype=np.uint8)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    return runner(capfd)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with plate.mp4, depth.npz and the finished shot «shot» with one take."""
    from ex4d.cli import main

    folder = tmp_path_factory.mktemp("made")
    plate = make_plate(folder / "plate.mp4", 2, width=48, height=32)
    os.utime(plate, (10**9, 10**9))
    make_depth(folder / "depth.npz", 2, width=48, height=32)
    assert main([str(part) for part in _command(folder, folder / "shot")]) == 0
    return folder


def _command(made: Path, shot: Path, camera: str = "orbit:10") -> list[object]:
    options = ["--fov", 50, "--raster", "embree", "--json", "--cam", camera, "--out", shot]
    return ["run", made / "plate.mp4", "--depth", made / "depth.npz", *options]


@pytest.fixture
def shot(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "shot", tmp_path / "shot"))


def _bad_parts(run: Run, shot: Path) -> dict[str, str]:
    """What the doctor finds wrong with a shot: state by name."""
    outcome = run("doctor", shot, "--json")
    assert outcome.code == 10
    (result,) = [event["result"] for event in outcome.events if event["event"] == "done"]
    assert not result["whole"]
    return {part["name"]: part["state"] for part in result["parts"] if part["state"] != "ok"}


# Pipes and devices in the place of what ex4d itself has written -------------------------------------------------------


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _endless(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("replace", [_pipe, _endless])
@pytest.mark.parametrize("name", ["cache/depth-*/done.json", "cache/raster-*/done.json", "cache/mesh-*/mesh.json"])
def test_a_pipe_for_a_file_of_a_stage_is_damage(
    made: Path, shot: Path, run: Run, name: str, replace: Callable[[Path], None]
) -> None:
    """It was waited for, or read, without end."""
    place = next(shot.glob(name))
    replace(place)
    assert _bad_parts(run, shot) == {place.parent.relative_to(shot).as_posix(): "damaged"}
    shutil.rmtree(shot / "takes")
    camera = "orbit:10" if "raster" in name else "orbit:15"
    assert run(*_command(made, shot, camera)).result["takes"][0]["folder"] == str(shot / "takes" / "v001")
    assert place.is_file()


@pytest.mark.parametrize("replace", [_pipe, _endless])
@pytest.mark.parametrize("name", ["done.json", "take.json", "result/result.1001.png"])
def test_a_pipe_for_a_file_of_a_take_is_damage(
    made: Path, shot: Path, run: Run, name: str, replace: Callable[[Path], None]
) -> None:
    replace(shot / "takes" / "v001" / name)
    assert _bad_parts(run, shot) == {"takes/v001": "damaged"}
    assert run(*_command(made, shot)).result["takes"][0]["folder"] == str(shot / "takes" / "v002")


@pytest.mark.parametrize("replace", [_pipe, _endless])
def test_a_pipe_for_the_shots_record_is_refused(
    made: Path, shot: Path, run: Run, replace: Callable[[Path], None]
) -> None:
    replace(shot / "shot.json")
    assert "is damaged or belongs to something else" in run(*_command(made, shot)).refused(10)
    assert _bad_parts(run, shot) == {"shot.json": "damaged"}


def test_only_ordinary_files_are_ours(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert read_ours(tmp_path / "a") == read_ours(tmp_path / "link") == b"content"
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(OSError, match="no ordinary file"):
            read_ours(path)


# Takes and shots ------------------------------------------------------------------------------------------------------


def test_a_take_beside_a_folder_that_differs_in_capitals(
    made: Path, shot: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where capitals make no other name «V002» stands in the way of v002, and the same number was tried for ever."""
    (shot / "takes" / "V002").mkdir()
    (shot / "takes" / "V002" / "notes.txt").write_text("mine")
    tries: list[str] = []
    claim = take_module.claim

    def without_capitals(temporary: Path, final: Path) -> bool:
        tries.append(final.name)
        assert len(tries) < 5
        if final.name.lower() in {path.name.lower() for path in final.parent.iterdir()}:
            return False
        return claim(temporary, final)

    monkeypatch.setattr(take_module, "claim", without_capitals)
    result = run(*_command(made, shot, "orbit:12")).result
    assert result["takes"][0]["folder"] == str(shot / "takes" / "v003")
    assert (shot / "takes" / "V002" / "notes.txt").read_text() == "mine"


def test_the_doctor_misses_what_the_record_names(shot: Path, run: Run) -> None:
    """A copy without half of the cache was called whole."""
    plate = next(shot.glob("cache/plate-*"))
    shutil.rmtree(plate)
    assert _bad_parts(run, shot) == {plate.relative_to(shot).as_posix(): "missing"}


def test_the_doctor_sees_a_take_that_has_lost_seal_and_record(shot: Path, run: Run) -> None:
    for name in ("done.json", "take.json"):
        (shot / "takes" / "v001" / name).unlink()
    assert _bad_parts(run, shot) == {"takes/v001": "damaged"}


def test_an_older_backup_over_a_newer_shot(made: Path, shot: Path, run: Run, tmp_path: Path) -> None:
    """The record of before, the cache of both: each take is that of its own camera."""
    backup = Path(shutil.copytree(shot, tmp_path / "backup"))
    second = Path(run(*_command(made, shot, "orbit:25")).result["takes"][0]["folder"])
    pictures = {path.name: path.read_bytes() for path in second.glob("result/*.png")}
    shutil.copytree(backup, shot, dirs_exist_ok=True)
    for path in (shot / "takes" / "v001").glob("result/*.png"):
        # A backup program that writes some files of one take into another.
        shutil.copy2(path, second / "result" / path.name)
    third = Path(run(*_command(made, shot, "orbit:25")).result["takes"][0]["folder"])
    assert third.name == "v003"
    assert {path.name: path.read_bytes() for path in third.glob("result/*.png")} == pictures
    assert run(*_command(made, shot)).result["takes"][0]["folder"] == str(shot / "takes" / "v001")


def test_a_hard_link_from_a_take_into_the_cache(made: Path, shot: Path, run: Run) -> None:
    """Programs that save room link equal files; whoever paints over the take's paints over the cache's."""
    plate = next(shot.glob("cache/plate-*/frames/001001.png"))
    painted = shot / "takes" / "v001" / "result" / "result.1001.png"
    painted.unlink()
    os.link(plate, painted)
    painted.write_bytes(cv2.imencode(".png", np.zeros((32, 48, 3), np.uint8))[1].tobytes())
    outcome = run(*_command(made, shot, "orbit:15"))
    assert "What the shot had kept was damaged" in outcome.out
    assert np.asarray(read_picture(next(shot.glob("cache/plate-*/frames/001001.png"))).pixels).any()


# Pictures -------------------------------------------------------------------------------------------------------------


def _directories_on_each_other(count: int, entries: int) -> bytes:
    """A BigTIFF of ``count`` directories, each of nearly all the file."""
    data = bytearray(16 + 8 * count + 8 + 20 * entries + 8 * count)
    data[:16] = b"II+\0" + struct.pack("<HHQ", 8, 0, 16)
    for index in range(count):
        at = 16 + 8 * index
        struct.pack_into("<Q", data, at, entries)
        struct.pack_into("<Q", data, at + 8 + 20 * entries, at + 8 if index < count - 1 else 0)
    return bytes(data)


def test_directories_that_lie_on_each_other_end(tmp_path: Path) -> None:
    """A megabyte took eight seconds, twenty took minutes."""
    path = tmp_path / "a.tif"
    path.write_bytes(_directories_on_each_other(1000, 50_000))
    began = time.process_time()
    with pytest.raises(BadInputError, match="damaged"):
        read_picture(path)
    assert time.process_time() - began < 2


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _png(*chunks: bytes) -> bytes:
    data = cv2.imencode(".png", PICTURE)[1].tobytes()
    return data[:33] + b"".join(chunks) + data[33:]


def _jpeg(*segments: tuple[int, bytes]) -> bytes:
    data = cv2.imencode(".jpg", PICTURE)[1].tobytes()
    return data[:2] + b"".join(struct.pack(">BBH", 255, m, len(c) + 2) + c for m, c in segments) + data[2:]


def _rationals(*values: float) -> bytes:
    return b"".join(struct.pack("<II", round(value * 10_000), 10_000) for value in values)


def _tagged(tags: dict[int, tuple[str, Any]]) -> bytes:
    return tiff(page(PICTURE, tags=tags))


R03 = b"MM\0*\0\0\0\x08" + bytes.fromhex("0001 8769 0004 00000001 0000001a 00000000".replace(" ", ""))
R03 += bytes.fromhex("0001 a005 0004 00000001 0000002c 00000000".replace(" ", ""))
R03 += bytes.fromhex("0001 0001 0002 00000004 52303300 00000000".replace(" ", ""))


@pytest.mark.parametrize(
    ("data", "aspect", "colour"),
    [
        (_png(_chunk(b"pHYs", struct.pack(">IIB", 1000, 2000, 0))), 2, ColourTags("PNG")),
        (_png(_chunk(b"pHYs", struct.pack(">IIB", 2835, 2834, 1))), 1, ColourTags("PNG")),
        (_png(_chunk(b"pHYs", struct.pack(">IIB", 0, 0, 0))), 1, ColourTags("PNG")),
        (_tagged({282: ("R", _rationals(150)), 283: ("R", _rationals(300))}), 2, ColourTags("TIFF")),
        (_tagged({282: ("R", _rationals(72)), 283: ("R", _rationals(72.1))}), 1, ColourTags("TIFF")),
        (_tagged({282: ("R", _rationals(0)), 283: ("R", _rationals(0))}), 1, ColourTags("TIFF")),
        (_png(_chunk(b"eXIf", R03)), 1, ColourTags("PNG", name="Adobe RGB (1998)")),
        (_png(_chunk(b"sRGB", b"\0"), _chunk(b"eXIf", R03)), 1, ColourTags("PNG", is_srgb=True)),
    ],
)
def test_what_stills_say_of_their_pixels_is_told(tmp_path: Path, data: bytes, aspect: int, colour: ColourTags) -> None:
    path = tmp_path / "a"
    path.write_bytes(data)
    picture = read_picture(path)
    assert (picture.pixel_aspect, picture.colour, picture.notes) == (aspect, colour, ())


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (
            _tagged({301: ("H", list(range(0, 65536, 256)))}),
            "The transfer curve of the files is tagged (TransferFunction): values are used as they are.",
        ),
        (
            _tagged({319: ("R", _rationals(0.68, 0.32, 0.265, 0.69, 0.15, 0.06))}),
            "The primaries of the files are tagged as others than sRGB's: values are used as they are.",
        ),
        (_tagged({319: ("R", _rationals(0.64, 0.33, 0.3, 0.6, 0.15, 0.06))}), None),
        (_tagged({318: ("R", _rationals(0.3127, 0.329))}), None),
    ],
)
def test_what_stills_say_of_their_pixels_is_passed_on(tmp_path: Path, data: bytes, note: str | None) -> None:
    """Movies said it, stills did not."""
    path = tmp_path / "a"
    path.write_bytes(data)
    picture = read_picture(path)
    assert picture.notes == (() if note is None else (note,))
    assert np.array_equal(picture.pixels, cv2.cvtColor(PICTURE, cv2.COLOR_BGR2RGB)) or data[:2] == b"II"


def test_a_jpeg_with_pixels_that_are_not_square(tmp_path: Path) -> None:
    data = bytearray(cv2.imencode(".jpg", PICTURE)[1].tobytes())
    assert data[6:11] == b"JFIF\0"
    struct.pack_into(">HH", data, 14, 1, 2)
    (tmp_path / "a.jpg").write_bytes(data)
    assert read_picture(tmp_path / "a.jpg").pixel_aspect == 2


def test_the_orientation_stands_behind_other_metadata(tmp_path: Path) -> None:
    """Editors put XMP before EXIF."""
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHIHHI", 1, 274, 3, 1, 6, 0, 0)
    data = cv2.imencode(".jpg", PICTURE)[1].tobytes()
    segments = (b"http://ns.adobe.com/xap/1.0/\0<x/>", exif)
    packed = b"".join(struct.pack(">BBH", 255, 0xE1, len(content) + 2) + content for content in segments)
    (tmp_path / "a.jpg").write_bytes(data[:2] + packed + data[2:])
    assert read_picture(tmp_path / "a.jpg").pixels.shape == (24, 16, 3)


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(b"x")


@pytest.mark.parametrize("target", ["", "p.0001.png", "p.0003.PNG", "p.####.png", "p.%04d.PNG"])
def test_a_suffix_in_capitals_is_of_the_same_sequence(tmp_path: Path, target: str) -> None:
    """The frames after it were left out without a word."""
    _touch(tmp_path, "p.0001.png", "p.0002.png", "p.0003.PNG", "._p.0001.png")
    found = find_sequence(tmp_path / target, PLATE_SUFFIXES)
    assert (found.pattern, found.numbers) == ("p.####.png", (1, 2, 3))
    assert [path.name for path in found.paths] == ["p.0001.png", "p.0002.png", "p.0003.PNG"]


def test_a_sequence_in_capitals_keeps_its_pattern(tmp_path: Path) -> None:
    _touch(tmp_path, "P.0001.PNG", "P.0002.PNG")
    assert find_sequence(tmp_path, PLATE_SUFFIXES).pattern == "P.####.PNG"


def test_one_frame_under_two_suffixes_is_refused(tmp_path: Path) -> None:
    _touch(tmp_path, "p.0001.png", "p.0002.png")
    if (tmp_path / "P.0001.PNG").exists():
        pytest.skip("the file system knows no capitals")
    _touch(tmp_path, "p.0002.PNG")
    with pytest.raises(BadInputError, match="two files for frame 2"):
        find_sequence(tmp_path / "p.0001.png", PLATE_SUFFIXES)


@pytest.mark.parametrize("options", [{}, {"movflags": "frag_keyframe+empty_moov"}])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_movies_joined_end_to_end_are_told_of(tmp_path: Path, count: int, options: dict[str, str]) -> None:
    """Half of the film was left out without a word, as nothing after the first index is read."""
    one = make_plate(tmp_path / "one.mp4", 2, width=48, height=32, container_options=options).read_bytes()
    (tmp_path / "joined.mp4").write_bytes(one * count)
    plate = open_plate(tmp_path / "joined.mp4")
    frames = len(list(plate.frames()))
    told = [note for note in plate.info.notes if f"{count} movies joined end to end" in note]
    assert (frames == 2 * count and count == 1) or told
    assert len(told) == (count > 1)


@pytest.mark.parametrize("codec", [("a.mkv", "libx264", "yuv420p"), ("a.avi", "mjpeg", "yuvj420p")])
def test_joined_movies_of_other_kinds_are_read_whole(tmp_path: Path, codec: tuple[str, str, str]) -> None:
    name, encoder, pix_fmt = codec
    path = make_plate(tmp_path / name, 3, width=48, height=32, codec=encoder, pix_fmt=pix_fmt)
    path.write_bytes(path.read_bytes() * 2)
    assert len(list(open_plate(path).frames())) == 6


# Cameras --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["1e999", "-1e999", '"nan"', '"inf"', "true"])
@pytest.mark.parametrize("field", ["near", "K", "E", "width"])
def test_numbers_that_json_has_and_no_camera(tmp_path: Path, field: str, number: str) -> None:
    K, E = [[50, 0, 24], [0, 50, 16], [0, 0, 1]], np.eye(4).tolist()
    document: dict[str, Any] = {"format": "ex4d-trajectory", "version": 1, "width": 48, "height": 32}
    frame: dict[str, Any] = {"frame": 1, "K": K, "E": E, "near": 0.1}
    if field == "width":
        document["width"] = "@"
    elif field == "near":
        frame["near"] = "@"
    else:
        frame[field][0][1] = "@"
    text = json.dumps({**document, "frames": [frame]}).replace('"@"', number)
    (tmp_path / "c.json").write_text(text)
    if field == "near" and number == "true":
        # Odd, but 1.
        assert float(read_trajectory(tmp_path / "c.json").near[0]) == 1
        return
    with pytest.raises(BadInputError):
        read_trajectory(tmp_path / "c.json")


# The service ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
@pytest.mark.parametrize("kind", ["everybody's", "a link", "a file"])
def test_a_journal_that_others_can_write_to_is_not_read(tmp_path: Path, kind: str) -> None:
    """The runtime folder was looked at, the folder of jobs in it was not."""
    folder = tmp_path / "jobs"
    request = RenderRequest("/victim", MoveCamera("orbit:10"))
    Journal(folder).write(Entry(JobSnapshot("planted", "render"), request))
    if kind == "everybody's":
        folder.chmod(0o777)
    elif kind == "a link":
        folder.rename(tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        shutil.rmtree(folder)
        folder.write_text("x")
    with pytest.raises(TransientError, match="a link, another user's, or open to other users"):
        Journal(folder)


def test_a_number_that_no_later_job_could_follow(tmp_path: Path) -> None:
    """One record with an order of 4300 digits, and no job could be taken any more."""
    journal = Journal(tmp_path / "jobs")
    journal.write(Entry(JobSnapshot("a", "render"), RenderRequest("/shot", MoveCamera("orbit:10")), order=1))
    path = journal.path("a")
    path.write_text(path.read_text().replace('"order": 1', '"order": ' + "9" * 4300))
    queue = JobQueue(Journal(tmp_path / "jobs"), lambda _: None)
    queue.restore()
    assert path.with_name(path.name + ".damaged").exists()
    queue.submit("b", RenderRequest("/shot", MoveCamera("orbit:10")), (), "")
    assert queue.next(WORK_LANE) is not None


def test_a_pipe_for_a_jobs_camera_loses_that_job_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ex4d.server.queue.MAX_KEPT_BYTES", 0)
    queue = JobQueue(Journal(tmp_path / "jobs"), lambda _: None)
    queue.submit("a", RenderRequest("/one", TrajectoryCamera(b"")), (b"{}",), "")
    queue.submit("b", RenderRequest("/two", MoveCamera("orbit:10")), (), "")
    (blob,) = (tmp_path / "jobs").glob("*.blob")
    _pipe(blob)
    task = queue.next(WORK_LANE)
    assert task is not None
    assert task.snapshot.id == "b"
    assert queue.get("a").state == "failed"  # type: ignore[union-attr]


def test_a_shot_spelled_in_two_ways_is_one_shot(tmp_path: Path) -> None:
    """A preview went before the reconstruction that it was asked for after."""
    queue = JobQueue(Journal(tmp_path / "jobs"), lambda _: None)
    queue.submit("old", GenerateRequest("/film/other", MoveCamera("orbit:10")), (), "")
    queue.submit("first", ReconstructRequest("/film/shot", PlateRequest("/p.mp4")), (), "")
    spelled = PreviewRequest("/film/./cut/..//shot", MoveCamera("orbit:10"))
    queue.submit("second", spelled, (), "")
    begun = []
    while (task := queue.next(WORK_LANE)) is not None:
        begun.append(task.snapshot.id)
        queue.failed(task.snapshot.id, TransientError("A.", "B."))
    assert begun.index("first") < begun.index("second")


def test_texts_that_no_file_can_be_called(tmp_path: Path) -> None:
    """Half a character, as JSON can hold it, in each text of a job: it comes back from the journal."""
    queue = JobQueue(Journal(tmp_path / "jobs"), lambda _: None)
    half = json.loads('"\\ud800"')
    request = PreviewRequest(f"/{half}", MoveCamera(half), take=half)
    queue.submit("a", request, (), half)
    again = JobQueue(Journal(tmp_path / "jobs"), lambda _: None)
    again.restore()
    task = again.next(WORK_LANE)
    assert task is not None
    assert task.request == request
