# SPDX-License-Identifier: Apache-2.0
"""Which colour space a plate is in."""

import struct
from pathlib import Path

import numpy as np
import pytest

from ex4d.colour.config import BUILT_IN
from ex4d.colour.gamuts import ADOBE_RGB, AP0, AP1, P3_D65, REC709, REC2020
from ex4d.colour.icc_profile import _colorants
from ex4d.colour.plate_colour import PlateColour
from ex4d.colour.resolve import resolve
from ex4d.colour.tags import movie_tags, name_in, png_chunks
from ex4d.colour.transforms import DISPLAY_WORKING, FILE_PRIMARIES, transform_of
from ex4d.media.colour_tags import ColourTags
from ex4d.media.encoding import DISPLAY_8, DISPLAY_16, HEADROOM_16, LINEAR_FLOAT, LINEAR_HALF, TruthEncoding, truth_of
from ex4d.media.picture_facts import PictureFacts
from ex4d.protocol.errors import BadInputError

PHONE = next(iter(sorted((Path(__file__).parents[3] / "shared/data/plates/jpeg_p3").glob("*.jpg"))), Path("none"))
BITS_8, BITS_16 = truth_of(DISPLAY_8), truth_of(DISPLAY_16)
DPX_10 = TruthEncoding("codes", "uint16", 0, 1023 * 64)

SMALL = """ocio_profile_version: 2
search_path: luts
roles: {scene_linear: house linear, default: house log}
displays: {}
colorspaces:
  - !<ColorSpace> {name: house linear, aliases: [hl], encoding: scene-linear}
  - !<ColorSpace>
    name: house log
    encoding: log
    to_scene_reference: !<GroupTransform>
      children:
        - !<FileTransform> {src: house.spi1d}
  - !<ColorSpace> {name: raw, isdata: true}
"""
LUT = "Version 1\nFrom 0 1\nLength 3\nComponents 1\n{\n0\n0.25\n1\n}\n"


def colour_of(encoding, container="EXR", *, wanted="auto", ocio=None, environ=None, **tags) -> PlateColour:
    facts = PictureFacts(encoding, ColourTags(container, **tags))
    return resolve(facts, wanted=wanted, ocio=ocio, environ=environ or {})


@pytest.fixture
def small_config(tmp_path):
    (tmp_path / "luts").mkdir()
    (tmp_path / "luts" / "house.spi1d").write_text(LUT)
    (tmp_path / "config.ocio").write_text(SMALL)
    return tmp_path / "config.ocio"


@pytest.mark.parametrize(
    ("gamut", "space"),
    [
        (AP0, "ACES2065-1"),
        (AP1, "ACEScg"),
        (REC709, "Linear Rec.709 (sRGB)"),
        (REC2020, "Linear Rec.2020"),
        (P3_D65, "Linear P3-D65"),
    ],
)
def test_openexr_names_its_space(gamut, space):
    by_id = colour_of(LINEAR_HALF, interop_id=gamut.interop_id)
    by_primaries = colour_of(LINEAR_FLOAT, chromaticities=gamut.chromaticities)
    for colour in (by_id, by_primaries):
        assert (colour.kind, colour.space, colour.linear_space) == ("linear", space, space)
        assert (colour.chromaticities, colour.interop_id) == (gamut.chromaticities, gamut.interop_id)
        assert colour.notes == ()
    assert (by_id.said_by, by_primaries.said_by) == ("colorInteropID", "chromaticities")


def test_order_of_what_openexr_says():
    colour = colour_of(LINEAR_HALF, interop_id=AP1.interop_id, chromaticities=REC709.chromaticities)
    assert colour.space == "ACEScg"
    assert any("chromaticities" in note for note in colour.notes)
    assert colour_of(LINEAR_HALF, aces_container=True).space == "ACES2065-1"
    lost = colour_of(LINEAR_HALF, interop_id="nobody_knows", chromaticities=REC709.chromaticities)
    assert lost.space == "Linear Rec.709 (sRGB)"
    assert any("nobody_knows" in note for note in lost.notes)


