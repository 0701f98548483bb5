# SPDX-License-Identifier: Apache-2.0
"""The files of takes: results, what compositors want besides, what the files say of themselves."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenEXR
import pytest
from command import make_depth, make_plate, textured
from numpy.typing import NDArray

from ex4d.camera import Camera, intrinsics, read_trajectory
from ex4d.camera.lens import Lens
from ex4d.camera.transforms import rigid, rotation_x, rotation_y
from ex4d.composite.aov import NO_SURFACE, camera_motion, origin_values, stmap
from ex4d.composite.headers import SHOT_TO_WORLD, world_to_camera, world_to_ndc
from ex4d.composite.outputs import output_inputs
from ex4d.jobs.context import JobContext
from ex4d.jobs.run import run
from ex4d.media.encoding import HEADROOM_16, LINEAR_HALF, TruthEncoding
from ex4d.media.exr_writer import ExrPart, write_exr, write_exr_parts
from ex4d.media.picture_facts import PixelWindow
from ex4d.protocol.requests import (
    DepthRequest,
    GenerateRequest,
    MoveCamera,
    OutputRequest,
    PlateRequest,
    ReconstructRequest,
    RunRequest,
)
from ex4d.protocol.results import GenerateResult
from ex4d.system.progress import Silent

SIZE = (96, 64)
NUMBERS = (1001, 1002, 1003)
LOG = "S-Log3 S-Gamut3.Cine"
AP1 = {"colorInteropID": "lin_ap1_scene"}
RATE = Fraction(24000, 1001)


def scene_linear(index: int) -> NDArray[np.float16]:
    """(H, W, 4) scene-linear with associated alpha: a lamp at 60, a negative, clear and half-clear parts."""
    picture = (textured(index, *SIZE).astype(np.float32) / 255) ** 2.2 * 2
    picture[4:8, 10:14], picture[20, 50:54] = 60, -0.05
    alpha = np.ones(SIZE[::-1], np.float32)
    alpha[40:48, 30:40], alpha[50:56, 30:40] = 0, 0.5
    return np.dstack([picture * alpha[..., None], alpha]).astype(np.float16)


def make_exr_plate(folder: Path) -> Path:
    folder.mkdir()
    for index, number in enumerate(NUMBERS):
        planes = {name: np.ascontiguousarray(scene_linear(index)[..., k]) for k, name in enumerate("RGBA")}
        header = {
            "compression": OpenEXR.ZIP_COMPRESSION,
            "type": OpenEXR.scanlineimage,
            "framesPerSecond": RATE,
            "timeCode": OpenEXR.TimeCode(23, 59, 59, 22 + index if index < 2 else 0, *[0] * 14)
            if index < 2
            else OpenEXR.TimeCode(*[0] * 18),
            "pixelAspectRatio": 2.0,
            **AP1,
        }
        with OpenEXR.File(header, planes) as file:
            file.write(str(folder / f"p.{number}.exr"))
    return folder


def deliver(root: Path, plate: Path, move: str = "truck:0.3", *, space: str = "auto", **output: Any) -> GenerateResult:
    make_depth(root / "depth.npz", len(NUMBERS), *SIZE)
    shot = str(root / "shot")
    reconstruct = ReconstructRequest(
        shot, PlateRequest(str(plate), colour_space=space), DepthRequest(str(root / "depth.npz"), fov=50)
    )
    take = GenerateRequest(shot, MoveCamera(move), raster="embree", output=OutputRequest(**output))
    return run(RunRequest(reconstruct, (take,)), JobContext(Silent())).takes[0]


def parts(path: Path) -> dict[str, Any]:
    """Header and channels of each part, by its name."""
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return {
            str(part.header.get("name", "")): (
                dict(part.header),
                {name: np.array(channel.pixels) for name, channel in part.channels.items()},
            )
            for part in file.parts
        }


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, GenerateResult]:
    root = tmp_path_factory.mktemp("film")
    plate = make_exr_plate(root / "plate")
    return root, deliver(root, plate, aov=True)


def test_results_of_a_scene_linear_plate_say_what_they_are(film: tuple[Path, GenerateResult]) -> None:
    _, take = film
    trajectory = read_trajectory(Path(take.folder) / "trajectory.json")
    times = []
    for index, number in enumerate(NUMBERS):
        ((header, channels),) = parts(Path(take.result) / f"result.{number}.exr").values()
        assert sorted(channels) == ["A", "B", "G", "R"]
        assert {values.dtype for values in channels.values()} == {np.dtype(np.float16)}
        assert OpenEXR.checkColorMetadata(header) == OpenEXR.OK
        assert header["colorInteropID"] == "lin_ap1_scene"
        assert header["pixelAspectRatio"] == 2.0
        assert header["framesPerSecond"] == RATE
        assert header["ex4d/frame"] == number
        assert all(header[f"ex4d/{name}"] for name in ("plate", "take", "model"))
        assert header["ex4d/generator"] == "preview"
        assert 0 <= header["ex4d/generated"] < 0.5
        assert np.allclose(header["worldToCamera"], world_to_camera(trajectory[index]), atol=1e-6)
        assert np.allclose(header["worldToNDC"], world_to_ndc(trajectory[index]), atol=1e-6)
        moment = header["timeCode"]
        times.append((moment.hours, moment.minutes, moment.seconds, moment.frame))
    assert header["ex4d/generated"] > 0
    assert take.pixel_aspect == "2"
    assert times == [(23, 59, 59, 22), (23, 59, 59, 23), (0, 0, 0, 0)]


def test_alpha_is_re_shot_and_fills_nothing(film: tuple[Path, GenerateResult]) -> None:
    root, _ = film
    take = deliver(root, root / "plate", "orbit:0")
    for index, number in enumerate(NUMBERS):
        ((_, channels),) = parts(Path(take.result) / f"result.{number}.exr").values()
        found = np.dstack([channels[name] for name in "RGBA"])
        assert np.array_equal(found.view(np.uint16), scene_linear(index).view(np.uint16))
    assert take.generated_max == 0


def test_aovs(film: tuple[Path, GenerateResult]) -> None:
    _, take = film
    folder = Path(take.folder)
    assert json.loads((folder / "take.json").read_text())["aov"] == "aov/aov.####.exr"
    for number in NUMBERS:
        found = parts(folder / f"aov/aov.{number}.exr")
        assert sorted(found) == ["data", "rgba"]
        header, fill = found["rgba"]
        assert sorted(fill) == ["A", "B", "G", "R"]
        assert header["colorInteropID"] == "lin_ap1_scene"
        assert np.all(fill["A"] == 1)
        header, data = found["data"]
        assert header["colorInteropID"] == "data"
        assert OpenEXR.checkColorMetadata(header) == OpenEXR.OK
        floats = ["depth.Z", "motion.X", "motion.Y", "uv.U", "uv.V"]
        assert sorted(data) == sorted([*floats, "generated.Y", "source.Y", "origin.Y"])
        assert all(data[name].dtype == np.float32 for name in floats)
        mask = cv2.imread(str(folder / f"mask/mask.{number}.png"), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(data["source.Y"], mask / 255)
        assert np.array_equal(data["generated.Y"], 1 - mask / 255)
        assert np.all(data["origin.Y"][mask == 255] == 1)
        assert set(np.unique(data["origin.Y"][mask == 0]).tolist()) <= {0, 0.5}
        z = data["depth.Z"]
        assert np.all((z == NO_SURFACE) | ((z > 0) & (z < 1e6)))
        assert not data["uv.U"][mask == 0].any()


def test_the_uv_of_the_source_view_is_every_pixels_own_place(film: tuple[Path, GenerateResult]) -> None:
    root, _ = film
    take = deliver(root, root / "plate", "orbit:0", aov=True)
    data = parts(Path(take.folder) / "aov/aov.1002.exr")["data"][1]
    u, v = (np.arange(SIZE[0]) + 0.5) / SIZE[0], 1 - (np.arange(SIZE[1]) + 0.5) / SIZE[1]
    assert np.abs(data["uv.U"] - u[None, :]).max() < 1e-7
    assert np.abs(data["uv.V"] - v[:, None]).max() < 1e-7
    assert not data["motion.X"].any()


def test_the_uv_takes_the_result_from_the_plate(film: tuple[Path, GenerateResult]) -> None:
    """The plate warped by the STMap is the result, where it is measured and smooth."""
    _, take = film
    folder = Path(take.folder)
    data = parts(folder / "aov/aov.1003.exr")["data"][1]
    ((_, channels),) = parts(folder / "result/result.1003.exr").values()
    plate = scene_linear(2)[..., 1].astype(np.float32)
    x, y = data["uv.U"] * SIZE[0] - 0.5, (1 - data["uv.V"]) * SIZE[1] - 0.5
    warped = cv2.remap(plate, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    seen = data["source.Y"] > 0
    assert np.median(np.abs(warped - channels["G"].astype(np.float32))[seen]) < 2e-3


def test_asking_for_more_files_fills_nothing_again(film: tuple[Path, GenerateResult]) -> None:
    root, take = film
    before = sorted(path.name for path in (root / "shot/cache").iterdir())
    plain = deliver(root, root / "plate")
    assert plain.take != take.take
    assert not (Path(plain.folder) / "aov").exists()
    assert sorted(path.name for path in (root / "shot/cache").iterdir()) == before
    assert deliver(root, root / "plate", aov=True).take == take.take


def test_aovs_of_a_display_plate_are_scene_linear(tmp_path: Path) -> None:
    take = deliver(tmp_path, make_plate(tmp_path / "plate.mp4", 3, width=SIZE[0], height=SIZE[1]), aov=True)
    assert sorted(path.suffix for path in Path(take.result).iterdir()) == [".png"] * 3
    header, fill = parts(Path(take.folder) / "aov/aov.1002.exr")["rgba"]
    assert header["colorInteropID"] == "lin_rec709_scene"
    assert OpenEXR.checkColorMetadata(header) == OpenEXR.OK
    result = cv2.imread(str(Path(take.result) / "result.1002.png"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    linear = np.where(result > 10, ((result / 255 + 0.055) / 1.055) ** 2.4, result / 255 / 12.92)
    drawn = np.dstack([fill[name] for name in "RGB"]).astype(np.float64)
    mask = parts(Path(take.folder) / "aov/aov.1002.exr")["data"][1]["source.Y"] > 0
    assert np.median(np.abs(drawn - linear)[mask]) < 0.02


def log_plate(folder: Path) -> Path:
    folder.mkdir()
    for index, number in enumerate(NUMBERS):
        codes = (textured(index, *SIZE).astype(np.uint32) * 40_000 // 255 + 6_000).astype(np.uint16)
        cv2.imwrite(str(folder / f"p.{number}.png"), codes[..., ::-1])
    return folder


def test_codes_of_a_log_plate_come_back_named(tmp_path: Path) -> None:
    plate = log_plate(tmp_path / "plate")
    take = deliver(tmp_path, plate, "orbit:0", space=LOG, pictures="codes")
    for number in NUMBERS:
        path = Path(take.result) / f"result.{number}.png"
        source = cv2.imread(str(plate / f"p.{number}.png"), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), source)
        assert b"tEXtOpenColorIO colour space\0" + LOG.encode() in path.read_bytes()
    linear = deliver(tmp_path, plate, "orbit:0", space=LOG, compression="piz")
    assert linear.take != take.take
    ((header, _),) = parts(Path(linear.result) / "result.1001.exr").values()
    assert header["compression"] == OpenEXR.PIZ_COMPRESSION
    assert OpenEXR.checkColorMetadata(header) == OpenEXR.OK


def camera(x: float, yaw: float, focal: float = 90.0) -> Camera:
    E = rigid(rotation_y(yaw) @ rotation_x(0.03), np.array([x, 0.1, 0.2]))
    K = intrinsics(focal, *SIZE)
    K[1, 1] *= 1.2
    return Camera(K, E, *SIZE)


def test_motion_is_that_of_points_that_stand_still() -> None:
    first, second = camera(0.0, 0.1), camera(0.15, 0.13, 95.0)
    points = np.random.default_rng(1).uniform((-1, -0.7, 3), (1, 0.7, 6), (200, 3))
    (a, depth), (b, _) = first.project(points), second.project(points)
    inside = ((a > 0) & (a < SIZE)).all(axis=1)
    assert inside.sum() > 50
    for at, z, to in zip(a[inside], depth[inside], b[inside], strict=True):
        # A camera whose pixel (0, 0) has its centre there.
        K = first.K.copy()
        K[:2, 2] += 0.5 - at
        moved = second.K.copy()
        moved[:2, 2] += 0.5 - at
        x, y = camera_motion(np.array([[z]], np.float32), Camera(K, first.E, 1, 1), Camera(moved, second.E, 1, 1))
        assert np.allclose((x[0, 0], -y[0, 0]), to - at, atol=1e-3)
    x, _ = camera_motion(np.full((2, 2), np.nan, np.float32), first, second)
    assert not x.any()


def test_motion_goes_through_lenses() -> None:
    lens = Lens("brown", (-0.1, 0.02, 0, 0, 0.001))
    first, second = (replace(view, lens=lens) for view in (camera(0.0, 0.1), camera(0.15, 0.13, 95.0)))
    z = np.full((SIZE[1], SIZE[0]), 4.0, np.float32)
    x, y = camera_motion(z, first, second)
    for column, row in ((0, 0), (SIZE[0] - 1, 3), (SIZE[0] // 2, SIZE[1] - 1)):
        at = np.array([column + 0.5, row + 0.5])
        seen = np.array([*(first.rays(at) * 4.0), 4.0])
        to, _ = second.project((seen - first.E[:3, 3]) @ first.E[:3, :3])
        assert np.allclose((x[row, column], -y[row, column]), to - at, atol=1e-3)


def test_camera_attributes() -> None:
    """A point goes where OpenEXR's words say: y up, z forward in the camera; y down, 0..1 in the picture."""
    view = camera(0.3, 0.2)
    points = np.random.default_rng(2).uniform((-1, -1, 2), (1, 1, 5), (50, 3))
    world = np.c_[points, np.ones(50)] @ SHOT_TO_WORLD.T
    seen, z = view.project(points)
    inside = world @ world_to_camera(view).astype(np.float64)
    assert np.allclose(inside[:, 2], z, atol=1e-5)
    own = np.c_[points, np.ones(50)] @ view.E.T
    assert np.allclose(inside[:, :2], own[:, :2] * (1, -1), atol=1e-5)
    ndc = world @ world_to_ndc(view).astype(np.float64)
    assert np.allclose(ndc[:, :2] / ndc[:, 3:], seen / SIZE, atol=1e-5)
    # The source camera at the origin looks along +y, and up is +z.
    still = Camera(intrinsics(90.0, *SIZE), np.eye(4), *SIZE)
    assert np.allclose(np.array([0, 3, 1, 1]) @ world_to_camera(still), (0, 1, 3, 1))


