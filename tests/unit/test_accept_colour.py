# SPDX-License-Identifier: Apache-2.0
"""Colours of film plates in the files of takes: beyond white, logs, HDR, what files say of themselves, shapes."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import OpenEXR
import pytest
from film_takes import PLATES, needs_plates, picture, shoot
from numpy.typing import NDArray
from test_accept_plates import CURVES, SLOG3

from ex4d.colour.difference import delta_e_2000, lab_from_srgb
from ex4d.media.movie_tags import hdr_metadata
from tools.plates import chart, stills
from tools.plates.make import make_plate
from tools.plates.movies import MovieKind, write_movie, ycbcr

LOGC3, LOGC4 = "ARRI LogC3 (EI800)", "ARRI LogC4"
#: Coded luma 1019, 980 and 20 of ten bits.
OVER = np.array([1.0902, 1.0457, -0.0502])


def headers(path: Path) -> list[dict[str, Any]]:
    with OpenEXR.File(str(path), header_only=True) as file:
        return [dict(part.header) for part in file.parts]


def test_superwhite_and_subblack_are_in_the_result(tmp_path: Path) -> None:
    truth = make_plate(tmp_path, "over_range_10")
    plate = tmp_path / "over_range_10" / truth.arg
    take = shoot(tmp_path, plate, count=truth.count)
    codes = CURVES["over"](take.unit(1001))
    for (x, y), wanted in zip(chart.CENTRES[8:11], OVER, strict=True):
        np.testing.assert_allclose(codes[y, x], wanted, atol=1e-3)
    # The codes of the movie, of luma and chroma, come back from the scene-linear file as they were.
    for index, number in enumerate(take.numbers):
        with av.open(str(plate)) as file:
            frame = list(file.decode(video=0))[index]
        planes = [np.frombuffer(bytes(plane), "<u2").reshape(72, -1)[:, :128] for plane in frame.planes]
        again = ycbcr(CURVES["over"](take.unit(number)), 10, 1, False)
        assert all(np.array_equal(mine, theirs) for mine, theirs in zip(again, planes, strict=True))


def test_codes_that_are_clipped_in_pictures_are_said(tmp_path: Path) -> None:
    truth = make_plate(tmp_path, "over_range_10")
    plate = tmp_path / "over_range_10" / truth.arg
    take = shoot(tmp_path, plate, "--pictures", "codes", count=truth.count)
    said = [event["text"] for event in take.events if event["event"] == "note"]
    assert any("are clipped in the pictures of 4 of 4 frames: --pictures linear" in text for text in said)
    for (x, y), wanted in zip(chart.CENTRES[8:11], OVER, strict=True):
        np.testing.assert_allclose(take.unit(1001)[y, x], np.clip(wanted, 0, 1), atol=1e-3)
    assert "are clipped" not in shoot(tmp_path, plate, count=truth.count).notes
    made = make_plate(tmp_path, "png_hlg")
    within = shoot(tmp_path / "hlg", tmp_path / "png_hlg" / made.arg, "--pictures", "codes", count=made.count)
    assert "are clipped" not in within.notes


def codes_of(space: str, linear: NDArray[np.float64]) -> NDArray[np.float64]:
    return {**CURVES, LOGC4: chart.logc4_codes}[space](linear)


@pytest.mark.parametrize("space", [SLOG3, LOGC3, LOGC4, "PQ", "HLG"])
@pytest.mark.parametrize("kind", ["png", "dpx"])
def test_named_curves_give_the_light_that_was_coded(tmp_path: Path, space: str, kind: str) -> None:
    """18 % grey within a hundredth, the chart within a code of the source, through the files of a take."""
    plate = tmp_path / "plate"
    plate.mkdir()
    coded = np.clip(codes_of(space, np.maximum(chart.LINEAR, 0)), 0, 1)
    bits = 16 if kind == "png" else 10
    white = (1 << bits) - 1
    for index, number in enumerate((1001, 1002)):
        codes = np.rint(chart.draw(coded, index) * white).astype(np.uint16)
        if kind == "png":
            stills.write_png(plate / f"p.{number}.png", codes)
        else:
            stills.write_dpx(plate / f"p.{number}.dpx", codes, transfer=3)
    linear = shoot(tmp_path, plate, "--colour-space", space, count=2).unit(1001)
    x, y = chart.CENTRES[8]
    np.testing.assert_allclose(linear[y, x], 0.18, rtol=0.01)
    back = np.clip(codes_of(space, linear), 0, 1) * white
    for (x, y), wanted in zip(chart.CENTRES, coded, strict=True):
        assert np.abs(back[y, x] - wanted * white).max() <= (1.01 if bits == 10 else 2)


@pytest.mark.parametrize(
    ("name", "chromaticities"),
    [
        ("lin_ap0_scene", stills.AP0),
        ("lin_ap1_scene", stills.AP1),
        ("lin_rec709_scene", stills.REC709),
        ("lin_rec2020_scene", stills.REC2020),
        ("lin_p3d65_scene", (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329)),
    ],
)
@pytest.mark.parametrize("said", ["id", "chromaticities"])
def test_spaces_are_found_and_written_without_a_contradiction(
    tmp_path: Path, name: str, chromaticities: tuple[float, ...], said: str
) -> None:
    plate = tmp_path / "plate"
    plate.mkdir()
    attributes: dict[str, Any] = {"colorInteropID": name} if said == "id" else {"chromaticities": chromaticities}
    for index, number in enumerate((1001, 1002)):
        stills.write_exr(plate / f"p.{number}.exr", {"": chart.draw(chart.LINEAR, index).astype("f2")}, **attributes)
    take = shoot(tmp_path, plate, "--aov", count=2, cam="truck:0.2")
    for number in take.numbers:
        (header,) = headers(take.file(number))
        assert header["colorInteropID"] == name
        np.testing.assert_allclose(header["chromaticities"], chromaticities, atol=1e-3)
        parts = headers(take.folder / f"aov/aov.{number}.exr")
        assert all(OpenEXR.checkColorMetadata(part) == OpenEXR.OK for part in (header, *parts))
        assert OpenEXR.checkColorMetadata(parts[1], parts[0]) == OpenEXR.OK
        assert [part["colorInteropID"] for part in parts] == [name, "data"]


def h273(path: Path) -> tuple[int, int]:
    with av.open(str(path)) as file:
        context = file.streams.video[0].codec_context
        return int(context.color_primaries), int(context.color_trc)


@pytest.mark.parametrize(
    ("tags", "expected"), [((12, 1, 1), (12, 1)), ((9, 14, 9), (9, 14)), ((1, 1, 1), (1, 1)), ((9, 16, 9), (9, 16))]
)
def test_movies_go_out_with_their_tags_and_colours(
    tmp_path: Path, tags: tuple[int, int, int], expected: tuple[int, int]
) -> None:
    kind = MovieKind("prores_ks", "yuv422p10le", tags, options={"profile": "3", "qscale": "1"})
    write_movie(tmp_path / "a.mov", [chart.draw(chart.DISPLAY, k) for k in range(2)], kind, 10)
    take = shoot(tmp_path, tmp_path / "a.mov", "--movie", "prores422hq", "--pictures", "codes", count=2)
    assert h273(take.folder / "result.mov") == expected
    found = np.array([take.unit(1001)[y, x] for x, y in chart.CENTRES])
    assert delta_e_2000(lab_from_srgb(found), lab_from_srgb(chart.DISPLAY)).max() <= 0.5


def first_frame(path: Path) -> av.VideoFrame:
    with av.open(str(path)) as file:
        return next(file.decode(video=0))


@pytest.mark.shared
@needs_plates
def test_hdr10_goes_out_as_it_came_in(tmp_path: Path) -> None:
    take = shoot(tmp_path, PLATES / "hevc_hdr10.mp4", "--movie", "h265", count=9)
    made = hdr_metadata(first_frame(take.folder / "result_h265.mp4"))
    assert made is not None
    assert made.mastering is not None
    assert made == hdr_metadata(first_frame(PLATES / "hevc_hdr10.mp4"))
    assert h273(take.folder / "result_h265.mp4") == (9, 16)
    assert h273(take.folder / "result.mp4") == (1, 1)  # shown through a display view
    # A shot that is opened again still knows it.
    again = shoot(tmp_path, PLATES / "hevc_hdr10.mp4", "--movie", "h265", count=9, cam="orbit:1")
    assert hdr_metadata(first_frame(again.folder / "result_h265.mp4")) == made


@pytest.mark.parametrize("aspect", [Fraction(2), Fraction(4, 3)])
@pytest.mark.parametrize("kind", ["exr", "mp4"])
def test_a_circle_of_wide_pixels_stays_a_circle(tmp_path: Path, aspect: Fraction, kind: str) -> None:
    """A disc, drawn round on a display, is round in the result as it is shown; files say the aspect."""
    y, x = np.mgrid[0:288, 0:256] + 0.5
    radius = np.hypot((x - 128) * float(aspect), y - 144)
    disc = np.repeat(np.clip(100.5 - radius, 0, 1)[..., None] * 0.8, 3, axis=2)
    if kind == "exr":
        plate = tmp_path / "plate"
        plate.mkdir()
        for number in (1001, 1002):
            stills.write_exr(
                plate / f"p.{number}.exr", {"": disc.astype(np.float32)}, colorInteropID="lin_ap1_scene",
                pixelAspectRatio=float(aspect),
            )  # fmt: skip
    else:
        plate = tmp_path / "a.mp4"
        write_movie(plate, [disc] * 2, MovieKind("libx264", "yuv444p", aspect=aspect, options={"qp": "0"}), 8)
    take = shoot(tmp_path, plate, count=2, size=(256, 288))
    inside = take.unit(1001)[..., 1]
    # Moments of the disc, in the shape that it is shown in: variances across and down are equal.
    weights = inside / inside.sum()
    across = (weights * ((x - 128) * float(aspect)) ** 2).sum()
    down = (weights * (y - 144) ** 2).sum()
    assert abs(np.sqrt(across / down) - 1) <= 1e-3
    with av.open(str(take.folder / "result.mp4")) as file:
        assert file.streams.video[0].sample_aspect_ratio == aspect
    if kind == "exr":
        assert take.header(1001)["pixelAspectRatio"] == pytest.approx(float(aspect))

    K = np.array(json.loads((take.folder / "trajectory.json").read_text())["frames"][0]["K"])
    assert K[1, 1] / K[0, 0] == pytest.approx(float(aspect), rel=1e-6)


def test_pictures_say_their_curve(tmp_path: Path) -> None:
    """PNG results of a tagged plate are tagged alike, and their codes are the plate's."""
    truth = make_plate(tmp_path, "png_hlg")
    take = shoot(tmp_path, tmp_path / "png_hlg" / truth.arg, "--pictures", "codes", count=truth.count)
    for number in take.numbers:
        data = take.file(number).read_bytes()
        at = data.index(b"cICP")
        assert tuple(data[at + 4 : at + 8]) == (9, 18, 0, 1)
        source = cv2.imread(str(tmp_path / f"png_hlg/p.{number}.png"), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(picture(take.file(number)), source[..., ::-1])
