# SPDX-License-Identifier: Apache-2.0
"""Which colour space a plate is in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ex4d.colour.plate_colour import AUTO, PlateColour
from ex4d.media.picture_facts import PictureFacts
from ex4d.protocol.errors import BadInputError


def resolve(
    facts: PictureFacts, *, wanted: str = AUTO, ocio: Path | None = None, environ: Mapping[str, str] = os.environ
) -> PlateColour:
    """The colour space; raises BadInputError where the file does not say it and nobody else does."""
    if facts.encoding.is_float:
        if wanted == AUTO and not facts.colour.interop_id and facts.colour.chromaticities is None:
            raise BadInputError(
                "The plate's EXR files do not say what colour space they are in.",
                "Name it with --colour-space, such as ACEScg, ACES2065-1 or Linear Rec.709.",
            )
        space = "ACEScg" if wanted == AUTO else wanted
        return PlateColour("linear", space, space, "studio", working="K", interop_id="lin_ap1_scene")
    return PlateColour("display", "", "", "")
