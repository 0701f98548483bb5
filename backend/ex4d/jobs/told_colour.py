# SPDX-License-Identifier: Apache-2.0
"""What results tell of a plate's colour to programs that show its pictures."""

from __future__ import annotations

from ex4d.colour.plate_colour import PlateColour
from ex4d.protocol.results import ColourInfo

#: Rec.709's primaries, which are sRGB's, in ITU-T H.273.
_REC709_PRIMARIES = 1


def told_colour(colour: PlateColour) -> ColourInfo | None:
    """The plate's colour space; None where its pictures are ordinary ones: display-referred, with sRGB's primaries or
    with no word on them. Programs show those as sRGB, and so they look as the plate does there."""
    if colour.kind == "display" and (not colour.space or colour.primaries in (None, _REC709_PRIMARIES)):
        return None
    return ColourInfo(
        colour.kind,
        colour.space,
        "" if colour.kind == "display" else colour.linear_space,
        colour.config,
        colour.config_file,
        colour.interop_id,
        colour.said_by,
    )
