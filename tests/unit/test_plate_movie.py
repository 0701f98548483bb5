# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from command import textured
from media_factory import (
    PATCHES,
    asymmetric_picture,
    number_in,
    numbered_movie,
    numbered_picture,
    remux,
    write_movie,
    yuv_codes,
    yuv_frame,
)

from ex4d.media import movie_reader
from ex4d.plate import FrameRange, PlateFrame, PlateOptions, open_plate, plate_hash
from ex4d.protocol.errors import BadInputError, UsageError

FLOWER = Path(__file__).parents[3] / "shared" / "data" / "flower" / "input.mp4"

# Every container with a codec that is usual in it.
CLIPS = {
    "h264.mp4": {},
    "h264_many_b.mkv": {"options": {"bf": "5", "g": "12"}},
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=none"}},
    "prores.mov": {"codec": "prores_ks", "pix_fmt": "yuv422p10le"},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "vp8_hidden_frames.webm": {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "16", "b:v": "1M"}},
    "mpeg2.mpg": {"codec": "mpeg2video", "options": {"bf": "2", "b:v": "4M"}},
    "mpeg2.ts": {"codec": "mpeg2video", "options": {"bf": "2", "b:v": "4M"}},
    "h264.ts": {},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"b:v": "4M"}},
    "elementary.m2v": {"codec": "mpeg2video", "options": {"b:v": "4M"}},
    "elementary.h264": {},
    "fragmented.mp4": {"container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "picture.mxf": {"codec": "mpeg2video", "options": {"b:v": "4M"}},
}


def frames_of(path: Path, **options) -> list[PlateFrame]:
    return list(open_plate(path, **options).frames())


def notes_of(path: Path) -> str:
    return " ".join(open_plate(path).info.notes)


# ---- every frame once ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLIPS)
def test_every_frame_once_in_order(tmp_path: Path, name: str) -> None:
    numbered_movie(tmp_path / name, 75, fps=25, **CLIPS[name])
    reader = open_plate(tmp_path / name)
    assert (reader.info.kind, reader.info.width, reader.info.height) == ("movie", 96, 64)
    assert reader.info.frame_count in (75, None)
    for _ in range(2):
        frames = list(reader.frames())
        assert [number_in(frame.pixels) for frame in frames] == list(range(75))
        assert [frame.number for frame in frames] == list(range(1001, 1076))
        assert all(abs(frame.time - Fraction(index, 25)) <= Fraction(1, 1000) for index, frame in enumerate(frames))
        assert all(frame.pixels.shape == (64, 96, 3) and frame.pixels.flags.c_contiguous for frame in frames)
    assert reader.info.frame_count == 75
    assert reader.info.variable_rate is False
    assert reader.info.fps == 25


def test_number_of_threads_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = movie_reader._Source._of_container.__func__
    path = numbered_movie(tmp_path / "a.mp4", 60, container_options={"movflags": "+faststart"})
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size * 7 // 10])
    messages = set()
    for threads in (1, 2, 3, 7, 16):

        def with_threads(cls, path, container, threads=threads):
            source = made(cls, path, container)
            source.decoder.thread_count = threads
            return source

        monkeypatch.setattr(movie_reader._Source, "_of_container", classmethod(with_threads))
        assert [number_in(frame.pixels) for frame in frames_of(path)] == list(range(60))
        with pytest.raises(BadInputError, match="cut short or damaged after") as caught:
            frames_of(cut)
        messages.add(str(caught.value))
    assert len(messages) == 1


# ---- colour ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", ["bt709", "bt601", "bt2020"])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv422p10le", "yuv444p12le"])
def test_tagged_colour(tmp_path: Path, pix_fmt: str, matrix: str, full_range: bool) -> None:
    bits = 8 if pix_fmt.endswith("p") else int(pix_fmt[-4:-2])
    pictures = [yuv_frame(pix_fmt, yuv_codes(rgb, matrix, bits=bits, full_range=full_range)) for rgb in PATCHES]
    path = write_movie(
        tmp_path / "a.mkv", pictures, codec="ffv1", pix_fmt=pix_fmt, matrix=matrix, full_range=full_range
    )
    reader = open_plate(path)
    assert reader.info.bit_depth == (8 if bits == 8 else 16)
    assert "matrix" not in notes_of(path)
    for rgb, frame in zip(PATCHES, reader.frames(), strict=True):
        levels = frame.pixels / (1.0 if bits == 8 else 257.0)
        # codes of 8 bits are up to half a step off, which the matrix makes up to 1.2 levels
        assert np.abs(levels - rgb).max() <= (2.0 if bits == 8 else 0.6), rgb


@pytest.mark.parametrize(
    ("height", "matrix", "name"), [(16, "bt601", "BT.601"), (718, "bt601", "BT.601"), (720, "bt709", "BT.709")]
)
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p"])
def test_untagged_colour(tmp_path: Path, height: int, matrix: str, name: str, pix_fmt: str) -> None:
    pictures = [yuv_frame(pix_fmt, yuv_codes(rgb, matrix), 16, height) for rgb in PATCHES]
    path = write_movie(tmp_path / "a.mkv", pictures, codec="ffv1", pix_fmt=pix_fmt)
    assert f"The colour matrix is not tagged: {name} is assumed" in notes_of(path)
    for rgb, frame in zip(PATCHES, open_plate(path).frames(), strict=True):
        assert np.abs(frame.pixels.astype(int) - rgb).max() <= 2, rgb


#: R = Y + a Cr, G = Y - b Cb - c Cr, B = Y + d Cb: a, b, c, d of ITU-R BT.601, BT.709 and BT.2020 for Y from 0 to 1 and
#: Cb, Cr from -0.5 to 0.5.
DECODED = {
    "bt601": (1.402, 0.344136, 0.714136, 1.772),
    "bt709": (1.5748, 0.187324, 0.468124, 1.8556),
    "bt2020": (1.4746, 0.164553, 0.571353, 1.8814),
}
CODES = ((120, 100, 150), (150, 150, 110), (90, 128, 170), (180, 90, 128))


