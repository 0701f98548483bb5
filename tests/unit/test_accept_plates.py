# SPDX-License-Identifier: Apache-2.0
"""Every plate of the collections, from its files to the files of a take at the source view: right, or refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import PyOpenColorIO
import pytest
from film_takes import (
    PLATES,
    Refused,
    Take,
    bits,
    exr_moment,
    needs_plates,
    picture,
    shared_truth,
    shoot,
    shoot_or_refuse,
    timecode_of,
)
from numpy.typing import NDArray

from tools.plates import chart
from tools.plates.make import PLATES as MADE
from tools.plates.make import Truth, make_plate

Float = NDArray[np.float64]
TRUTH = shared_truth()
SLOG3 = "S-Log3 S-Gamut3.Cine"
#: What plates that say nothing of their colours are told to be.
TOLD = {
    "dpx10_log": SLOG3,
    "slog3_xavc": SLOG3,
    **dict.fromkeys(
        ("exr_dwaa", "exr_b44", "exr_par2", "exr_timecode_fps", "exr_multilayer", "exr_overscan"), "ACEScg"
    ),
    "tiff16_half": "lin_rec709_scene",
}
#: What must be refused, and words of the sentence.
REFUSED = {
    "exr_and_jpg_folder": r"holds 2 sequences: p\.####\.exr, p\.####\.jpg",
    "still_jp2": r"is not a \.png or",
    "still_tga": r"is not a \.png or",
    "still_webp": r"is not a \.png or",
    "seq_gap": "1 frame is missing in .*: 1005",
    "seq_sizes": r"p\.1005\.png has 64x36 pixels",
    "seq_zero_byte": r"p\.1005\.png is an empty file",
}
#: What must be noted.
NOTED = {
    "vfr_rotated": "The frame rate varies, 15-30 fps",
    "interlaced_h264": "is interlaced",
    "two_video": "2 video streams: the main one, of 64x36",
    "clean_aperture": "clean aperture of 112x72",
    "bt601": "BT.601",
    "audio": "has sound: --audio takes it",
    "png_cicp_pq": "203 cd/m²",
    "hevc_hdr10": "203 cd/m²",
    "exr_multipart": r"other layers too \(diffuse, depth\)",
    "exr_crop": "do not cover the whole frame",
    "tiff_associated": "premultiplied",
    "png_linear": "scene-linear 0..1",
    "png_hlg": "HLG",
    "hevc_hlg": "HLG",
    "prores_2020_pq_colr": "203 cd/m²",
    "prores_untagged": "not tagged: BT.709 is assumed",
    "over_range_10": "beyond black and white is kept",
    "over_range_8": "beyond black and white is kept",
    "xdcam_mxf": "has sound: --audio takes it",
    "sound_mov": "has sound: --audio takes it",
}
AP1_TO_ADX = ("studio-config-v4.0.0_aces-v2.0_ocio-v2.5", "ACEScg", "ADX10")


def adx_codes(linear: Float) -> Float:
    config = PyOpenColorIO.Config.CreateFromBuiltinConfig(AP1_TO_ADX[0])
    values = np.ascontiguousarray(linear, np.float32)
    config.getProcessor(*AP1_TO_ADX[1:]).getDefaultCPUProcessor().applyRGB(values)
    return values.astype(np.float64)


def srgb_codes(linear: Float) -> Float:
    """sRGB's curve (IEC 61966-2-1), mirrored below black and going on above white."""
    size = np.abs(linear)
    return np.asarray(np.sign(linear) * np.where(size <= 0.0031308, 12.92 * size, 1.055 * size ** (1 / 2.4) - 0.055))


