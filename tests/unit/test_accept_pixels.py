# SPDX-License-Identifier: Apache-2.0
"""Pixels of film plates in the files of takes: to the bit at the source view, also through a lens; moved; alpha."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenEXR
import pytest
from film_takes import PLATES, Take, bits, needs_plates, picture, shared_truth, shoot
from numpy.typing import NDArray

from ex4d.colour.transfer import SRGB
from ex4d.plate import FrameRange, open_plate
from tools.plates import chart, stills
from tools.plates.make import make_plate

FLOWER = Path(__file__).parents[3] / "shared" / "data" / "flower" / "input.mp4"
RASTERIZERS = ["opengl", "embree"]
FRAMES = (1001, 1002)
LENSES: dict[str, Any] = {
    "polynomial": [-0.2, 0.03],
    "division": [0.1],
    "brown": [-0.2, 0.02, 0, 0, 0.002, 0.001],
    "nuke": [0.08],
    "opencv": [-0.2, 0.05, 0.001, -0.001],
}


def extreme(index: int, dtype: Any = np.float16) -> NDArray[Any]:
    """(H, W, 3): the chart, and inf, NaN with a payload, −0, a denormal and the largest half in single pixels."""
    values = chart.draw(chart.LINEAR, index).astype(dtype)
    values[60, 20] = (np.inf, -np.inf, np.nan)
    bits(values)[62, 40] = 0x7E55 if dtype == np.float16 else 0x7FC12345
    values[64, 60] = (-0.0, 6e-8, 65504)
    return values


def write(folder: Path, dtype: Any = np.float16, **header: Any) -> Path:
    folder.mkdir()
    for index, number in enumerate(FRAMES):
        stills.write_exr(folder / f"p.{number}.exr", {"": extreme(index, dtype)}, **header)
    return folder


def same(take: Take, folder: Path) -> None:
    for number in take.numbers:
        source = picture(folder / f"p.{number}.exr")
        assert np.array_equal(bits(take.result(number)[..., : source.shape[2]]), bits(source))
    assert take.generated == 0


@pytest.mark.parametrize("raster", RASTERIZERS)
@pytest.mark.parametrize("gamut", ["AP0", "AP1", "REC709"])
@pytest.mark.parametrize("kind", ["zip", "zips", "piz", "none", "rle", "tiled", "float"])
def test_the_source_view_is_the_plate_to_the_bit(tmp_path: Path, kind: str, gamut: str, raster: str) -> None:
    names = {"zips": "ZIPS", "piz": "PIZ", "none": "NO", "rle": "RLE"}
    plate = write(
        tmp_path / "plate",
        np.float32 if kind == "float" else np.float16,
        compression=getattr(OpenEXR, f"{names.get(kind, 'ZIP')}_COMPRESSION"),
        kind="tiled" if kind == "tiled" else "scanline",
        chromaticities=getattr(stills, gamut),
    )
    take = shoot(tmp_path, plate, count=2, raster=raster)
    same(take, plate)
    names_of_space = {"AP0": "lin_ap0_scene", "AP1": "lin_ap1_scene", "REC709": "lin_rec709_scene"}
    assert take.header(1001)["colorInteropID"] == names_of_space[gamut]


@pytest.mark.parametrize("raster", RASTERIZERS)
@pytest.mark.parametrize(("name", "value"), [("multilayer", "diffuse"), ("multipart", "diffuse"), ("multipart", "")])
def test_layers_and_parts_by_name(tmp_path: Path, name: str, value: str, raster: str) -> None:
    plate = tmp_path / "plate"
    plate.mkdir()
    for index, number in enumerate(FRAMES):
        layers = {"": extreme(index), "diffuse": extreme(index + 5), "depth": np.ones((72, 128), np.float32)}
        if name == "multipart":
            layers = {"rgba": layers.pop(""), **layers}
        stills.write_exr(
            plate / f"p.{number}.exr", layers, multipart=name == "multipart", colorInteropID="lin_ap1_scene"
        )
    take = shoot(tmp_path, plate, *(("--layer", value) if value else ()), count=2, raster=raster)
    for index, number in enumerate(FRAMES):
        assert np.array_equal(bits(take.result(number)[..., :3]), bits(extreme(index + (5 if value else 0))))


@pytest.mark.parametrize("raster", RASTERIZERS)
def test_overscan_is_kept_for_views_beyond_the_frame(tmp_path: Path, raster: str) -> None:
    """With the depth of all pixels, a camera that pans sees the file's pixels beyond the frame, and fills less."""
    truth = make_plate(tmp_path, "exr_overscan")
    plate = tmp_path / "exr_overscan" / truth.arg
    whole = shoot(tmp_path / "whole", plate, count=4, size=(144, 84), cam="pan:3", raster=raster)
    framed = shoot(tmp_path / "framed", plate, count=4, cam="pan:3", raster=raster)
    assert whole.result(1004).shape[:2] == (72, 128)
    assert whole.generated < 0.3 * framed.generated
    held = shoot(tmp_path / "whole", plate, count=4, size=(144, 84), raster=raster)
    for number in held.numbers:
        inside = picture(tmp_path / f"exr_overscan/p.{number}.exr")[6:78, 8:136]
        assert np.array_equal(bits(held.result(number)[..., :3]), bits(inside))


@pytest.mark.parametrize("raster", RASTERIZERS)
@pytest.mark.parametrize("compression", ["DWAA", "DWAB", "B44", "B44A", "PXR24"])
def test_lossy_files_are_what_openexr_decodes(tmp_path: Path, compression: str, raster: str) -> None:
    plate = write(
        tmp_path / "plate", compression=getattr(OpenEXR, f"{compression}_COMPRESSION"), colorInteropID="lin_ap1_scene"
    )
    same(shoot(tmp_path, plate, count=2, raster=raster), plate)