def test_a_camera_s_primaries_keep_their_published_chromaticities():
    published = (0.684, 0.313, 0.221, 0.848, 0.0861, -0.102, 0.3127, 0.329)
    colour = colour_of(LINEAR_HALF, chromaticities=published)
    assert (colour.space, colour.chromaticities) == ("Linear ARRI Wide Gamut 3", published)


def test_primaries_without_a_name_are_used_themselves():
    own = (0.65, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329)
    colour = colour_of(LINEAR_HALF, chromaticities=own)
    assert (colour.space, colour.chromaticities) == (FILE_PRIMARIES, own)
    assert colour.notes
    values = np.array([[0.5, 0.2, 0.1], [2.0, 3.0, 1.0]], np.float32)
    transform = transform_of(colour)
    np.testing.assert_allclose(transform.from_working(transform.working(values)), values, rtol=1e-3)


@pytest.mark.parametrize("encoding", [LINEAR_HALF, LINEAR_FLOAT])
def test_floats_that_say_nothing_are_refused(encoding):
    with pytest.raises(BadInputError, match="says nothing") as caught:
        colour_of(encoding)
    assert caught.value.exit_code == 10
    assert caught.value.hint.count("--colour-space") >= 3


def test_logs_and_data_in_floats_are_refused():
    with pytest.raises(BadInputError, match="not scene-linear"):
        colour_of(LINEAR_HALF, wanted="S-Log3 S-Gamut3.Cine")
    with pytest.raises(BadInputError, match="holds data"):
        colour_of(LINEAR_HALF, wanted="Raw")


def test_log_dpx_asks_and_takes_a_name():
    for transfer in (None, 1, 3):
        with pytest.raises(BadInputError) as caught:
            colour_of(DPX_10, "DPX", dpx_transfer=transfer)
        assert caught.value.hint.count("--colour-space") >= 3
    assert colour_of(DPX_10, "DPX", dpx_transfer=1, wanted="ADX10").kind == "codes"
    video = colour_of(DPX_10, "DPX", dpx_transfer=6)
    assert (video.kind, video.working) == ("codes", DISPLAY_WORKING)


@pytest.mark.parametrize("name", ["ARRI LogC4", "arri_logc4", "ocio:arrilogc4_awg4_scene", "ARRI LOGC4"])
def test_names_aliases_and_interop_ids(name):
    colour = colour_of(HEADROOM_16, "movie", wanted=name)
    assert (colour.space, colour.linear_space) == ("ARRI LogC4", "Linear ARRI Wide Gamut 4")
    assert colour_of(LINEAR_HALF, wanted="scene_linear").space == "ACEScg"


def test_a_name_that_is_not_there_tells_the_nearest():
    with pytest.raises(BadInputError, match="S-Log9") as caught:
        colour_of(HEADROOM_16, wanted="S-Log9")
    assert "S-Log3" in caught.value.hint


@pytest.mark.parametrize(
    ("primaries", "transfer", "kind", "space", "tags"),
    [
        (1, 1, "display", "", (1, 1, 1)),
        (None, 13, "display", "", (1, 1, 1)),
        (12, 13, "display", "Display P3 - Display", (12, 13, 1)),
        (9, 1, "display", "Rec.1886 Rec.2020 - Display", (9, 1, 9)),
        (9, 14, "display", "Rec.1886 Rec.2020 - Display", (9, 14, 9)),
        (9, 16, "codes", "Rec.2100-PQ - Display", (9, 16, 9)),
        (9, 18, "codes", "Rec.2100-HLG - Display", (9, 18, 9)),
        (12, 16, "codes", "ST2084-P3-D65 - Display", (12, 16, 1)),
    ],
)
def test_code_points_of_h273(primaries, transfer, kind, space, tags):
    colour = colour_of(BITS_16, "movie", primaries=primaries, transfer=transfer)
    assert (colour.kind, colour.space) == (kind, space)
    assert movie_tags(colour)[:3] == tags


