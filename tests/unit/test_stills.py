# SPDX-License-Identifier: Apache-2.0
"""Stills of plates: OpenEXR and DPX, their pixels to the bit and what their headers say."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import OpenEXR
import pytest
from numpy.typing import NDArray

from ex4d.media.encoding import LINEAR_FLOAT, LINEAR_HALF, TruthEncoding
from ex4d.media.picture_facts import PixelWindow
from ex4d.media.stills import Still, read_still
from ex4d.protocol.errors import BadInputError
from tools.plates.stills import AP0, box, timecode, write_dpx, write_exr

PLATES = Path(__file__).parents[3] / "shared/data/plates"
SIZE = (44, 70)


def picture(channels: int, dtype: type = np.float16, seed: int = 0) -> NDArray[Any]:
    """(H, W, C) with all kinds of values: inf, NaN, -0, denormals, 65504, negatives."""
    made = np.random.default_rng(seed).normal(0.5, 2, (*SIZE, channels)).astype(dtype)
    tiny = np.finfo(dtype).smallest_subnormal
    made[3, :8, 0] = [65504, -0.0, np.inf, -np.inf, np.nan, tiny, -0.05, 60]
    return made


def same_bits(read: NDArray[Any], written: NDArray[Any]) -> None:
    assert read.dtype == written.dtype
    assert read.shape == written.shape
    assert read.tobytes() == np.ascontiguousarray(written).tobytes()


def write(path: Path, channels: dict[str, NDArray[Any]], **header: Any) -> Path:
    planes = {name: np.ascontiguousarray(plane) for name, plane in channels.items()}
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **header}, planes).write(
        str(path)
    )
    return path


def write_parts(path: Path, *parts: tuple[str, dict[str, NDArray[Any]], dict[str, Any]]) -> Path:
    made = []
    for name, channels, header in parts:
        planes = {key: np.ascontiguousarray(plane) for key, plane in channels.items()}
        made.append(OpenEXR.Part({"type": OpenEXR.scanlineimage, "name": name, **header}, planes))
    OpenEXR.File(made).write(str(path))
    return path


def rgb(pixels: NDArray[Any], layer: str = "") -> dict[str, NDArray[Any]]:
    prefix = f"{layer}." if layer else ""
    return {prefix + name: pixels[..., index] for index, name in enumerate("RGBA"[: pixels.shape[2]])}


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("kind", ["scanline", "tiled"])
@pytest.mark.parametrize("compression", ["NO", "RLE", "ZIPS", "ZIP", "PIZ", "HTJ2K256", "ZSTD"])
def test_lossless_exr_is_read_to_the_bit(
    tmp_path: Path, compression: str, kind: str, channels: int, dtype: type
) -> None:
    pixels = picture(channels, dtype)
    write_exr(tmp_path / "a.exr", {"": pixels}, kind=kind, compression=getattr(OpenEXR, f"{compression}_COMPRESSION"))
    still = read_still(tmp_path / "a.exr")
    same_bits(still.pixels, pixels)
    assert still.facts.encoding == (LINEAR_HALF if dtype == np.float16 else LINEAR_FLOAT)
    assert still.facts.alpha == ("associated" if channels == 4 else "none")
    assert (still.facts.frame, still.notes) == (None, ())


@pytest.mark.parametrize("compression", ["DWAA", "DWAB", "B44", "B44A", "PXR24"])
def test_lossy_exr_is_what_openexr_decodes(tmp_path: Path, compression: str) -> None:
    pixels = np.random.default_rng(2).random((*SIZE, 3)).astype(np.float16)
    write_exr(tmp_path / "a.exr", {"": pixels}, compression=getattr(OpenEXR, f"{compression}_COMPRESSION"))
    decoded = OpenEXR.File(str(tmp_path / "a.exr"), separate_channels=True).channels()
    same_bits(read_still(tmp_path / "a.exr").pixels, np.stack([decoded[name].pixels for name in "RGB"], axis=-1))


# A tiled half file of 10 x 6 pixels with its smaller levels (mip map), which OpenEXR's Python module cannot write: R is
# the column, G the row, B their product. Deflated, base 85.
MIP_MAP = (
    "c-n<jPfXKL82?trCW;0z!9N636m=mmyV8|1|Ils&N02xW!p%^+H}+!JE^UFCkhnynCME<g8beHGB9IUdiXJq?69(bH1tW@)3yBv)"
    "JbCbFw{<dy#_#3#ey`vAetqBjUSCH}du#*&Ac={fXduuH4J$)%003x;W_=!yuZbe5W*<fSs3s{UDhiTykYX~{4QMvQ{9uEe*(_Yx"
    ";py4o0ZEM~G^FcTRsI-fCW(k>i2YcJsG~5bCTR>6ux(`~N=-zto{+_B|BZ{PBa&)BR8~a;?53ly??bDM6?939APu%h*}PPYRi7||"
    "G;s(8R9V&XCE06EGH!1JZNlSm)81_4<&e<m$%nWy<)CTKE3jUw+0Qh!cp0vxJ>a2Oj`njb>t_PA5C{f2Ka;>oBnx^1Nk)%oV6`AW"
    "fK;n4X$UE~y#<hBnCXqsQP@?mzrv7y95G@=uP{*37}ii!)#9eNU>9Lo#0uG)n>MhFbjb7(q)XYN*)7;cH8BxaO@Cg!$Mg=$qI9(("
    "+rv1KOJ&(&XGxBEi-#?qwRp|q<GCE6!(wcQzuGAi$tzNf+)YvGyIUB~m2B3N?@QmF2k}hm(`{0oKiAj=uhQ-XTamOrFC{33<I-g{"
    "SeBobZuXG#C7~N|XM=b$`FLx3aj_j<uez6rBJ~MN4TOW_C-yn{y6{hX#RKLC^AeWFZ?WY18bIv&{^k5Powr&`$lJ=xskM9er|U`d"
    "VrFXjyX$8B&CFC89ImNau>DI!IQP}L_=iJBs;fJNa&p6gJ~p!~0cYI@vndve4rRJ<Dhxrhg;F8tPIp6_*)rpz+ty+&FaZ7vSalv9"
    "bEW30tH!uzwqu_MR@cAuIw~EjUmvZkOz|ftl-X}GCZ2ctCMRLCw)S1|)ve4Na1b~?6z&3n4=sgLLH_rWgoX0VL)*Yb5X{D#{{+iQ"
    "EI3T0J3vSUe*r0E_>%"
)


def test_of_a_tiled_files_levels_the_whole_one_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.exr").write_bytes(zlib.decompress(base64.b85decode(MIP_MAP)))
    y, x = np.mgrid[:6, :10]
    same_bits(read_still(tmp_path / "a.exr").pixels, np.dstack([x, y, x * y]).astype(np.float16))


def test_lines_from_the_bottom_are_read_upright(tmp_path: Path) -> None:
    pixels = picture(3)
    write(tmp_path / "a.exr", rgb(pixels), lineOrder=OpenEXR.DECREASING_Y)
    same_bits(read_still(tmp_path / "a.exr").pixels, pixels)


def test_mixed_channels_are_floats_and_luminance_is_grey(tmp_path: Path) -> None:
    half, alpha = picture(3), np.random.default_rng(3).random(SIZE).astype(np.float32)
    still = read_still(write(tmp_path / "a.exr", rgb(half) | {"A": alpha}))
    same_bits(still.pixels, np.dstack([half.astype(np.float32), alpha]))
    still = read_still(write(tmp_path / "y.exr", {"Y": half[..., 0]}))
    same_bits(still.pixels, np.repeat(half[..., :1], 3, axis=2))


def layers_file(folder: Path) -> tuple[Path, dict[str, NDArray[Any]]]:
    pictures = {name: picture(3, seed=seed) for seed, name in enumerate(("", "diffuse", "light.key", "left.key"))}
    channels: dict[str, NDArray[Any]] = {"Z": np.ones(SIZE, np.float32)}
    for name, pixels in pictures.items():
        channels |= rgb(pixels, name)
    return write(folder / "a.exr", channels), pictures


def test_a_layer_is_read_by_its_name_or_the_end_of_it(tmp_path: Path) -> None:
    path, pictures = layers_file(tmp_path)
    still = read_still(path)
    same_bits(still.pixels, pictures[""])
    assert "diffuse, light.key, left.key" in still.notes[0] or "diffuse, left.key, light.key" in still.notes[0]
    for wanted, name in (("diffuse", "diffuse"), ("DIFFUSE", "diffuse"), ("light.key", "light.key"), ("", "")):
        same_bits(read_still(path, wanted).pixels, pictures[name])
    with pytest.raises(BadInputError, match=r"several layers «key»: l"):
        read_still(path, "key")
    with pytest.raises(BadInputError, match=r"no layer «specular»; its layers are .*diffuse"):
        read_still(path, "specular")


def test_layers_without_a_main_one_are_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.exr", rgb(picture(3), "diffuse") | rgb(picture(3, seed=1), "glossy"))
    with pytest.raises(BadInputError, match="several layers that could be meant: diffuse, glossy") as caught:
        read_still(path)
    assert "--layer" in caught.value.hint
    many = {key: plane for n in range(40) for key, plane in rgb(picture(3), f"light{n:02d}").items()}
    with pytest.raises(BadInputError, match=r"light07 and 32 more"):
        read_still(write(tmp_path / "b.exr", many))


def test_the_combined_layer_of_a_renderer_is_found(tmp_path: Path) -> None:
    combined = picture(4)
    others = rgb(picture(3, seed=1), "ViewLayer.Diffuse") | {"ViewLayer.Depth.Z": np.ones(SIZE, np.float32)}
    still = read_still(write(tmp_path / "a.exr", rgb(combined, "ViewLayer.Combined") | others))
    same_bits(still.pixels, combined)
    assert "«ViewLayer.Combined» is used" in still.notes[0]


def test_parts_are_layers(tmp_path: Path) -> None:
    main, diffuse, key = picture(4), picture(3, np.float32, 1), picture(3, seed=2)
    path = write_parts(
        tmp_path / "a.exr",
        ("rgba", rgb(main), {}),
        ("diffuse", rgb(diffuse), {}),
        ("light", rgb(key, "key"), {}),
        ("depth", {"Y": np.ones(SIZE, np.float32)}, {}),
    )
    same_bits(read_still(path).pixels, main)
    same_bits(read_still(path, "diffuse").pixels, diffuse)
    same_bits(read_still(path, "light.key").pixels, key)
    same_bits(read_still(path, "light").pixels, key)
    path = write_parts(tmp_path / "b.exr", ("one", rgb(main), {}), ("two", rgb(key), {}))
    with pytest.raises(BadInputError, match="could be meant: one, two"):
        read_still(path)


def test_the_left_of_two_views_is_read(tmp_path: Path) -> None:
    left, right = picture(3), picture(3, seed=1)
    path = write_parts(
        tmp_path / "a.exr", ("rgb.right", rgb(right), {"view": "right"}), ("rgb.left", rgb(left), {"view": "left"})
    )
    still = read_still(path)
    same_bits(still.pixels, left)
    assert "views right, left: left is used" in still.notes[0]
    same_bits(read_still(path, "right").pixels, right)


def windowed(path: Path, pixels: NDArray[Any], left: int, top: int, width: int, height: int) -> Still:
    write_exr(path, {"": pixels}, window=(left, top), display=(width, height))
    return read_still(path)


def test_overscan_is_kept_around_the_frame(tmp_path: Path) -> None:
    pixels = picture(3)
    still = windowed(tmp_path / "a.exr", pixels, -3, -2, SIZE[1] - 8, SIZE[0] - 6)
    same_bits(still.pixels, pixels)
    assert still.facts.frame == PixelWindow(3, 2, SIZE[1] - 8, SIZE[0] - 6)
    assert still.notes == ()


@pytest.mark.parametrize("channels", [3, 4])
def test_what_a_crop_lacks_of_the_frame_is_transparent(tmp_path: Path, channels: int) -> None:
    pixels = picture(channels)
    still = windowed(tmp_path / "a.exr", pixels, 5, 4, SIZE[1] + 12, SIZE[0] + 9)
    assert still.facts.frame is None
    assert still.facts.alpha == "associated"
    inside = still.pixels[4:-5, 5:-7]
    same_bits(inside[..., :channels], pixels)
    if channels == 3:
        assert (inside[..., 3] == 1).all()
    outside = still.pixels.copy()
    outside[4:-5, 5:-7] = 0
    assert not outside.any()
    assert any("transparent" in note for note in still.notes)


def test_a_window_half_in_the_frame_and_half_beyond_it(tmp_path: Path) -> None:
    pixels = picture(3)
    still = windowed(tmp_path / "a.exr", pixels, -10, 6, 30, 20)
    assert still.facts.frame == PixelWindow(10, 0, 30, 20)
    assert still.pixels.shape == (SIZE[0] + 6, SIZE[1], 4)
    same_bits(still.pixels[6:, :, :3], pixels)
    assert not still.pixels[:6].any()


def test_what_an_exr_header_says(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.exr",
        rgb(picture(3)),
        pixelAspectRatio=4 / 3,
        framesPerSecond=Fraction(24000, 1001),
        timeCode=timecode(1, 0, 59, 28, drop=True),
        chromaticities=AP0,
        colorInteropID="lin_ap0_scene",
        acesImageContainerFlag=1,
        whiteLuminance=203.0,
    )
    still = read_still(path)
    facts = still.facts
    assert (facts.pixel_aspect, facts.fps, facts.timecode) == (Fraction(4, 3), Fraction(24000, 1001), "01:00:59;28")
    assert (facts.colour.container, facts.colour.interop_id, facts.colour.aces_container) == (
        "EXR",
        "lin_ap0_scene",
        True,
    )
    assert facts.colour.chromaticities == pytest.approx(AP0, abs=1e-6)
    assert len(still.notes) == 1
    assert "203" in still.notes[0]


def test_an_aspect_that_cannot_be_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.exr", rgb(picture(3)))
    field = b"pixelAspectRatio\0float\0" + struct.pack("<I", 4)
    path.write_bytes(path.read_bytes().replace(field + struct.pack("<f", 1), field + struct.pack("<f", 1e-5)))
    still = read_still(path)
    assert still.facts.pixel_aspect == 1
    assert "pixel aspect" in still.notes[0]


def test_exr_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    whole = {name: np.ones(SIZE, np.uint32) for name in "RGB"}
    with pytest.raises(BadInputError, match="whole numbers"):
        read_still(write(tmp_path / "uint.exr", whole))
    with pytest.raises(BadInputError, match="holds no picture"):
        read_still(write(tmp_path / "z.exr", {"Z": np.ones(SIZE, np.float32)}))
    with pytest.raises(BadInputError, match="far away from its frame"):
        windowed(tmp_path / "far.exr", picture(3), 900_000, 900_000, 40, 30)
    (tmp_path / "png.exr").write_bytes(b"no")
    with pytest.raises(BadInputError, match="damaged or not an OpenEXR file"):
        read_still(tmp_path / "png.exr")


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9, 0.999])
def test_a_cut_exr_is_refused_without_a_print(tmp_path: Path, share: float, capfd: pytest.CaptureFixture[str]) -> None:
    write_exr(tmp_path / "a.exr", {"": picture(3)})
    data = (tmp_path / "a.exr").read_bytes()
    (tmp_path / "a.exr").write_bytes(data[: int(share * len(data))])
    with pytest.raises(BadInputError, match="damaged"):
        read_still(tmp_path / "a.exr")
    assert capfd.readouterr().out == ""


def codes(bits: int) -> NDArray[Any]:
    return np.random.default_rng(bits).integers(0, 1 << bits, (*SIZE, 3), dtype=np.uint16)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 10, 16])
def test_dpx_codes_are_read_exactly(tmp_path: Path, bits: int, order: str) -> None:
    written = codes(bits)
    write_dpx(
        tmp_path / "a.dpx",
        written,
        bits=bits,
        order=order,
        transfer=3,
        timecode_bcd=0x01005928 | 0x40,
        rate=Fraction(24000, 1001),
        aspect=(2, 1),
    )
    still = read_still(tmp_path / "a.dpx")
    np.testing.assert_array_equal(still.pixels, written << (16 - bits))
    facts = still.facts
    assert facts.encoding == TruthEncoding("codes", "uint16", 0, ((1 << bits) - 1) << (16 - bits))
    assert facts.encoding.unit(still.pixels) == pytest.approx(written / ((1 << bits) - 1), abs=1e-6)
    assert (facts.timecode, facts.fps, facts.pixel_aspect) == ("01:00:59;28", Fraction(24000, 1001), 2)
    assert (facts.colour.container, facts.colour.dpx_transfer, facts.alpha) == ("DPX", 3, "none")


def of_ffmpeg(format_name: str, planes: NDArray[Any]) -> bytes:
    """A DPX that FFmpeg makes."""
    codec: Any = av.CodecContext.create("dpx", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = SIZE[1], SIZE[0], format_name, Fraction(1, 24)
    frame = av.VideoFrame.from_ndarray(planes, format=format_name)
    return b"".join(bytes(packet) for packet in codec.encode(frame))


@pytest.mark.parametrize("order", ["le", "be"])
def test_dpx_of_12_bits(tmp_path: Path, order: str) -> None:
    written = codes(12)
    (tmp_path / "a.dpx").write_bytes(of_ffmpeg(f"gbrp12{order}", written))
    still = read_still(tmp_path / "a.dpx")
    np.testing.assert_array_equal(still.pixels, written << 4)
    assert still.facts.encoding.white == 4095 << 4


def test_dpx_with_alpha_and_mirrored_ones(tmp_path: Path) -> None:
    rgba = np.dstack([codes(16), codes(16)[..., 0]])
    (tmp_path / "a.dpx").write_bytes(of_ffmpeg("rgba64be", rgba))
    still = read_still(tmp_path / "a.dpx")
    np.testing.assert_array_equal(still.pixels, rgba)
    assert still.facts.alpha == "straight"
    write_dpx(tmp_path / "b.dpx", codes(10))
    data = bytearray((tmp_path / "b.dpx").read_bytes())
    for stored, turned in ((1, codes(10)[:, ::-1]), (2, codes(10)[::-1]), (3, codes(10)[::-1, ::-1])):
        data[768:770] = struct.pack(">H", stored)
        (tmp_path / "b.dpx").write_bytes(data)
        np.testing.assert_array_equal(read_still(tmp_path / "b.dpx").pixels, turned << 6)
    data[768:770] = struct.pack(">H", 4)
    (tmp_path / "b.dpx").write_bytes(data)
    with pytest.raises(BadInputError, match="on its side"):
        read_still(tmp_path / "b.dpx")


@pytest.mark.parametrize("share", [0.001, 0.1, 0.4, 0.5, 0.99])
def test_a_cut_dpx_is_refused(tmp_path: Path, share: float) -> None:
    write_dpx(tmp_path / "a.dpx", codes(10))
    data = (tmp_path / "a.dpx").read_bytes()
    (tmp_path / "a.dpx").write_bytes(data[: int(share * len(data))])
    with pytest.raises(BadInputError, match="damaged"):
        read_still(tmp_path / "a.dpx")


def test_a_dpx_that_claims_to_be_huge_is_refused(tmp_path: Path) -> None:
    write_dpx(tmp_path / "a.dpx", codes(10))
    data = bytearray((tmp_path / "a.dpx").read_bytes())
    data[772:780] = struct.pack(">II", 100_000, 100_000)
    (tmp_path / "a.dpx").write_bytes(data)
    with pytest.raises(BadInputError, match="100000x100000"):
        read_still(tmp_path / "a.dpx")


@pytest.mark.parametrize("name", ["a.CR2", "a.cr3", "a.nef", "a.ARW", "a.dng", "a.r3d", "a.braw", "a.ari"])
def test_camera_raw_is_refused_with_the_way_out(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"II*\0")
    with pytest.raises(BadInputError, match="camera raw, which is not read") as caught:
        read_still(tmp_path / name)
    assert all(way in caught.value.hint for way in ("OpenEXR", "ProRes", "DPX"))


def test_only_exr_has_layers(tmp_path: Path) -> None:
    write_dpx(tmp_path / "a.dpx", codes(10))
    with pytest.raises(BadInputError, match="has no layers"):
        read_still(tmp_path / "a.dpx", "diffuse")


@pytest.mark.shared
@pytest.mark.parametrize("name", sorted(path.name for path in PLATES.glob("exr_*") if path.name != "exr_and_jpg"))
def test_exr_plates_are_what_openexr_decodes(name: str) -> None:
    for path in sorted((PLATES / name).glob("*.exr")):
        still = read_still(path)
        file = OpenEXR.File(str(path), separate_channels=True)
        header, channels = file.header(), file.channels()
        planes = np.stack([channels[letter].pixels for letter in "RGBA" if letter in channels], axis=-1)
        same_bits(still.pixels, planes)
        (left, top), _ = header["dataWindow"]
        expected = PixelWindow(-left, -top, 128, 72) if (left, top) != (0, 0) else None
        assert still.facts.frame == expected
        assert still.facts.pixel_aspect == (2 if name == "exr_par2" else 1)


@pytest.mark.shared
def test_dpx_plate_has_the_codes_and_timecode_of_its_truth() -> None:
    truth = json.loads((PLATES / "truth.json").read_text())["dpx10_log"]
    paths = sorted((PLATES / "dpx10_log").glob("*.dpx"))
    assert [read_still(path).facts.timecode for path in paths] == ["01:00:00:00"] * 9
    still = read_still(paths[0])
    at = np.array(truth["centres"]).reshape(-1, 2)
    assert still.facts.colour.dpx_transfer == 1
    assert not (still.pixels & 63).any()
    assert still.pixels[at[:, 1], at[:, 0]].shape == (16, 3)


@pytest.mark.shared
def test_still_plates_of_other_kinds() -> None:
    pq = read_still(next((PLATES / "png_cicp").glob("*.png"))).facts
    assert (pq.colour.primaries, pq.colour.transfer) == (9, 16)
    wide = read_still(next((PLATES / "png_phys").glob("*.png"))).facts
    assert wide.pixel_aspect == 2
    phone = read_still(next((PLATES / "jpeg_p3").glob("*.jp*g"))).facts
    assert phone.colour.icc
    for name, encoding in (("tiff16", "uint16"), ("tiff16h", None), ("tiffori", None)):
        still = read_still(next((PLATES / name).glob("*.tif*")))
        assert still.pixels.dtype == still.facts.encoding.dtype
        assert encoding in (None, still.facts.encoding.pixel_type)
    for name in ("st_jp2", "st_tga", "st_webp"):
        with pytest.raises(BadInputError):
            read_still(next((PLATES / name).iterdir()))


def test_boxes_include_their_last_pixel() -> None:
    low, high = box(1, 2, 3, 4)
    assert (*low, *high) == (1, 2, 3, 5)