def test_stmaps_and_origins() -> None:
    seen = np.array([[True, False]])
    u, v = stmap(np.array([[[0.5, 0.5], [np.nan, 3]]], np.float32), seen, PixelWindow(0, 0, 10, 4))
    assert np.allclose((u, v), ([[0.05, 0]], [[0.875, 0]]))
    # Of a plate with overscan, that of its frame.
    u, v = stmap(np.array([[[0.5, 5.5], [2.5, 3]]], np.float32), np.ones((1, 2), np.bool_), PixelWindow(2, 1, 10, 4))
    assert np.allclose((u, v), ([[-0.15, 0.05]], [[1 - 4.5 / 4, 0.5]]))
    codes = np.array([[255, 128, 0]], np.uint8)
    assert origin_values(codes, np.array([[True, False, False]])).tolist() == [[1, 0.5, 0]]
    assert origin_values(codes, np.array([[False, True, True]])).tolist() == [[0, 1, 1]]


@pytest.mark.parametrize("compression", ["zip", "piz"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_all_bits_are_kept(tmp_path: Path, dtype: Any, compression: Any, capfd: pytest.CaptureFixture[str]) -> None:
    raw = np.random.default_rng(3).integers(0, 1 << 16, (40, 50, 4), dtype=np.uint16)
    values = raw.view(np.float16).astype(np.float32) if dtype == np.float32 else raw.view(np.float16)
    write_exr(tmp_path / "a ü.exr", values[..., :3], values[..., 3], AP1, compression)
    ((_, channels),) = parts(tmp_path / "a ü.exr").values()
    for k, name in enumerate("RGBA"):
        assert np.ascontiguousarray(channels[name]).tobytes() == np.ascontiguousarray(values[..., k]).tobytes()
    assert capfd.readouterr().out == ""


def test_channels_of_other_kinds_are_refused(tmp_path: Path) -> None:
    one = np.zeros((4, 4), np.float32)
    for channels in ({"Z": one.astype(np.float64)}, {"Z": one, "Y": one[:2]}, {}):
        with pytest.raises(ValueError, match="float16 or float32"):
            write_exr_parts(tmp_path / "x.exr", [ExrPart("", channels, {})])
    assert not list(tmp_path.iterdir())


def test_only_what_has_an_effect_is_in_the_key() -> None:
    display = TruthEncoding("display", "uint8", 0, 255)
    for truth in (display, LINEAR_HALF, HEADROOM_16):
        assert output_inputs(OutputRequest(), truth) == {}
    assert output_inputs(OutputRequest(pictures="codes", compression="piz"), display) == {}
    assert output_inputs(OutputRequest(pictures="codes"), LINEAR_HALF) == {}
    assert output_inputs(OutputRequest(pictures="codes"), HEADROOM_16) != {}
    assert output_inputs(OutputRequest(compression="piz"), LINEAR_HALF) != {}
    assert output_inputs(OutputRequest(pictures="codes", compression="piz"), HEADROOM_16) == output_inputs(
        OutputRequest(pictures="codes"), HEADROOM_16
    )
    assert output_inputs(OutputRequest(aov=True), display) != {}