#: Scene light of HLG's signal 75 %, which is linear 1.0.
_HLG_WHITE = (np.exp((0.75 - 0.55991073) / 0.17883277) + 0.28466892) / 12
#: From the linear values of a result to the codes of its plate, by the makers' own formulas.
CURVES: dict[str, Callable[[Float], Float]] = {
    "PQ": lambda linear: chart.pq_codes(np.maximum(linear, 0) * 203),
    "HLG": lambda linear: chart.hlg_codes(linear * _HLG_WHITE),
    SLOG3: chart.slog3_codes,
    "ARRI LogC3 (EI800)": chart.logc3_codes,
    "ADX10": adx_codes,
    "gAMA": lambda linear: linear,
    "over": srgb_codes,
}


def curve_of(name: str, options: tuple[str, ...]) -> Callable[[Float], Float]:
    """That of a plate of codes."""
    if "--colour-space" in options:
        return CURVES[options[options.index("--colour-space") + 1]]
    words = {"pq": "PQ", "hdr10": "PQ", "hlg": "HLG", "png_linear": "gAMA", "over": "over"}
    return CURVES[next(curve for word, curve in words.items() if word in name)]


def plate_files(pattern: Path) -> dict[int, Path]:
    """The files of a sequence by their numbers."""
    files = (path for path in pattern.parent.iterdir() if path.suffix == pattern.suffix)
    return {int(re.findall(r"-?\d+", path.stem)[-1]): path for path in files}


def check_patches(take: Take, patches: Any, centres: Any, curve: Callable[[Float], Float] | None, atol: float) -> None:
    """The first frame has these values at these places; a result of linear values has them by ``curve``."""
    found = take.unit(take.numbers[0])
    if curve is not None and take.file(take.numbers[0]).suffix == ".exr":
        found = curve(found)
    for (x, y), patch in zip(centres, patches, strict=True):
        np.testing.assert_allclose(found[y, x], patch, atol=atol, rtol=1e-6)


@pytest.mark.shared
@needs_plates
@pytest.mark.parametrize("name", TRUTH)
def test_plates_of_film_people(tmp_path: Path, name: str) -> None:
    truth = TRUTH[name]
    plate = PLATES / truth["arg"]
    size = (64, 36) if name == "two_video" else (truth["width"], truth["height"])
    size = (72, 128) if name == "tiff_orientation6" else size
    options = ("--colour-space", TOLD[name]) if name in TOLD else ()
    if options and name != "slog3_xavc":
        # It says nothing of its colours, which is said with the choice.
        refused = shoot_or_refuse(tmp_path, plate, count=truth["count"], size=size)
        assert isinstance(refused, Refused)
        assert refused.code == 10
        assert refused.hint.count("--colour-space") >= 3
    take = shoot_or_refuse(tmp_path, plate, *options, count=truth["count"], size=size)
    if name in REFUSED:
        assert isinstance(take, Refused)
        assert take.code == 10
        assert re.search(REFUSED[name], take.message)
        assert take.hint.endswith(".")
        return
    assert isinstance(take, Take), take
    assert len(take.numbers) == truth["count"]
    assert take.generated == 0
    assert take.result(take.numbers[-1]).shape[:2] == size[::-1]
    assert re.search(NOTED.get(name, ""), take.notes)
    assert ("varies" in take.notes) == (truth["fps"] == "vfr")
    if truth["fps"] not in (None, "vfr"):
        assert Fraction(take.record["fps"]) == Fraction(truth["fps"])
    if "tc" in truth:
        assert timecode_of(take.folder / "result.mp4") == truth["tc"]
    if plate.suffix == ".exr":
        for number, path in plate_files(plate).items():
            check_same(take, number, picture(path), 8 if name == "exr_overscan" else 0)
        assert take.header(take.numbers[0])["pixelAspectRatio"] == float(Fraction(truth.get("par2", "1")))
    elif name != "two_video" and truth["patches"]:  # the main one of two has another picture
        centres = [centre for row in truth["centres"] for centre in row]
        if truth.get("rotated"):
            # Both are turned by a quarter, clockwise, when they are shown.
            centres = [(size[0] - 1 - y, x) for x, y in centres]
        codes = "hdr" in truth or "log" in truth
        patches = np.array(truth["patches"])
        if name == "slog3_xavc":
            patches = np.clip(patches, 0, 1)  # codes of full range
        if name == "dpx10_log":
            patches = np.clip(chart.slog3_codes(np.maximum(chart.LINEAR, 0)), 0, 1)
        check_patches(take, patches, centres, curve_of(name, options) if codes else None, tolerance(take, truth))


