# SPDX-License-Identifier: Apache-2.0
"""Still pictures of plates, with what their files say of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.media.camera_raw import refuse_camera_raw
from ex4d.media.dpx import MAGICS as DPX_MAGICS
from ex4d.media.dpx import read_dpx
from ex4d.media.encoding import LINEAR_FLOAT, LINEAR_HALF, display_encoding, truth_of
from ex4d.media.exr_picture import read_exr_picture
from ex4d.media.images import FloatPicture, decode_plate_picture
from ex4d.media.lens_tags import still_lens
from ex4d.media.picture_facts import AlphaKind, PictureFacts
from ex4d.protocol.errors import BadInputError
from ex4d.system.inputs import read_bytes

_EXR_MAGIC = b"\x76\x2f\x31\x01"


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
    """Read a still: OpenEXR, DPX, PNG, JPEG or TIFF; a name's suffix does not matter.

    Args:
        path: the file.
        layer: of an OpenEXR file; see ``read_exr_picture``.

    Raises:
        BadInputError: the file is missing, damaged, of another format, or has no such layer.
        ResourceError: there is too little memory.
    """
    refuse_camera_raw(path)
    data = read_bytes(path)
    if data[:4] == _EXR_MAGIC:
        found = read_exr_picture(data, path, layer)
        return Still(found.pixels, found.facts, found.notes)
    if layer:
        raise BadInputError(f"{path} has no layers: only OpenEXR files do.", "Leave --layer out.")
    if data[:4] in DPX_MAGICS:
        return Still(*read_dpx(data, path))
    if path.suffix.lower() in (".exr", ".dpx"):
        kind = "an OpenEXR" if path.suffix.lower() == ".exr" else "a DPX"
        raise BadInputError(f"{path} is damaged or not {kind} file.", "Render or export the file again.")
    picture = decode_plate_picture(data, path)
    alpha: AlphaKind
    if isinstance(picture, FloatPicture):
        encoding = LINEAR_HALF if picture.pixels.dtype == np.float16 else LINEAR_FLOAT
        alpha, version = "associated", 0
    else:
        encoding = truth_of(display_encoding(picture.pixels.dtype))
        alpha, version = "straight", picture.reader_version
    if picture.pixels.shape[2] == 3:
        alpha = "none"
    facts = PictureFacts(encoding, picture.colour, alpha, picture.pixel_aspect, lens=still_lens(data))
    return Still(picture.pixels, facts, picture.notes, version)