def test_over_range_movies_are_codes_of_a_display_curve():
    colour = colour_of(HEADROOM_16, "movie", primaries=1, transfer=1)
    assert (colour.kind, colour.working, colour.linear_space) == ("codes", DISPLAY_WORKING, "Linear Rec.709 (sRGB)")
    transform = transform_of(colour)
    unit = np.array([[1.0902, 1.0457, -0.0502]], np.float32)
    np.testing.assert_allclose(transform.unit_from_linear(transform.linear(unit)), unit, atol=1e-6)
    assert transform.working(unit).tolist() == [[65535, 65535, 0]]


def test_ordinary_pictures_say_nothing_and_need_no_configuration(tmp_path):
    for encoding in (BITS_8, BITS_16):
        colour = colour_of(encoding, "PNG", environ={"OCIO": str(tmp_path / "gone.ocio")})
        assert (colour.kind, colour.space, colour.notes, colour.working) == ("display", "", (), "")
        assert png_chunks(colour) == []


def test_png_chunks_decide_and_are_written():
    pq = colour_of(BITS_16, "PNG", primaries=9, transfer=16)
    assert png_chunks(pq) == [(b"cICP", bytes([9, 16, 0, 1]))]
    linear = colour_of(BITS_16, "PNG", gamma=1.0)
    assert (linear.kind, linear.space) == ("codes", "Linear Rec.709 (sRGB)")
    assert transform_of(linear).working(np.array([[0.46] * 3]))[0, 0] == pytest.approx(0.707 * 65535, abs=200)
    assert dict(png_chunks(linear))[b"gAMA"] == struct.pack(">I", 100000)
    assert colour_of(BITS_8, "PNG", gamma=2.2).space == ""
    assert png_chunks(colour_of(BITS_8, "PNG", is_srgb=True)) == [(b"sRGB", b"\0")]
    adobe = colour_of(BITS_8, "PNG", gamma=2.2, chromaticities=ADOBE_RGB.chromaticities)
    assert adobe.space == "Gamma 2.2 Encoded AdobeRGB"
    assert struct.unpack(">8I", dict(png_chunks(adobe))[b"cHRM"])[:4] == (31270, 32900, 64000, 33000)