def check_same(take: Take, number: int, source: NDArray[Any], rim: int = 0) -> None:
    """A result is the plate to the bit, alpha too; without the rim that the frame does not show."""
    source = source[rim:-rim, rim:-rim] if rim else source
    result = take.result(number)
    assert np.array_equal(bits(result[..., : source.shape[2]]), bits(source))
    assert source.shape[2] == 4 or (result[..., 3] == 1).all()


def tolerance(take: Take, truth: dict[str, Any]) -> float:
    """One code of the source, and what its codec lost."""
    lost = float(truth.get("codec_err", 0))
    if truth["fps"] is None:
        return {".dpx": 1 / 1023, ".jpg": 6 / 255}.get(Path(truth["arg"]).suffix, 0.51 / 65535)
    deep = "10" in (truth.get("pix_fmt") or "") or "12" in (truth.get("pix_fmt") or "")
    return lost + (1.4 / 876 if deep else 1.4 / 219)


def made_tolerance(name: str, truth: Truth) -> float:
    """One code of the source; two where the curve is a table."""
    if name.startswith("over_range"):
        return {"over_range_8": 1.4 / 219, "over_range_10": 1.4 / 876}[name]  # luma and chroma of saturated colours
    return truth.tolerance or {"dpx_cineon": 2 / 1023}.get(name, 0.51 / 65535)


@pytest.mark.parametrize("name", MADE)
def test_plates_made_here(tmp_path: Path, name: str) -> None:
    truth: Truth = make_plate(tmp_path, name)
    plate = tmp_path / name / truth.arg
    take = shoot(tmp_path, plate, *truth.args, count=truth.count, size=(truth.width, truth.height))
    assert len(take.numbers) == truth.count
    assert take.generated == 0
    assert re.search(NOTED.get(name, ""), take.notes)
    linear = take.file(take.numbers[0]).suffix == ".exr"
    assert linear == (truth.kind != "display")
    if truth.fps:
        assert Fraction(take.record["fps"]) == Fraction(truth.fps)
    if truth.timecode:
        assert timecode_of(take.folder / "result.mp4") == truth.timecode
        assert not linear or exr_moment(take.header(take.numbers[0])) == truth.timecode
    if truth.kind == "linear" and plate.suffix == ".exr":
        rim = {"exr_overscan": (6, 8)}.get(name, (0, 0))
        for number, path in plate_files(plate).items():
            source = picture(path)
            if name == "exr_crop":
                whole = np.zeros((72, 128, 4), source.dtype)
                whole[8:64, 16:116] = np.dstack([source, np.ones_like(source[..., :1])])
                source = whole
            check_same(take, number, source[rim[0] : 72 + rim[0], rim[1] : 128 + rim[1]])
        return
    curve = curve_of(name, truth.args) if truth.kind == "codes" else None
    check_patches(take, truth.patches, chart.CENTRES, curve, made_tolerance(name, truth))
    if truth.alpha:
        ramp = np.tile(np.linspace(0, 1, truth.width), (truth.height, 1))
        assert np.abs(take.result(take.numbers[0])[..., 3] / 65535 - ramp).max() <= 1 / 255


@pytest.mark.parametrize("name", [name for name in MADE if name == "exr_unlabelled"])
def test_what_says_nothing_of_its_colours_is_refused_with_the_choice(tmp_path: Path, name: str) -> None:
    truth = make_plate(tmp_path, name)
    refused = shoot_or_refuse(tmp_path, tmp_path / name / truth.arg, count=truth.count)
    assert isinstance(refused, Refused)
    assert refused.code == 10
    assert refused.hint.count("--colour-space") >= 3
