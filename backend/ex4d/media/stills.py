# SPDX-License-Identifier: Apache-2.0
"""Still pictures of plates, with what their files say of them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from ex4d.media.colour_tags import ColourTags
from ex4d.media.encoding import LINEAR_FLOAT, LINEAR_HALF, display_encoding, truth_of
from ex4d.media.images import read_picture
from ex4d.media.picture_facts import PictureFacts
from ex4d.protocol.errors import BadInputError
from ex4d.system.inputs import read_bytes


@dataclass(frozen=True)
class Still:
    """A picture and what its file says of it.

    Attributes:
        pixels: (H, W, 3) RGB or (H, W, 4) RGBA, upright, in the dtype of ``facts.encoding``.
        facts: what the file says.
        notes: sentences for the report.
        reader_version: 0 where every version of this reader gave these pixels.
    """

    pixels: NDArray[Any]
    facts: PictureFacts
    notes: tuple[str, ...] = ()
    reader_version: int = 0


def read_still(path: Path, layer: str | None = None) -> Still:
    """Read a still; raises BadInputError."""
    if path.suffix.lower() == ".exr":
        return _exr(path, layer)
    picture = read_picture(path)
    alpha = picture.pixels.shape[2] == 4
    facts = PictureFacts(
        truth_of(display_encoding(picture.pixels.dtype)),
        ColourTags(path.suffix[1:].upper()),
        alpha="straight" if alpha else "none",
    )
    return Still(picture.pixels, facts, picture.notes, picture.reader_version)


def _exr(path: Path, layer: str | None) -> Still:
    prefix = f"{layer}." if layer else ""
    data = read_bytes(path)
    try:
        with OpenEXR.File(io.BytesIO(data), separate_channels=True) as file:
            header, channels = dict(file.header()), file.channels()
            found = [np.array(channels[prefix + c].pixels) for c in "RGBA" if prefix + c in channels]
    except (RuntimeError, ValueError, LookupError) as error:
        raise BadInputError(f"{path} is damaged or not an OpenEXR file.", "Render or export the file again.") from error
    pixels = np.ascontiguousarray(np.stack(found, axis=-1))
    facts = PictureFacts(
        LINEAR_HALF if pixels.dtype == np.float16 else LINEAR_FLOAT,
        ColourTags(
            "EXR",
            interop_id=str(header.get("colorInteropID", "")),
            chromaticities=tuple(header["chromaticities"]) if "chromaticities" in header else None,
        ),
        alpha="associated" if pixels.shape[2] == 4 else "none",
    )
    return Still(pixels, facts)