def icc_profile(gamut, exponent) -> bytes:
    colorants = [struct.pack(">4s4x3i", b"XYZ ", *np.rint(c * 65536).astype(int)) for c in _colorants(gamut).T]
    curve = struct.pack(">4s4xIH2x", b"curv", 1, round(exponent * 256))
    names = (b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC")
    table, data, start = b"", b"", 128 + 4 + 12 * len(names)
    for name, tag in zip(names, (*colorants, curve, curve, curve), strict=True):
        table += struct.pack(">4sII", name, start + len(data), len(tag))
        data += tag
    return bytes(128) + struct.pack(">I", len(names)) + table + data


def test_icc_profiles_by_colorants_and_curve():
    assert colour_of(BITS_8, "JPEG", icc=icc_profile(ADOBE_RGB, 2.2)).space == "Gamma 2.2 Encoded AdobeRGB"
    assert colour_of(BITS_8, "JPEG", icc=icc_profile(REC709, 2.2)).space == ""
    assert colour_of(LINEAR_FLOAT, "TIFF", icc=icc_profile(REC2020, 1.0)).space == "Linear Rec.2020"
    unknown = colour_of(BITS_8, "JPEG", icc=b"nonsense")
    assert unknown.space == ""
    assert len(unknown.notes) == 1


@pytest.mark.shared
@pytest.mark.skipif(not PHONE.exists(), reason="needs the film plates in ../shared/data, which are not there")
def test_a_phone_s_p3_profile():
    data = PHONE.read_bytes()
    at = data.index(b"ICC_PROFILE\0")
    (length,) = struct.unpack_from(">H", data, at - 2)
    colour = colour_of(BITS_8, "JPEG", icc=data[at + 14 : at - 2 + length])
    assert (colour.kind, colour.chromaticities) == ("display", P3_D65.chromaticities)
    assert movie_tags(colour)[:2] == (12, 4)  # its curve is a gamma of 2.2
    assert name_in(colour, f"ocio://{BUILT_IN}", linear=False) == "Display P3 - Display"


def test_a_name_goes_before_the_tags_with_a_note():
    colour = colour_of(BITS_8, "movie", wanted="S-Log3 S-Gamut3.Cine", primaries=9, transfer=16)
    assert colour.said_by == "--colour-space"
    assert any("PQ" in note for note in colour.notes)


def test_records_return():
    colour = colour_of(BITS_16, "PNG", primaries=9, transfer=16)
    assert PlateColour.from_record(colour.record()) == colour
    assert colour.config == BUILT_IN


def test_a_configuration_of_one_s_own(small_config):
    for given in ({"ocio": small_config}, {"environ": {"OCIO": str(small_config)}}):
        colour = colour_of(LINEAR_HALF, wanted="hl", **given)
        assert (colour.space, colour.config, colour.config_file) == ("house linear", "config.ocio", str(small_config))
        assert any("Rec.709" in note for note in colour.notes)
    log = colour_of(HEADROOM_16, wanted="house log", ocio=small_config)
    assert log.linear_space == "house linear"
    assert transform_of(log).linear(np.array([[0.5, 0.75, 1.0]])).tolist() == [[0.25, 0.625, 1.0]]
    with pytest.raises(BadInputError, match="says nothing") as caught:
        colour_of(LINEAR_HALF, ocio=small_config)
    assert "house linear" in caught.value.hint
    elsewhere = colour_of(LINEAR_HALF, interop_id=AP1.interop_id, ocio=small_config)
    assert (elsewhere.space, elsewhere.config) == ("ACEScg", BUILT_IN)
    assert any("config.ocio" in note for note in elsewhere.notes)


def test_the_hash_is_of_the_tables_too(small_config):
    first = colour_of(LINEAR_HALF, wanted="hl", ocio=small_config).config_hash
    (small_config.parent / "luts" / "house.spi1d").write_text(LUT.replace("0.25", "0.2"))
    small_config.write_text(SMALL + "\n")
    small_config.write_text(SMALL)
    assert colour_of(LINEAR_HALF, wanted="hl", ocio=small_config).config_hash != first


def test_configurations_that_cannot_be_used(tmp_path, small_config):
    with pytest.raises(BadInputError, match="cannot be read"):
        colour_of(BITS_8, ocio=tmp_path / "gone.ocio")
    broken = tmp_path / "broken.ocio"
    broken.write_text("ocio_profile_version: 2\nroles: [")
    with pytest.raises(BadInputError, match="broken"):
        colour_of(LINEAR_HALF, ocio=broken)
    with pytest.raises(BadInputError, match="built-in"):
        colour_of(LINEAR_HALF, environ={"OCIO": "ocio://nonsense"})
    (small_config.parent / "luts" / "house.spi1d").unlink()
    with pytest.raises(BadInputError, match=r"house\.spi1d"):
        colour_of(HEADROOM_16, wanted="house log", ocio=small_config)


@pytest.mark.parametrize("name", ["cg-config-v2.1.0_aces-v1.3_ocio-v2.3", "studio-config-v1.0.0_aces-v1.3_ocio-v2.1"])
def test_other_aces_configurations(name):
    colour = colour_of(LINEAR_HALF, interop_id="lin_rec2020_scene", environ={"OCIO": f"ocio://{name}"})
    assert (colour.config, colour.interop_id) == (name, "lin_rec2020_scene")


def test_names_in_another_configuration(small_config):
    colour = colour_of(LINEAR_HALF, interop_id=AP1.interop_id)
    assert name_in(colour, f"ocio://{BUILT_IN}", linear=True) == "ACEScg"
    assert name_in(colour, small_config, linear=True) is None
    plain = colour_of(BITS_8, "PNG")
    assert name_in(plain, f"ocio://{BUILT_IN}", linear=False) is not None
