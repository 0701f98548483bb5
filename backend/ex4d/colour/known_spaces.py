# SPDX-License-Identifier: Apache-2.0
"""Display and HDR spaces of standards, which no configuration is needed for: names, primaries, curve, code points."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ex4d.colour.gamuts import ADOBE_RGB, AP1, P3_D65, PROPHOTO, REC709, REC2020, Gamut
from ex4d.colour.transfer import BT709, GAMMA_18, GAMMA_22, GAMMA_24, GAMMA_26, GAMMA_ADOBE, HLG, PQ, SRGB, Transfer


@dataclass(frozen=True)
class KnownSpace:
    """A space of a standard.

    Attributes:
        name: as the ACES studio configurations have it.
        others: aliases, interop IDs and short names.
        gamut, transfer: of it.
        kind: what a plate of whole code values is in it.
        h273_transfer: code point in table 3 of ITU-T H.273; None = none.
    """

    name: str
    others: tuple[str, ...]
    gamut: Gamut
    transfer: Transfer
    kind: Literal["display", "codes"] = "display"
    h273_transfer: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (self.name, *self.others)


SRGB_REC709 = KnownSpace(
    "sRGB - Display",
    ("srgb_rec709_display", "srgb_rec709_scene", "srgb_display", "srgb_tx", "srgb_texture", "sRGB - Texture", "sRGB"),
    REC709,
    SRGB,
    h273_transfer=13,
)
REC1886 = KnownSpace(
    "Rec.1886 Rec.709 - Display",
    ("g24_rec709_display", "rec1886_rec709_display", "g24_rec709", "ocio:g24_rec709_scene", "Rec.1886", "BT.1886"),
    REC709,
    GAMMA_24,
    h273_transfer=1,
)
DISPLAY_P3 = KnownSpace(
    "Display P3 - Display",
    ("srgb_p3d65_display", "displayp3_display", "srgb_p3d65_scene", "srgb_displayp3", "Display P3"),
    P3_D65,
    SRGB,
    h273_transfer=13,
)
REC2020_SDR = KnownSpace(
    "Rec.1886 Rec.2020 - Display",
    ("g24_rec2020_display", "rec1886_rec2020_display", "Rec.2020", "BT.2020"),
    REC2020,
    GAMMA_24,
    h273_transfer=14,
)
ADOBE_RGB_1998 = KnownSpace(
    "Gamma 2.2 Encoded AdobeRGB",
    ("g22_adobergb_scene", "g22_adobergb_display", "g22_adobergb", "adobergb", "Adobe RGB (1998)", "Adobe RGB"),
    ADOBE_RGB,
    GAMMA_ADOBE,
    h273_transfer=4,
)
PROPHOTO_RGB = KnownSpace("ProPhoto RGB", ("g18_prophoto", "ROMM RGB"), PROPHOTO, GAMMA_18)
PQ_REC2020 = KnownSpace(
    "Rec.2100-PQ - Display",
    ("pq_rec2020_display", "rec2100_pq_display", "Rec.2100-PQ", "PQ"),
    REC2020,
    PQ,
    "codes",
    16,
)
PQ_P3 = KnownSpace("ST2084-P3-D65 - Display", ("pq_p3d65_display", "st2084_p3d65_display"), P3_D65, PQ, "codes", 16)
HLG_REC2020 = KnownSpace(
    "Rec.2100-HLG - Display",
    ("hlg_rec2020_display", "rec2100_hlg_display", "Rec.2100-HLG", "HLG"),
    REC2020,
    HLG,
    "codes",
    18,
)

#: The first that has one of a configuration's names for a space is it.
KNOWN_SPACES = (
    SRGB_REC709,
    DISPLAY_P3,
    REC1886,
    REC2020_SDR,
    ADOBE_RGB_1998,
    PROPHOTO_RGB,
    PQ_REC2020,
    PQ_P3,
    HLG_REC2020,
    KnownSpace(
        "Gamma 2.2 Rec.709 - Display",
        ("g22_rec709_display", "g22_rec709_scene", "g22_rec709", "g22_rec709_tx"),
        REC709,
        GAMMA_22,
        h273_transfer=4,
    ),
    KnownSpace("Gamma 1.8 Encoded Rec.709", ("g18_rec709_scene", "g18_rec709", "g18_rec709_tx"), REC709, GAMMA_18),
    KnownSpace(
        "Camera Rec.709",
        ("ocio:itu709_rec709_scene", "itu709_rec709_scene", "camera_rec709", "rec709_camera"),
        REC709,
        BT709,
        h273_transfer=1,
    ),
    KnownSpace("P3-D65 - Display", ("g26_p3d65_display", "p3d65_display"), P3_D65, GAMMA_26),
    KnownSpace("Display P3 HDR - Display", ("srgbe_p3d65_display", "displayp3_hdr_display"), P3_D65, SRGB, "codes", 13),
    KnownSpace("sRGB Encoded AP1", ("srgb_ap1_scene", "srgb_ap1"), AP1, SRGB),
    KnownSpace("Gamma 2.2 Encoded AP1", ("g22_ap1_scene", "g22_ap1"), AP1, GAMMA_22),
)


def known_space(names: Iterable[str]) -> KnownSpace | None:
    """The one that has any of these names, whatever the case."""
    wanted = {name.lower() for name in names}
    return next((known for known in KNOWN_SPACES if wanted & {name.lower() for name in known.names}), None)