@pytest.mark.parametrize("raster", RASTERIZERS)
@pytest.mark.parametrize("model", LENSES)
def test_the_source_view_through_a_lens_is_the_plate_to_the_bit(tmp_path: Path, model: str, raster: str) -> None:
    plate = write(tmp_path / "plate", chromaticities=stills.AP1, pixelAspectRatio=2.0 if model == "brown" else 1.0)
    lens = tmp_path / "lens.json"
    lens.write_text(json.dumps({"model": model, "coefficients": LENSES[model]}))
    same(shoot(tmp_path, plate, "--lens", str(lens), count=2, raster=raster), plate)


@pytest.mark.parametrize("raster", RASTERIZERS)
def test_a_moved_view_has_the_plates_values_where_its_uv_says(tmp_path: Path, raster: str) -> None:
    """Against float64 sampling at the positions that the take's own UV names: 99.9 % within a thousandth."""
    plate = tmp_path / "plate"
    plate.mkdir()
    y, x = np.mgrid[0:72, 0:128]
    smooth = (3 + np.sin(x / 9) + np.cos(y / 7))[..., None] * (0.2, 1, 4)
    for number in FRAMES:
        stills.write_exr(plate / f"p.{number}.exr", {"": smooth.astype(np.float32)}, colorInteropID="lin_ap1_scene")
    take = shoot(tmp_path, plate, "--aov", count=2, cam="truck:0.3", raster=raster)
    with OpenEXR.File(str(take.folder / "aov/aov.1002.exr"), separate_channels=True) as file:
        data = {name: np.array(channel.pixels) for name, channel in file.parts[1].channels.items()}
    seen = take.mask(1002) == 255
    assert 0.5 < seen.mean() < 0.99
    u, v = data["uv.U"][seen].astype(float) * 128 - 0.5, (1 - data["uv.V"][seen].astype(float)) * 72 - 0.5
    u, v = u.clip(0, 127), v.clip(0, 71)
    left, top = np.clip(np.floor(u), 0, 126).astype(int), np.clip(np.floor(v), 0, 70).astype(int)
    du, dv = (u - left)[:, None], (v - top)[:, None]
    values = smooth.astype(np.float32).astype(np.float64)
    a, b, c, d = (values[top + row, left + column] for row in (0, 1) for column in (0, 1))
    wanted = (a * (1 - du) + b * du) * (1 - dv) + (c * (1 - du) + d * du) * dv
    error = np.abs(take.result(1002)[seen][:, :3] / wanted - 1)
    assert np.quantile(error, 0.999) <= 1e-3


@pytest.mark.parametrize("raster", RASTERIZERS)
@pytest.mark.parametrize("name", ["exr_alpha", "tiff_associated"])
def test_alpha_is_delivered_and_fills_nothing(tmp_path: Path, name: str, raster: str) -> None:
    truth = make_plate(tmp_path, name)
    take = shoot(tmp_path, tmp_path / name / truth.arg, count=truth.count, raster=raster)
    assert take.generated == 0
    ramp = np.tile(np.linspace(0, 1, 128), (72, 1))
    for index, number in enumerate(take.numbers):
        result = take.result(number)
        white = 1 if result.dtype.kind == "f" else 65535
        assert np.abs(result[..., 3] / white - ramp).max() <= 1 / 255
        if name == "tiff_associated":
            # Multiplied again it is what the file has: at small alphas that holds fewer steps.
            stored = np.rint(chart.draw(chart.DISPLAY, index) * ramp[..., None] * 65535)
            again = result[..., :3] * (result[..., 3:] / 65535)
            assert np.abs(again - stored)[ramp > 0.02].max() <= 2


@pytest.mark.shared
@needs_plates
@pytest.mark.parametrize("raster", RASTERIZERS)
def test_the_alpha_of_a_movie_is_delivered(tmp_path: Path, raster: str) -> None:
    truth = shared_truth()["prores4444_alpha"]
    take = shoot(tmp_path, PLATES / truth["arg"], count=9, raster=raster)
    ramp = np.tile(np.linspace(0, 1, 128), (72, 1))
    for number in take.numbers:
        assert np.abs(take.result(number)[..., 3] / 65535 - ramp).max() <= 1 / 255
    assert take.generated == 0


@pytest.mark.shared
@pytest.mark.skipif(not FLOWER.exists(), reason="needs the flower footage in ../shared/data, which is not there")
def test_holes_are_where_they_are_on_srgb(tmp_path: Path) -> None:
    """The same light as scene-linear EXR and as sRGB pictures, the depth estimated: the holes agree to 0.99."""
    for name in ("linear", "srgb"):
        (tmp_path / name).mkdir()
    for frame in open_plate(FLOWER, frames=FrameRange.parse("1001-1009")).frames():
        codes = cv2.resize(frame.pixels, (256, round(256 * frame.pixels.shape[0] / frame.pixels.shape[1])))
        stills.write_png(tmp_path / f"srgb/p.{frame.number}.png", codes)
        linear = SRGB.to_linear(codes / 255).astype(np.float32)
        stills.write_exr(tmp_path / f"linear/p.{frame.number}.exr", {"": linear}, colorInteropID="lin_rec709_scene")
    takes = [
        shoot(tmp_path / f"{name}_shot", tmp_path / name, "--depth", "small", count=9, cam="orbit:20")
        for name in ("linear", "srgb")
    ]
    linear, srgb = (np.stack([take.mask(number) for number in take.numbers]) == 0 for take in takes)
    assert 0.02 < linear.mean() < 0.6
    assert (linear & srgb).sum() >= 0.99 * (linear | srgb).sum()