def decoded(codes: tuple[int, int, int], matrix: str, bits: int, full: bool) -> np.ndarray:
    """R'G'B' of codes of 8 bits, from 0 to 255, where a code of more bits is a shifted one."""
    top, shift = (1 << bits) - 1, 1 << bits - 8
    y, cb, cr = (code * shift for code in codes)
    luma = y / top if full else (y - 16 * shift) / (219 * shift)
    cb, cr = ((code - 128 * shift) / (top if full else 224 * shift) for code in (cb, cr))
    a, b, c, d = DECODED[matrix]
    return 255 * np.array([luma + a * cr, luma - b * cb - c * cr, luma + d * cb])


def code_frames(pix_fmt: str, bits: int) -> list[av.VideoFrame]:
    return [yuv_frame(pix_fmt, [code << bits - 8 for code in codes], 64, 48) for codes in CODES]


@pytest.mark.parametrize("tagged", [None, "bt709"])
@pytest.mark.parametrize("full", [None, False, True])
@pytest.mark.parametrize("matrix", DECODED)
@pytest.mark.parametrize(("pix_fmt", "bits"), [("yuv420p", 8), ("yuv444p10le", 10)])
def test_the_colour_matrix_that_is_asked_for(
    tmp_path: Path, pix_fmt: str, bits: int, matrix: str, full: bool | None, tagged: str | None
) -> None:
    tags = {} if tagged is None else {"matrix": tagged, "full_range": False}
    path = write_movie(tmp_path / "a.mkv", code_frames(pix_fmt, bits), codec="ffv1", pix_fmt=pix_fmt, **tags)
    colour_range = {None: "auto", False: "limited", True: "full"}[full]
    reader = open_plate(path, options=PlateOptions(colour_matrix=matrix, colour_range=colour_range))
    for codes, frame in zip(CODES, reader.frames(), strict=True):
        levels = frame.pixels / (1 if bits == 8 else 257)
        assert np.abs(levels - decoded(codes, matrix, bits, bool(full))).max() <= 1, codes
    said = " ".join(reader.info.notes)
    assert "assumed" not in said
    title = matrix.upper().replace("BT", "BT.")
    if tagged is None:
        assert f"The colour matrix is not tagged: {title} is used, as was asked for." in said
        assert (f"The colour range is not tagged: {colour_range} is used" in said) == (full is not None)
    else:
        assert ("The colour matrix is tagged BT.709: " in said) == (matrix != "bt709")
        assert ("The colour range is tagged limited: full is used" in said) == (full is True)


def test_the_range_that_is_asked_for_goes_before_formats_that_are_full_by_name(tmp_path: Path) -> None:
    """H.264 that is tagged full range is decoded as yuvj420p, which swscale takes for full whatever its tag says."""
    path = write_movie(
        tmp_path / "a.mp4", code_frames("yuv420p", 8), matrix="bt601", full_range=True, options={"qp": "0"}
    )
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).format.name == "yuvj420p"
    for colour_range in ("full", "limited"):
        frames = open_plate(path, options=PlateOptions(colour_range=colour_range)).frames()
        for codes, frame in zip(CODES, frames, strict=True):
            assert np.abs(frame.pixels - decoded(codes, "bt601", 8, colour_range == "full")).max() <= 1, codes


def test_the_matrix_and_the_range_that_are_asked_for_hold_beyond_black_and_white(tmp_path: Path) -> None:
    codes = (250, 120, 140)
    path = write_movie(
        tmp_path / "a.mkv", [yuv_frame("yuv444p", codes)], codec="ffv1", pix_fmt="yuv444p", matrix="bt709"
    )
    reader = open_plate(path, options=PlateOptions(over_range="keep", colour_matrix="bt2020"))
    frame = next(iter(reader.frames()))
    assert reader.info.colour.kind == "codes"
    levels = reader.info.truth.unit(frame.pixels)[8, 8] * 255
    assert levels.max() > 255
    assert np.abs(levels - decoded(codes, "bt2020", 8, False)).max() <= 0.5
    # In full range nothing lies beyond.
    full = open_plate(path, options=PlateOptions(over_range="keep", colour_range="full"))
    assert full.info.colour.kind == "display"


@pytest.mark.parametrize("pix_fmt", ["gray", "gbrp10le"])
def test_movies_without_chroma_have_no_matrix_to_ask_for(tmp_path: Path, pix_fmt: str) -> None:
    picture = av.VideoFrame.from_ndarray(numbered_picture(1), format="rgb24").reformat(format=pix_fmt)
    path = write_movie(tmp_path / "a.mkv", [picture], codec="ffv1", pix_fmt=pix_fmt)
    plain = open_plate(path)
    asked = open_plate(path, options=PlateOptions(colour_matrix="bt2020", colour_range="full"))
    for one, other in zip(plain.frames(), asked.frames(), strict=True):
        assert np.array_equal(one.pixels, other.pixels)
    assert "has no effect" not in " ".join(plain.info.notes)
    assert "a colour matrix or a colour range that was asked for has no effect" in " ".join(asked.info.notes)


@pytest.mark.parametrize("matrix", ["bt709", "bt601"])
def test_colour_through_h264(tmp_path: Path, matrix: str) -> None:
    pictures = [yuv_frame("yuv420p", yuv_codes(rgb, matrix), 64, 48) for rgb in PATCHES]
    path = write_movie(tmp_path / "a.mp4", pictures, matrix=matrix, full_range=False, options={"crf": "1"})
    for rgb, frame in zip(PATCHES, open_plate(path).frames(), strict=True):
        assert np.abs(frame.pixels.astype(int) - rgb).max() <= 3, rgb


