# SPDX-License-Identifier: GPL-3.0-or-later
"""One colour space under the names of two configurations."""

from __future__ import annotations

from ex4d_blender.core.colour_names import find_space, space_of_files, translated

from ex4d.protocol.results import ColourInfo, ColourSpaceInfo

STUDIO = (
    ColourSpaceInfo("ACEScg", ("ACES - ACEScg", "lin_ap1"), "lin_ap1_scene", "linear"),
    ColourSpaceInfo("Linear Rec.709 (sRGB)", ("lin_rec709",), "lin_rec709_scene", "linear"),
    ColourSpaceInfo("Linear S-Gamut3.Cine", ("lin_sgamut3cine",), "ocio:lin_sgamut3cine_scene", "linear"),
)
BLENDER = (
    ColourSpaceInfo("Linear Rec.709", ("Linear", "lin_rec709", "Linear Rec.709 (sRGB)")),
    ColourSpaceInfo("ACES of this place", ("lin_ap1",)),
)


def test_found_by_identifier_alias_and_name() -> None:
    assert translated("ACEScg", STUDIO, BLENDER) == "ACES of this place"
    assert translated("Linear Rec.709 (sRGB)", STUDIO, BLENDER) == "Linear Rec.709"
    # Without a word on the plate's configuration its identifier says it.
    assert translated("mine", (), BLENDER, interop_id="lin_ap1_scene") == "ACES of this place"
    assert translated("Linear S-Gamut3.Cine", STUDIO, BLENDER) is None


def test_a_name_comes_before_another_spaces_alias() -> None:
    spaces = (ColourSpaceInfo("a", ("B",)), ColourSpaceInfo("b"))
    found = find_space(spaces, "B")
    assert found is not None
    assert found.name == "b"


def test_space_by_kind_of_file() -> None:
    colour = ColourInfo("codes", "S-Log3 S-Gamut3.Cine", "Linear S-Gamut3.Cine", interop_id="x")
    assert space_of_files(colour, ".exr") == ("Linear S-Gamut3.Cine", "x")
    assert space_of_files(colour, ".PNG") == ("S-Log3 S-Gamut3.Cine", "")
    assert space_of_files(None, ".exr") == ("", "")
