# SPDX-License-Identifier: Apache-2.0
"""From truth to the working picture, to scene-linear values, to a display, and back."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ex4d.colour.config import open_configuration
from ex4d.colour.curve import encode
from ex4d.colour.gamuts import AP1, GAMUTS, REC709, between
from ex4d.colour.known_spaces import KNOWN_SPACES
from ex4d.colour.resolve import resolve
from ex4d.colour.transforms import transform_of
from ex4d.media.colour_tags import ColourTags
from ex4d.media.encoding import DISPLAY_16, LINEAR_FLOAT, LINEAR_HALF, TruthEncoding, truth_of
from ex4d.media.picture_facts import PictureFacts

CODES_16 = TruthEncoding("codes", "uint16", 0, 65535)
LOGS = [name for name in open_configuration(None, {}).log_names() if not name.startswith("ADX")]


def named(space, encoding=CODES_16):
    return transform_of(resolve(PictureFacts(encoding, ColourTags("movie")), wanted=space, environ={}))


@pytest.mark.parametrize("space", [*LOGS, "ADX10", "PQ", "HLG", "Display P3 HDR - Display"])
@pytest.mark.parametrize("bits", [10, 16])
def test_codes_return_through_linear(space, bits):
    """Those of all cameras' logs, in the pixel type that the transform names; a floor of a log has no inverse."""
    transform = named(space)
    white = (1 << bits) - 1
    codes = np.arange(white + 1)
    unit = np.repeat(codes[:, None] / white, 3, axis=1).astype(np.float32)
    linear = transform.linear(unit)
    kept = linear.astype(transform.linear_pixel_type(bits))
    back = np.rint(transform.unit_from_linear(kept.astype(np.float32)) * white)
    floor = np.ptp(linear[codes <= 64 / 1023 * white], axis=0).max() == 0
    first = int(np.argmax(np.diff(linear[:, 1]) > 0)) if floor or np.diff(linear[:4, 1]).max() <= 0 else 0
    np.testing.assert_array_equal(back[first:], np.repeat(codes[first:, None], 3, axis=1))


@pytest.mark.parametrize(
    ("space", "grey"),
    [
        ("S-Log3 S-Gamut3.Cine", 420 / 1023),
        ("ARRI LogC3 (EI800)", 0.391007),
        ("ARRI LogC4", 0.278396),
        ("V-Log V-Gamut", 0.423311),
        ("DaVinci Intermediate WideGamut", 0.336043),
        ("Apple Log", 0.488272),
        ("PQ", 0.410897),
        ("HLG", 0.378120),
    ],
)
def test_grey_of_18_percent(space, grey):
    """Codes of 18 % grey, from the makers' papers (PQ: 36.54 of 203 cd/m²; HLG: 0.18 of the light of 75 %)."""
    unit = np.full((1, 3), grey, np.float32)
    transform = named(space)
    np.testing.assert_allclose(transform.linear(unit), 0.18, rtol=0.01)
    np.testing.assert_allclose(transform.working(unit) / 65535, encode(np.array([0.18]))[0], atol=0.003)


def test_adx_grey():
    """Scene-linear of a middle grey density: ADX10 445 is 0.18 (ST 2065-3 as the configuration has it)."""
    transform = named("ADX10")
    codes = np.linspace(0.3, 0.6, 400)
    linear = transform.linear(np.repeat(codes[:, None], 3, axis=1).astype(np.float32))
    grey = np.interp(0.18, linear[:, 1], codes)
    assert grey == pytest.approx(445 / 1023, abs=0.02)


@pytest.mark.parametrize("gamut", [gamut for gamut in GAMUTS if gamut.interop_id and gamut.title != "CIE XYZ"])
def test_linear_is_what_the_file_has_and_working_is_k_on_rec709(gamut):
    facts = PictureFacts(LINEAR_HALF, ColourTags("EXR", interop_id=gamut.interop_id))
    transform = transform_of(resolve(facts, environ={}))
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    pixels = np.stack([halves, halves[::-1], np.roll(halves, 7)], axis=-1)
    values = LINEAR_HALF.unit(pixels)
    same = transform.unit_from_linear(transform.linear(values)).astype(np.float16)
    np.testing.assert_array_equal(same.view(np.uint16), pixels.view(np.uint16))
    colours = np.random.default_rng(0).uniform(0.0, 3.0, (500, 3)).astype(np.float32)
    expected = encode(colours @ between(gamut.chromaticities, REC709.chromaticities).T) * 65535
    assert np.abs(transform.working(colours) - expected).max() <= 25