def test_the_two_matrices_differ_enough_for_these_tests() -> None:
    green = yuv_codes((0, 255, 0), "bt709"), yuv_codes((0, 255, 0), "bt601")
    assert np.abs(np.subtract(*green)).max() > 20


@pytest.mark.parametrize(
    ("pix_fmt", "white"),
    [
        ("yuv420p10le", (940, 512, 512)),
        ("yuv444p12le", (3760, 2048, 2048)),
        ("yuv444p16le", (60160, 32768, 32768)),
        ("gray10le", (1023,)),
        ("gray16le", (65535,)),
        ("gbrp10le", (1023, 1023, 1023)),
        ("gbrp12le", (4095, 4095, 4095)),
    ],
)
def test_white_of_deep_sources_is_the_highest_value(tmp_path: Path, pix_fmt: str, white: tuple[int, ...]) -> None:
    bits = av.VideoFormat(pix_fmt, 16, 16).components[0].bits
    black = tuple(16 << bits - 8 if index == 0 else code for index, code in enumerate(white))
    pictures = [yuv_frame(pix_fmt, white), yuv_frame(pix_fmt, black)]
    matrix = "bt709" if pix_fmt.startswith("yuv") else None
    path = write_movie(tmp_path / "a.mkv", pictures, codec="ffv1", pix_fmt=pix_fmt, matrix=matrix)
    light, dark = frames_of(path)
    assert light.pixels.dtype == np.uint16
    assert light.pixels.min() == light.pixels.max() == 65535
    if pix_fmt.startswith("yuv"):
        assert dark.pixels.max() == 0


def test_ten_bits_are_kept(tmp_path: Path) -> None:
    codes = range(64, 941, 7)
    pictures = [yuv_frame("yuv444p10le", (code, 512, 512)) for code in codes]
    path = write_movie(
        tmp_path / "a.mkv", pictures, codec="ffv1", pix_fmt="yuv444p10le", matrix="bt709", full_range=False
    )
    for code, frame in zip(codes, open_plate(path).frames(), strict=True):
        assert np.abs(frame.pixels - (code - 64) / 876 * 65535).max() <= 2  # a step of 10 bits is 75


def test_unsupported_matrix_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("media_factory").MATRIX_NUMBERS, "ycgco", 8)
    path = write_movie(tmp_path / "a.mkv", [numbered_picture(0)], codec="ffv1", matrix="ycgco")
    with pytest.raises(BadInputError, match="colour matrix"):
        frames_of(path)
    reader = open_plate(path, options=PlateOptions(colour_matrix="bt709"))
    assert len(list(reader.frames())) == 1
    assert "The colour matrix is tagged number 8 of H.273: BT.709 is used" in " ".join(reader.info.notes)


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_curves_are_kept_as_codes(tmp_path: Path, transfer: int, name: str) -> None:
    path = numbered_movie(tmp_path / "a.mp4", 2, matrix="bt2020", transfer=transfer)
    info = open_plate(path).info
    assert info.colour.kind == "codes"
    assert name in info.colour.space
    assert info.bit_depth == 16
    assert f"{name}: " in notes_of(path)


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "dtype"),
    [
        ("a.mkv", "ffv1", "bgr0", np.uint8),
        ("a.mov", "png", "rgb24", np.uint8),
        ("a.avi", "utvideo", "gbrp", np.uint8),
        ("a.mov", "qtrle", "rgb24", np.uint8),
        ("a.mkv", "libx264rgb", "rgb24", np.uint8),
        ("a.mkv", "ffv1", "gbrp16le", np.uint16),
        ("a.mov", "png", "rgb48be", np.uint16),
    ],
)
def test_lossless_codecs_are_exact(tmp_path: Path, name: str, codec: str, pix_fmt: str, dtype: type) -> None:
    noise = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (3, 30, 42, 3), dtype=dtype, endpoint=True)
    options = {"qp": "0"} if codec == "libx264rgb" else None
    path = write_movie(tmp_path / name, list(noise), codec=codec, pix_fmt=pix_fmt, options=options)
    frames = frames_of(path)
    assert [frame.pixels.dtype for frame in frames] == [dtype] * 3
    np.testing.assert_array_equal(np.stack([frame.pixels for frame in frames]), noise)


