# SPDX-License-Identifier: Apache-2.0
"""Primaries and whites of RGB spaces, and the matrices between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ex4d.media.colour_tags import Chromaticities

Matrix = NDArray[np.float64]

_D65 = (0.3127, 0.3290)
_ACES_WHITE = (0.32168, 0.33767)
#: Largest difference of coordinates that name the same primaries (OpenEXR's helpers use it as well).
TOLERANCE = 0.001
# Cone responses of the Bradford adaptation, as ICC.1:2022 and the ACES configurations have it.
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
#: XYZ of the white of ICC profile connection spaces.
D50_XYZ = (0.9642, 1.0, 0.8249)


@dataclass(frozen=True)
class Gamut:
    """Primaries with a name.

    Attributes:
        title: in words.
        chromaticities: red, green, blue, white.
        interop_id: of the scene-linear space of these primaries; "" = there is none.
        names: of that space in configurations, beside the interop ID.
        h273: code point in table 2 of ITU-T H.273; None = none.
    """

    title: str
    chromaticities: Chromaticities
    interop_id: str = ""
    names: tuple[str, ...] = ()
    h273: int | None = None

    @property
    def all_names(self) -> tuple[str, ...]:
        """Interop ID and names."""
        return (self.interop_id, *self.names) if self.interop_id else self.names


REC709 = Gamut(
    "Rec.709",
    (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, *_D65),
    "lin_rec709_scene",
    ("lin_rec709", "lin_rec709_srgb", "lin_srgb", "Linear Rec.709 (sRGB)", "Linear Rec.709", "Linear Tristimulus"),
    1,
)
REC2020 = Gamut(
    "Rec.2020",
    (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *_D65),
    "lin_rec2020_scene",
    ("lin_rec2020", "Linear Rec.2020", "Linear BT.2020"),
    9,
)
P3_D65 = Gamut(
    "P3-D65",
    (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *_D65),
    "lin_p3d65_scene",
    ("lin_p3d65", "lin_displayp3", "Linear P3-D65", "Linear DCI-P3 D65"),
    12,
)
P3_DCI = Gamut("P3-DCI", (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351), h273=11)
AP0 = Gamut(
    "ACES2065-1",
    (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, *_ACES_WHITE),
    "lin_ap0_scene",
    ("lin_ap0", "aces2065_1", "ACES2065-1"),
)
AP1 = Gamut(
    "ACEScg",
    (0.713, 0.293, 0.165, 0.830, 0.128, 0.044, *_ACES_WHITE),
    "lin_ap1_scene",
    ("lin_ap1", "ACEScg"),
)
ADOBE_RGB = Gamut(
    "Adobe RGB",
    (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, *_D65),
    "lin_adobergb_scene",
    ("lin_adobergb", "Linear AdobeRGB"),
)
PROPHOTO = Gamut("ProPhoto RGB", (0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001, 0.3457, 0.3585))
CIE_XYZ = Gamut("CIE XYZ", (1.0, 0.0, 0.0, 1.0, 0.0, 0.0, *_D65), "lin_ciexyzd65_scene", ("Linear CIE-XYZ D65",))
SMPTE_170M = Gamut("BT.601 (525 lines)", (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65), h273=6)
BT_470BG = Gamut("BT.601 (625 lines)", (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *_D65), h273=5)

#: Those that files name by their chromaticities or code points, the usual ones first.
GAMUTS = (REC709, AP1, AP0, REC2020, P3_D65, ADOBE_RGB, P3_DCI, PROPHOTO, CIE_XYZ, SMPTE_170M, BT_470BG)

# Of cameras; their makers' white papers.
_CAMERAS = (
    ("ARRI Wide Gamut 3", (0.684, 0.313, 0.221, 0.848, 0.0861, -0.102, *_D65), "lin_awg3_scene", "lin_alexawide"),
    ("ARRI Wide Gamut 4", (0.7347, 0.2653, 0.1424, 0.8576, 0.0991, -0.0308, *_D65), "lin_awg4_scene", "lin_awg4"),
    ("S-Gamut3", (0.730, 0.280, 0.140, 0.855, 0.100, -0.050, *_D65), "lin_sgamut3_scene", "lin_sgamut3"),
    ("S-Gamut3.Cine", (0.766, 0.275, 0.225, 0.800, 0.089, -0.087, *_D65), "lin_sgamut3cine_scene", "lin_sgamut3cine"),
    ("V-Gamut", (0.730, 0.280, 0.165, 0.840, 0.100, -0.030, *_D65), "lin_vgamut_scene", "lin_vgamut"),
    (
        "REDWideGamutRGB",
        (0.780308, 0.304253, 0.121595, 1.493994, 0.095612, -0.084589, *_D65),
        "lin_rwg_scene",
        "lin_rwg",
    ),
    (
        "DaVinci Wide Gamut",
        (0.8000, 0.3130, 0.1682, 0.9877, 0.0790, -0.1155, *_D65),
        "lin_dwg_scene",
        "lin_davinci_widegamut",
    ),
    (
        "Cinema Gamut",
        (0.740, 0.270, 0.170, 1.140, 0.080, -0.100, *_D65),
        "lin_cgamutd55_scene",
        "lin_canoncgamutday",
    ),
    ("D-Gamut", (0.71, 0.31, 0.21, 0.88, 0.09, -0.08, *_D65), "lin_dgamut_scene", "lin_dgamut"),
    (
        "BMD Wide Gamut Gen 5",
        (0.7177215, 0.3171181, 0.2280410, 0.8615690, 0.1005841, -0.0820452, 0.3127170, 0.3290312),
        "lin_bmdwg5_scene",
        "lin_bmd_widegamut_gen5",
    ),
)
CAMERA_GAMUTS = tuple(
    Gamut(title, chromaticities, f"ocio:{interop_id}", (alias, interop_id))
    for title, chromaticities, interop_id, alias in _CAMERAS
)


def gamut_of_names(names: Iterable[str]) -> Gamut | None:
    """The known one whose scene-linear space has any of these names, whatever the case."""
    wanted = {name.lower() for name in names}
    known = (*GAMUTS, *CAMERA_GAMUTS)
    return next((gamut for gamut in known if wanted & {name.lower() for name in gamut.all_names}), None)


def gamut_of_chromaticities(chromaticities: Chromaticities) -> Gamut | None:
    """The known one of these chromaticities, within ``TOLERANCE``."""
    for gamut in (*GAMUTS, *CAMERA_GAMUTS):
        if np.abs(np.subtract(gamut.chromaticities, chromaticities)).max() <= TOLERANCE:
            return gamut
    return None


def gamut_of_h273(primaries: int) -> Gamut | None:
    """The known one of a code point of H.273, table 2."""
    same = {7: 6, 22: 5}  # SMPTE 240M has the primaries of 170M; EBU 3213 those of 470BG to 0.005
    return next((gamut for gamut in GAMUTS if gamut.h273 == same.get(primaries, primaries)), None)


def rgb_to_xyz(chromaticities: Chromaticities) -> Matrix:
    """Matrix from linear RGB to CIE XYZ, whose white has Y = 1 (SMPTE RP 177).

    Raises:
        ValueError: these are no primaries, such as three on one line.
    """
    xy = np.asarray(chromaticities, np.float64).reshape(4, 2)
    if not np.isfinite(xy).all() or xy[3, 1] <= 0:
        raise ValueError("The white has no luminance")
    columns = np.stack([xy[:3, 0], xy[:3, 1], 1 - xy[:3, 0] - xy[:3, 1]])
    white = white_xyz(chromaticities)
    if abs(np.linalg.det(columns)) < 1e-6:
        raise ValueError("The primaries lie on one line")
    return columns * np.linalg.solve(columns, white)


def white_xyz(chromaticities: Chromaticities) -> Matrix:
    """XYZ (3,) of the white, Y = 1."""
    x, y = chromaticities[6:]
    return np.array([x / y, 1.0, (1 - x - y) / y])


def adaptation(source: Matrix, target: Matrix) -> Matrix:
    """Bradford's matrix between XYZ under two whites (3,)."""
    scale = (_BRADFORD @ target) / (_BRADFORD @ source)
    return np.linalg.inv(_BRADFORD) @ (scale[:, None] * _BRADFORD)


def between(source: Chromaticities, target: Chromaticities) -> Matrix:
    """Matrix (3, 3) from linear RGB of ``source`` to that of ``target``; whites are adapted.

    Raises:
        ValueError: as ``rgb_to_xyz``.
    """
    matrix = np.linalg.inv(rgb_to_xyz(target)) @ adaptation(white_xyz(source), white_xyz(target)) @ rgb_to_xyz(source)
    return np.eye(3) if np.allclose(matrix, np.eye(3), atol=1e-12) else matrix


def chromaticities_of(to_rec709: Matrix) -> Chromaticities:
    """Primaries of the linear RGB that a matrix takes to Rec.709, seen under D65."""
    xyz = rgb_to_xyz(REC709.chromaticities) @ to_rec709
    total = xyz.sum(axis=0)
    x, y = xyz[0] / total, xyz[1] / total
    white = xyz.sum(axis=1)
    white_x, white_y = white[0] / white.sum(), white[1] / white.sum()
    values = [float(round(value, 6)) for pair in zip(x, y, strict=True) for value in pair]
    red_x, red_y, green_x, green_y, blue_x, blue_y = values
    return (red_x, red_y, green_x, green_y, blue_x, blue_y, float(round(white_x, 6)), float(round(white_y, 6)))