def test_a_fill_returns_in_the_plate_s_primaries():
    transform = named("ACEScg", LINEAR_FLOAT)
    rec709 = np.exp2(np.random.default_rng(0).uniform(-9, 6, (20000, 3)))
    wide = (rec709 @ between(REC709.chromaticities, AP1.chromaticities).T).astype(np.float32)
    back = transform.from_working(transform.working(wide))
    error = np.abs(back - wide).max(axis=1) / wide.max(axis=1)
    assert np.quantile(error, 0.99) <= 2.5e-4


def test_nan_and_infinity_stay_in_their_pixel():
    transform = named("ACEScg", LINEAR_FLOAT)
    values = np.full((4, 4, 3), 0.18, np.float32)
    clean = transform.working(values)
    values[1, 1] = np.nan
    values[2, 2] = np.inf
    values[0, 3] = [0.2, np.inf, np.nan]
    codes = transform.working(values)
    assert codes[1, 1].tolist() == [0, 0, 0]
    assert codes[2, 2].tolist() == [65535] * 3
    others = np.isfinite(values).all(axis=2)
    np.testing.assert_array_equal(codes[others], clean[others])
    assert transform.display(values).shape == values.shape


@pytest.mark.parametrize("known", KNOWN_SPACES, ids=lambda known: known.name)
def test_standard_curves_return_beyond_their_range(known):
    codes = np.linspace(-0.1, 1.1, 4801)
    np.testing.assert_allclose(known.transfer.from_linear(known.transfer.to_linear(codes)), codes, atol=1e-6)


def test_own_curves_are_those_of_the_configuration():
    configuration = open_configuration(None, {})
    codes = np.repeat(np.linspace(0, 1, 257)[:, None], 3, axis=1).astype(np.float32)
    for known in KNOWN_SPACES:
        space = configuration.find(known.name)
        if space is None or space.endswith("Display") or known.gamut.interop_id == "":
            continue
        own = transform_of(resolve(PictureFacts(truth_of(DISPLAY_16), ColourTags("PNG")), wanted=space, environ={}))
        theirs = codes.copy()
        configuration.processor(space, configuration.find_first(*known.gamut.all_names)).applyRGB(theirs)
        np.testing.assert_allclose(own.linear(codes), theirs, atol=2e-4, err_msg=space)


@pytest.mark.parametrize("space", ["Display P3 - Display", "Rec.1886 Rec.2020 - Display", "Adobe RGB"])
def test_skin_and_foliage_in_wide_primaries(space):
    """Tagged codes, taken to Rec.709 light, are the colours that were encoded."""
    known = next(known for known in KNOWN_SPACES if space in known.names)
    rec709 = np.array([[0.4779, 0.2197, 0.1515], [0.0986, 0.1570, 0.0529]])  # skin and foliage of a ColorChecker
    wide = rec709 @ between(REC709.chromaticities, known.gamut.chromaticities).T
    unit = known.transfer.from_linear(wide).astype(np.float32)
    linear = named(space, truth_of(DISPLAY_16)).linear(unit)
    back = linear @ between(known.gamut.chromaticities, REC709.chromaticities).T
    np.testing.assert_allclose(back, rec709, rtol=1e-4)


def test_the_display_cube_is_close_to_the_view():
    transform = named("ACEScg", LINEAR_FLOAT)
    values = np.exp2(np.random.default_rng(1).uniform(-8, 4, (20000, 3))).astype(np.float32)
    configuration = open_configuration(None, {})
    display, view = transform.display_view
    import PyOpenColorIO

    processor = configuration.config.getProcessor("ACEScg", display, view, PyOpenColorIO.TRANSFORM_DIR_FORWARD)
    exact = values.copy()
    processor.getDefaultCPUProcessor().applyRGB(exact)
    difference = np.abs(transform.display(values) - np.rint(np.clip(exact, 0, 1) * 255))
    assert difference.mean() < 0.5
    assert np.quantile(difference, 0.99) <= 5  # of saturated colours; fewer in pictures
    grey = transform.display(np.full((1, 3), 0.18, np.float32))
    assert np.abs(grey.astype(int) - 89).max() <= 1


def test_pixel_types_of_results():
    assert named("S-Log3 S-Gamut3.Cine").linear_pixel_type(10) == "float16"
    assert named("ARRI LogC4").linear_pixel_type(16) == "float32"


def test_many_threads():
    transform = named("S-Log3 S-Gamut3.Cine")
    pictures = [np.random.default_rng(seed).uniform(0, 1, (64, 64, 3)).astype(np.float32) for seed in range(8)]
    alone = [transform.working(picture) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        for expected, codes in zip(alone, pool.map(transform.working, pictures), strict=True):
            np.testing.assert_array_equal(codes, expected)