def test_frames_own_their_pixels(tmp_path: Path) -> None:
    """Writing into a frame must not reach the decoder's reference picture."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    path = write_movie(tmp_path / "a.mov", [noise] * 4, codec="qtrle", pix_fmt="rgb24")
    for frame in open_plate(path).frames():
        np.testing.assert_array_equal(frame.pixels, noise)
        frame.pixels[:] = 0


# ---- alpha -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "options", "tolerance"),
    [
        ("a.mov", "png", "rgba", {}, 0),
        ("a.mov", "qtrle", "argb", {}, 0),
        ("a.mkv", "ffv1", "bgra", {}, 0),
        ("a.mov", "prores_ks", "yuva444p10le", {"alpha_bits": "16"}, 3),
        ("a.webm", "libvpx-vp9", "yuva420p", {"crf": "4", "b:v": "0"}, 4),
        ("a.webm", "libvpx", "yuva420p", {"auto-alt-ref": "0", "crf": "4", "b:v": "4M"}, 4),
    ],
    ids=["png", "qtrle", "ffv1", "prores4444", "vp9", "vp8"],
)
def test_alpha(tmp_path: Path, name: str, codec: str, pix_fmt: str, options: dict[str, str], tolerance: int) -> None:
    picture = np.full((48, 64, 4), 128, np.uint8)
    # swscale makes the codes by BT.601, as which untagged ProRes is not read: grey is the same by any matrix.
    picture[..., 0] = 128 if codec == "prores_ks" else 200
    picture[..., 3] = np.arange(64) * 4
    path = write_movie(tmp_path / name, [picture] * 5, codec=codec, pix_fmt=pix_fmt, options=options)
    reader = open_plate(path)
    assert reader.info.has_alpha
    frames = list(reader.frames())
    assert len(frames) == 5
    for frame in frames:
        assert frame.alpha is not None
        assert frame.alpha.dtype == frame.pixels.dtype
        assert frame.alpha.shape == (48, 64)
        assert frame.alpha.flags.c_contiguous
        scale = 1 if frame.pixels.dtype == np.uint8 else 257
        assert np.abs(frame.alpha / scale - picture[..., 3]).max() <= tolerance
        assert np.abs(frame.pixels[:, 32:] / scale - picture[:, 32:, :3]).max() <= max(1, tolerance)


def test_opaque_alpha_of_deep_sources_is_the_highest_value(tmp_path: Path) -> None:
    picture = np.full((16, 16, 4), 255, np.uint8)
    path = write_movie(tmp_path / "a.mkv", [picture], codec="ffv1", pix_fmt="yuva444p10le", matrix="bt709")
    (frame,) = frames_of(path)
    assert frame.alpha is not None
    assert frame.alpha.min() == 65535


def test_alpha_without_a_decoder_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_movie(tmp_path / "a.webm", [np.zeros((16, 16, 4), np.uint8)], codec="libvpx-vp9", pix_fmt="yuva420p")
    monkeypatch.setitem(movie_reader._ALPHA_DECODERS, "vp9", "no_such_decoder")
    reader = open_plate(path)
    assert not reader.info.has_alpha
    assert any("alpha is left out" in note for note in reader.info.notes)
    assert [frame.alpha for frame in reader.frames()] == [None]


# ---- picture geometry ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
@pytest.mark.parametrize("flips", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotation_is_applied(tmp_path: Path, name: str, degrees: int, flips: tuple[bool, bool]) -> None:
    stored = asymmetric_picture()
    path = write_movie(tmp_path / name, [stored] * 2, rotation=(degrees, *flips))  # counter-clockwise, then flipped
    upright = np.rot90(stored, degrees // 90)
    upright = upright[:, ::-1] if flips[0] else upright
    upright = upright[::-1] if flips[1] else upright
    reader = open_plate(path)
    assert (reader.info.height, reader.info.width) == upright.shape[:2]
    for frame in reader.frames():
        assert frame.pixels.shape == upright.shape
        assert frame.pixels.flags.c_contiguous
        assert np.abs(frame.pixels.astype(int) - upright).mean() < 6


def test_phone_held_upright(tmp_path: Path) -> None:
    """The matrix that phones write: turn clockwise by 90 degrees."""
    one = 1 << 16
    stored = asymmetric_picture()
    matrix = (0, one, 0, -one, 0, 0, stored.shape[0] * one, 0, 1 << 30)
    path = write_movie(tmp_path / "a.mp4", [stored], display_matrix=matrix)
    reader = open_plate(path)
    assert reader.info.rotation == 90
    (frame,) = reader.frames()
    assert np.abs(frame.pixels.astype(int) - np.rot90(stored, -1)).mean() < 6


def test_odd_angles_are_noted_and_left_out(tmp_path: Path) -> None:
    path = write_movie(tmp_path / "a.mp4", [asymmetric_picture()], rotation=(30, False, False))
    assert "no multiple of 90 degrees" in notes_of(path)
    assert open_plate(path).info.rotation == 0


@pytest.mark.parametrize("size", [(97, 63), (3, 2), (3, 64), (1, 1)])
def test_odd_and_tiny_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (2, size[1], size[0], 3), dtype=np.uint8)
    path = write_movie(tmp_path / "a.mov", list(noise), codec="png", pix_fmt="rgb24")
    np.testing.assert_array_equal(np.stack([frame.pixels for frame in frames_of(path)]), noise)
    smooth = np.full((size[1], size[0], 3), (200, 40, 90), np.uint8)
    for pix_fmt in ("yuv420p", "yuv420p10le"):
        path = write_movie(tmp_path / f"{pix_fmt}.nut", [smooth], codec="rawvideo", pix_fmt=pix_fmt)
        (frame,) = frames_of(path)
        assert frame.pixels.shape == (size[1], size[0], 3)
        scale = 1 if frame.pixels.dtype == np.uint8 else 257
        assert np.abs(frame.pixels / scale - smooth).max() <= 3


def test_pixel_aspect_is_told_and_not_resampled(tmp_path: Path) -> None:
    path = numbered_movie(tmp_path / "a.mp4", 2, pixel_aspect=Fraction(4, 3))
    info = open_plate(path).info
    assert (info.width, info.facts.pixel_aspect) == (96, Fraction(4, 3))
    path = numbered_movie(tmp_path / "b.mp4", 2, pixel_aspect=Fraction(4, 3), rotation=(90, False, False))
    assert open_plate(path).info.facts.pixel_aspect == Fraction(3, 4)
    options = PlateOptions(pixel_aspect=Fraction(2))
    assert open_plate(path, options=options).info.facts.pixel_aspect == 2


def test_interlaced_is_noted(tmp_path: Path) -> None:
    path = numbered_movie(tmp_path / "a.mp4", 4, options={"flags": "+ildct", "x264-params": "tff=1"})
    assert "interlaced" in notes_of(path)
    assert [number_in(frame.pixels) for frame in frames_of(path)] == [0, 1, 2, 3]


def test_8k_frame(tmp_path: Path) -> None:
    picture = np.zeros((4320, 7680, 3), np.uint8)
    picture[-1, -1] = (250, 250, 250)
    path = write_movie(tmp_path / "a.mov", [picture], codec="qtrle", pix_fmt="rgb24")
    (frame,) = frames_of(path)
    assert frame.pixels.shape == (4320, 7680, 3)
    assert frame.pixels[-1, -1].tolist() == [250, 250, 250]


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_titles_in_other_encodings(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clip.{suffix}"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "ZZZZ"
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for packet in (*stream.encode(av.VideoFrame(64, 48, "yuvj420p")), *stream.encode(None)):
            container.mux(packet)
    data = path.read_bytes()
    assert data.count(b"ZZZZ") == 1
    path.write_bytes(data.replace(b"ZZZZ", b"caf\xe9"))
    assert [frame.pixels.shape for frame in frames_of(path)] == [(48, 64, 3)]


def test_size_that_changes(tmp_path: Path) -> None:
    small = numbered_movie(tmp_path / "small.mov", 5, codec="mjpeg", pix_fmt="yuvj420p")
    pictures = [numbered_picture(index, 128, 80) for index in range(5)]
    large = write_movie(tmp_path / "large.mov", pictures, codec="mjpeg", pix_fmt="yuvj420p")
    with av.open(str(small)) as first, av.open(str(large)) as second, av.open(str(tmp_path / "a.mkv"), "w") as target:
        stream = target.add_stream_from_template(first.streams.video[0])
        packets = [packet for source in (first, second) for packet in source.demux(video=0) if packet.size]
        for index, packet in enumerate(packets):
            packet.pts = packet.dts = index * packet.duration
            packet.stream = stream
            target.mux(packet)
    with pytest.raises(BadInputError, match="changes the size of its picture after 5 frames") as caught:
        frames_of(tmp_path / "a.mkv")
    assert "--frames 1001-1005" in caught.value.hint


# ---- time ------------------------------------------------------------------------------------------------------------

UNEVEN = [Fraction(n, 90000) for n in (0, 3000, 6000, 15000, 18001, 21000, 90000, 93000)]


@pytest.mark.parametrize(("name", "unit"), [("a.mp4", None), ("a.mov", None), ("a.ts", None), ("a.mkv", 1000)])
def test_variable_rate_keeps_the_times(tmp_path: Path, name: str, unit: int | None) -> None:
    path = numbered_movie(tmp_path / name, len(UNEVEN), times=UNEVEN)
    reader = open_plate(path)
    frames = list(reader.frames())
    assert [number_in(frame.pixels) for frame in frames] == list(range(len(UNEVEN)))
    expected = UNEVEN if unit is None else [Fraction(round(time * unit), unit) for time in UNEVEN]
    assert [frame.time for frame in frames] == expected
    assert reader.info.variable_rate is True
    assert any("varies, 1.304-30" in note for note in reader.info.notes)


def test_variable_rate_is_known_before_decoding_where_there_is_an_index(tmp_path: Path) -> None:
    path = numbered_movie(tmp_path / "a.mp4", len(UNEVEN), times=UNEVEN, options={"bf": "0"})
    assert open_plate(path).info.variable_rate is True
    assert open_plate(numbered_movie(tmp_path / "b.mkv", 3)).info.variable_rate is None


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(30000, 1001), Fraction(60)])
@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_rounded_times_are_no_variable_rate(tmp_path: Path, name: str, fps: Fraction) -> None:
    reader = open_plate(numbered_movie(tmp_path / name, 50, fps=fps))
    list(reader.frames())
    assert reader.info.variable_rate is False
    assert abs(reader.info.fps - fps) < Fraction(1, 100)


def test_times_begin_at_the_first_selected_frame(tmp_path: Path) -> None:
    path = numbered_movie(tmp_path / "a.mp4", len(UNEVEN), times=UNEVEN)
    frames = frames_of(path, frames=FrameRange(1004, 1008))
    assert [frame.time for frame in frames] == [time - UNEVEN[3] for time in UNEVEN[3:7]]


def test_a_given_rate_replaces_the_times(tmp_path: Path) -> None:
    path = numbered_movie(tmp_path / "a.mp4", len(UNEVEN), times=UNEVEN)
    reader = open_plate(path, fps=Fraction(25))
    assert [frame.time for frame in reader.frames()] == [Fraction(n, 25) for n in range(len(UNEVEN))]
    assert reader.info.fps == 25
    assert reader.info.variable_rate is False
    assert any("25 fps was asked for" in note for note in reader.info.notes)


def test_a_stream_without_times_gets_even_ones(tmp_path: Path) -> None:
    path = numbered_movie(tmp_path / "a.h264", 10, fps=25, options={"bf": "0"})
    times = [frame.time for frame in frames_of(path)]
    assert times == [Fraction(n, 25) for n in range(10)]


def test_edit_list_is_no_damage(tmp_path: Path) -> None:
    whole = numbered_movie(tmp_path / "a.mp4", 40)
    path = remux(whole, tmp_path / "trimmed.mp4", shift=512 * 15)
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 40
    reader = open_plate(path)
    assert reader.info.frame_count == 25
    frames = list(reader.frames())
    assert [number_in(frame.pixels) for frame in frames] == list(range(15, 40))
    assert [frame.number for frame in frames] == list(range(1001, 1026))
    assert frames[0].time == 0


def test_edit_list_that_ends_early_is_no_damage(tmp_path: Path) -> None:
    path = numbered_movie(tmp_path / "a.mp4", 40, fps=25)
    data = bytearray(path.read_bytes())
    duration = data.index(b"elst") + 12  # after the version and the number of entries; in milliseconds
    assert int.from_bytes(data[duration : duration + 4], "big") == 1600
    data[duration : duration + 4] = (1000).to_bytes(4, "big")
    path.write_bytes(data)
    reader = open_plate(path)
    assert [number_in(frame.pixels) for frame in reader.frames()] == list(range(25))
    assert reader.info.frame_count == 25


def test_times_that_do_not_rise(tmp_path: Path) -> None:
    """Two frames within the millisecond that Matroska counts in."""
    times = [Fraction(n, 90000) for n in (0, 30, 9000, 9030, 18000)]
    path = numbered_movie(tmp_path / "a.mkv", 5, codec="mjpeg", pix_fmt="yuvj420p", times=times)
    with av.open(str(path)) as container:
        assert [frame.pts for frame in container.decode(video=0)] == [0, 0, 100, 100, 200]
    reader = open_plate(path)
    frames = list(reader.frames())
    assert [number_in(frame.pixels) for frame in frames] == list(range(5))
    nominal = 1 / reader.info.fps
    assert [frame.time for frame in frames] == [0, nominal, Fraction(1, 10), Fraction(1, 10) + nominal, Fraction(1, 5)]
    assert any(note.startswith("2 frames have no time of their own") for note in reader.info.notes)


def test_recordings_put_one_behind_the_other(tmp_path: Path) -> None:
    options = {"g": "12", "bf": "2"}
    first = numbered_movie(tmp_path / "a.ts", 24, options=options).read_bytes()
    second = numbered_movie(tmp_path / "b.ts", 17, options=options).read_bytes()
    (tmp_path / "c.ts").write_bytes(first + second + first)
    reader = open_plate(tmp_path / "c.ts")
    frames = list(reader.frames())
    assert [number_in(frame.pixels) for frame in frames] == [*range(24), *range(17), *range(24)]
    assert [frame.time * reader.info.fps for frame in frames] == list(range(65))
    assert any("start anew 2 times" in note for note in reader.info.notes)
    part = open_plate(tmp_path / "c.ts", frames=FrameRange.parse("1023-1026")).frames()
    assert [number_in(frame.pixels) for frame in part] == [22, 23, 0, 1]


@pytest.mark.parametrize(("before", "after"), [(4, 0), (0, 16)], ids=["192 bytes", "204 bytes"])
def test_recordings_with_longer_packets(tmp_path: Path, before: int, after: int) -> None:
    data = numbered_movie(tmp_path / "a.ts", 12, options={"g": "12", "bf": "2"}).read_bytes()
    longer = b"".join(bytes(before) + data[at : at + 188] + bytes(after) for at in range(0, len(data), 188))
    (tmp_path / "b.m2ts").write_bytes(longer * 2)
    assert [number_in(frame.pixels) for frame in frames_of(tmp_path / "b.m2ts")] == [*range(12), *range(12)]


def test_a_part_that_is_cut_short_before_the_next_is_damage(tmp_path: Path) -> None:
    """After any number of packets: whole pictures, or a refusal; never one whose lower part is made up."""
    pictures = [textured(index) for index in range(24)]
    path = write_movie(tmp_path / "a.ts", pictures, fps=25, options={"g": "12", "bf": "0", "crf": "2", "refs": "1"})
    whole = [frame.pixels for frame in frames_of(path)]
    data = path.read_bytes()
    refused = 0
    for lost in range(1, 20):
        (tmp_path / "b.ts").write_bytes(data[: -188 * lost] + data)
        read = []
        try:
            read.extend(frame.pixels for frame in frames_of(tmp_path / "b.ts"))
        except BadInputError:
            refused += 1
            expected = whole[: len(read)]
        else:
            expected = whole[: len(read) - 24] + whole
        assert all(np.array_equal(one, other) for one, other in zip(read, expected, strict=True)), lost
    assert 10 < refused < 19


def test_a_stream_that_begins_in_the_middle(tmp_path: Path) -> None:
    data = numbered_movie(tmp_path / "a.ts", 60, options={"g": "12", "bf": "2"}).read_bytes()
    (tmp_path / "b.ts").write_bytes(data[len(data) // 2 // 188 * 188 :])
    numbers = [number_in(frame.pixels) for frame in frames_of(tmp_path / "b.ts")]
    assert numbers == list(range(numbers[0], 60))
    assert 10 < len(numbers) < 40


# ---- selection -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_selection(tmp_path: Path, name: str) -> None:
    path = numbered_movie(tmp_path / name, 30)
    reader = open_plate(path, frames=FrameRange.parse("1011-1020"))
    assert (reader.info.first_frame, reader.info.frame_count) == (1011, 10)
    frames = list(reader.frames())
    assert [frame.number for frame in frames] == list(range(1011, 1021))
    assert [number_in(frame.pixels) for frame in frames] == list(range(10, 20))
    reader = open_plate(path, frames=FrameRange.parse("6-"), first_frame=1)
    assert [frame.number for frame in reader.frames()] == list(range(6, 31))
    assert reader.info.frame_count == 25


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("text", ["1000-1005", "1025-1031", "1031", "1031-", "2000-2010", "1-5", "1001-1031"])
def test_selection_outside_the_clip(tmp_path: Path, name: str, text: str) -> None:
    path = numbered_movie(tmp_path / name, 30)
    with pytest.raises(BadInputError, match=f"Frames {text} are not all in .*which has frames 1001-") as caught:
        frames_of(path, frames=FrameRange.parse(text))
    if not (name == "a.mkv" and text in ("1000-1005", "1-5")):
        assert caught.value.message.endswith("1001-1030.")


def test_one_frame_clip(tmp_path: Path) -> None:
    reader = open_plate(numbered_movie(tmp_path / "a.mp4", 1))
    (frame,) = reader.frames()
    assert (frame.number, frame.time, number_in(frame.pixels)) == (1001, 0, 0)
    assert reader.info.frame_count == 1
    assert reader.info.variable_rate is False


def test_names_that_look_like_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = numbered_movie(tmp_path / "a.mp4", 2)
    monkeypatch.chdir(tmp_path)
    for name in ("http:", "take:1.mp4", "50%d.mp4", "é水.mp4", "#1.mp4", "a b'\".mp4"):
        if sys.platform != "win32" or not set(name) & set(':"'):
            path = path.rename(tmp_path / name)
            assert len(frames_of(path)) == 2
            assert len(frames_of(Path(name))) == 2


# ---- bad input -------------------------------------------------------------------------------------------------------


def expect_bad(path: Path, message: str) -> BadInputError:
    with pytest.raises(BadInputError, match=message) as caught:
        frames_of(path)
    assert path.name in caught.value.message
    assert caught.value.message.endswith(".")
    assert caught.value.hint.endswith(".")
    return caught.value


def test_missing_file(tmp_path: Path) -> None:
    expect_bad(tmp_path / "none.mp4", "does not exist")


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    expect_bad(tmp_path / "a.mp4", "is an empty file")


@pytest.mark.parametrize("name", ["a.mp4", "notes.txt", "a.mov", "noextension"])
def test_text_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("This is not a movie.\n" * 200)
    expect_bad(tmp_path / name, "cannot be opened: it is no movie")


def test_play_lists_are_not_followed(tmp_path: Path) -> None:
    numbered_movie(tmp_path / "a.mp4", 2)
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile a.mp4\n")
    expect_bad(tmp_path / "list.mp4", "cannot be opened")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\na.mp4\n#EXT-X-ENDLIST\n")
    expect_bad(tmp_path / "list.m3u8", "cannot be opened")


def test_audio_only(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.m4a"), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=48000)
        silence = av.AudioFrame.from_ndarray(np.zeros((2, 48000), np.float32), format="fltp", layout="stereo")
        silence.sample_rate = 48000
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))
    expect_bad(tmp_path / "a.m4a", "has no video")


def test_cover_of_an_album_is_no_video(tmp_path: Path) -> None:
    picture = write_movie(tmp_path / "cover.mov", [numbered_picture(0)], codec="png", pix_fmt="rgb24")
    with av.open(str(picture)) as source, av.open(str(tmp_path / "a.mp4"), "w") as container:
        sound = container.add_stream("aac", rate=48000)
        cover = container.add_stream_from_template(source.streams.video[0])
        cover.disposition = av.stream.Disposition.attached_pic
        silence = av.AudioFrame.from_ndarray(np.zeros((2, 48000), np.float32), format="fltp", layout="stereo")
        silence.sample_rate = 48000
        container.mux(sound.encode(silence))
        container.mux(sound.encode(None))
        packet = next(source.demux(source.streams.video[0]))
        packet.stream = cover
        container.mux(packet)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video  # FFmpeg does call it video
    expect_bad(tmp_path / "a.mp4", "has no video")


def test_sound_beside_the_video_is_ignored(tmp_path: Path) -> None:
    path = numbered_movie(tmp_path / "a.mp4", 10, audio=True)
    assert [number_in(frame.pixels) for frame in frames_of(path)] == list(range(10))


def test_no_frames(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=30)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuvj420p"
        container.start_encoding()
    expect_bad(tmp_path / "a.avi", "The video in .* has no frames")


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_truncated_before_its_header(tmp_path: Path, name: str) -> None:
    data = numbered_movie(tmp_path / "whole.mp4", 30).read_bytes()
    assert data.index(b"moov") > data.index(b"mdat")
    (tmp_path / name).write_bytes(data[: len(data) * 8 // 10])
    expect_bad(tmp_path / name, "cannot be opened: it is no movie, or it is damaged or cut short")


def numbers_and_damage(path: Path) -> tuple[list[int], BadInputError]:
    """The numbers drawn in the frames that came before the error, whose text must agree with them."""
    numbers: list[int] = []
    damage = None
    try:
        for frame in open_plate(path).frames():
            numbers.append(number_in(frame.pixels))
    except BadInputError as error:
        damage = error
    assert damage is not None, f"{len(numbers)} frames were read and nothing was said"
    frames = "1 frame" if len(numbers) == 1 else f"{len(numbers)} frames"
    assert damage.message.endswith(f"damaged after {frames}.")
    return numbers, damage


@pytest.mark.parametrize("share", [0.4, 0.7, 0.95])
@pytest.mark.parametrize(
    "name", ["h264.mp4", "fragmented.mp4", "h264_many_b.mkv", "vp9.webm", "mjpeg.avi", "ffv1.mkv", "png.mov"]
)
def test_truncated_clip(tmp_path: Path, name: str, share: float) -> None:
    options = {**CLIPS, "ffv1.mkv": {"codec": "ffv1"}, "png.mov": {"codec": "png", "pix_fmt": "rgb24"}}[name]
    if not name.endswith((".mkv", ".webm", ".avi", "fragmented.mp4")):
        options = {**options, "container_options": {"movflags": "+faststart"}}
    data = numbered_movie(tmp_path / f"whole_{name}", 60, **options).read_bytes()
    path = tmp_path / name
    path.write_bytes(data[: int(len(data) * share)])
    numbers, error = numbers_and_damage(path)
    count = len(numbers)
    assert numbers == list(range(count))
    assert 60 * share - 22 <= count < 60 * share + 8  # the first frames are the largest
    if count:
        good = FrameRange(1001, 1001 + count)
        assert error.hint.endswith(f"with --frames {good}.")
        assert [number_in(frame.pixels) for frame in frames_of(path, frames=good)] == numbers


def test_damage_after_the_selection_does_not_matter(tmp_path: Path) -> None:
    path = numbered_movie(tmp_path / "a.mp4", 60, container_options={"movflags": "+faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.7)])
    assert [number_in(frame.pixels) for frame in frames_of(path, frames=FrameRange(1003, 1010))] == list(range(2, 9))
    with pytest.raises(BadInputError, match="damaged") as caught:
        frames_of(path, frames=FrameRange(1055, 1059))
    assert "--frames" not in caught.value.hint


def test_cut_between_two_frames(tmp_path: Path) -> None:
    """No packet is torn here; only the positions in the index tell."""
    path = numbered_movie(
        tmp_path / "a.mov", 20, codec="png", pix_fmt="rgb24", container_options={"movflags": "+faststart"}
    )
    with av.open(str(path)) as container:
        end = container.streams.video[0].index_entries[11]
        size = end.pos + end.size
    path.write_bytes(path.read_bytes()[:size])
    expect_bad(path, "cut short or damaged after 12 frames")


@pytest.mark.parametrize("name", ["h264.mp4", "h264_many_b.mkv", "prores.mov", "mpeg2.mpg"])
def test_corrupted_middle(tmp_path: Path, name: str) -> None:
    data = bytearray(numbered_movie(tmp_path / name, 60, **CLIPS[name]).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = random.Random(3).randbytes(2000)
    (tmp_path / name).write_bytes(data)
    numbers, error = numbers_and_damage(tmp_path / name)
    count = len(numbers)
    assert numbers == list(range(count))
    assert 5 < count < 50
    assert f"--frames 1001-{1000 + count}." in error.hint
    assert len(frames_of(tmp_path / name, frames=FrameRange(1001, 1001 + count))) == count


def test_no_frame_comes_after_one_that_was_lost(tmp_path: Path) -> None:
    """Pictures are stored out of order: wherever the file ends, some were to be shown before one that is there."""
    options = {"bf": "4", "x264-params": "b-adapt=0:scenecut=0"}
    path = numbered_movie(tmp_path / "whole.mkv", 40, options=options)
    with av.open(str(path)) as container:
        positions = [packet.pos for packet in container.demux(video=0) if packet.size]
    data = path.read_bytes()
    for stored in range(10, 30):
        (tmp_path / "cut.mkv").write_bytes(data[: positions[stored] + 1])
        numbers, _ = numbers_and_damage(tmp_path / "cut.mkv")
        assert numbers == list(range(len(numbers)))
        assert len(numbers) >= stored - 6


@pytest.mark.parametrize("index", [0, 5, 9, 10, 11])
def test_one_picture_that_cannot_be_decoded(tmp_path: Path, index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last pictures come out of the decoder's threads together, with the error of the one between them."""
    path = numbered_movie(tmp_path / "a.mov", 12, codec="png", pix_fmt="rgb24")
    with av.open(str(path)) as container:
        at = container.streams.video[0].index_entries[index].pos
    data = bytearray(path.read_bytes())
    data[at : at + 30] = bytes(30)
    path.write_bytes(data)
    made = movie_reader._Source._of_container.__func__
    for threads in (1, 2, 8):

        def with_threads(cls, path, container, threads=threads):
            source = made(cls, path, container)
            source.decoder.thread_count = threads
            return source

        monkeypatch.setattr(movie_reader._Source, "_of_container", classmethod(with_threads))
        if index == 0:
            expect_bad(path, "damaged after 0 frames")
        else:
            assert numbers_and_damage(path)[0] == list(range(index))


def test_corrupted_structure_of_a_codec_that_hides_errors(tmp_path: Path) -> None:
    """FFmpeg goes on at the next block it finds, and VP9 plays on, without the frames between."""
    path = numbered_movie(tmp_path / "a.webm", 60, **CLIPS["vp9.webm"])
    with av.open(str(path)) as container:
        positions = [packet.pos for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    data[positions[30] - 2 : positions[30] + 6] = b"\xff" * 8
    path.write_bytes(data)
    expect_bad(path, "damaged after (29|30) frames")


@pytest.mark.skipif(sys.platform == "win32" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_unreadable_file(tmp_path: Path) -> None:
    path = numbered_movie(tmp_path / "a.mp4", 2)
    path.chmod(0)
    expect_bad(path, "cannot be read: Permission denied")


def test_unreadable_file_as_the_system_reports_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = numbered_movie(tmp_path / "a.mp4", 2)

    def deny(name: object, *args: object, **options: object) -> int:
        raise PermissionError(13, "Permission denied", str(name))

    monkeypatch.setattr(os, "open", deny)
    expect_bad(path, "cannot be read: Permission denied")


# ---- the rest --------------------------------------------------------------------------------------------------------


def test_hash_is_that_of_the_file(tmp_path: Path) -> None:
    path = numbered_movie(tmp_path / "a.mp4", 3)
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert plate_hash(path) == expected
    assert plate_hash(open_plate(path, frames=FrameRange(1002, 1003))) == expected
    with pytest.raises(BadInputError, match="does not exist"):
        plate_hash(tmp_path / "none.mp4")


@pytest.mark.skipif(sys.platform == "win32", reason="has no resource module")
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_memory_does_not_grow_with_length(tmp_path: Path, name: str) -> None:
    path = write_movie(tmp_path / name, (numbered_picture(index % 256, 256, 256) for index in range(300)))
    script = """
import resource, sys
from pathlib import Path
from ex4d.plate import open_plate
peaks = {}
for index, frame in enumerate(open_plate(Path(sys.argv[1])).frames()):
    peaks[index] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
unit = 1 if sys.platform == "darwin" else 1024
print(len(peaks), (peaks[299] - peaks[60]) * unit)
"""
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    count, growth = map(int, done.stdout.split())
    assert count == 300
    # 240 frames kept would be 47 MB
    assert growth < 6e6


@pytest.mark.parametrize("options", [{"fps": Fraction(0)}, {"fps": Fraction(-1)}])
def test_wrong_options(tmp_path: Path, options: dict) -> None:
    with pytest.raises(UsageError):
        open_plate(numbered_movie(tmp_path / "a.mp4", 1), **options)


def test_reading_can_stop_at_any_frame(tmp_path: Path) -> None:
    path = numbered_movie(tmp_path / "a.mp4", 30)
    frames = open_plate(path).frames()
    assert [next(frames).number, next(frames).number] == [1001, 1002]
    frames.close()
    path.unlink()  # nothing holds the file open


@pytest.mark.shared
@pytest.mark.skipif(not FLOWER.exists(), reason="the reference data is not beside the repository")
def test_reference_clip() -> None:
    reader = open_plate(FLOWER)
    frames = list(reader.frames())
    info = reader.info
    assert (info.width, info.height, info.fps, info.frame_count) == (512, 512, 30, 49)
    assert [frame.number for frame in frames] == list(range(1001, 1050))
    assert [frame.time for frame in frames] == [Fraction(n, 30) for n in range(49)]
    assert all(frame.pixels.std() > 10 for frame in frames)
