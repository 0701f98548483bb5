# SPDX-License-Identifier: Apache-2.0
"""Still pictures of plates, with what their files say of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ex4d.media.colour_tags import ColourTags
from ex4d.media.dpx import MAGICS as DPX_MAGICS
from ex4d.media.dpx import read_dpx
from ex4d.media.encoding import display_encoding, truth_of
from ex4d.media.exr_picture import read_exr_picture
from ex4d.media.images import read_picture
from ex4d.media.picture_facts import PictureFacts
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
    """Read a still: OpenEXR, DPX, PNG, JPEG or TIFF.

    Args:
        path: the file.
        layer: of an OpenEXR file; see ``read_exr_picture``.

    Raises:
        BadInputError: the file is missing, damaged, of another format, or has no such layer.
        ResourceError: there is too little memory.
    """
    suffix = path.suffix.lower()
    if suffix in (".exr", ".dpx"):
        data = read_bytes(path)
        if data[:4] == _EXR_MAGIC:
            found = read_exr_picture(data, path, layer)
            return Still(found.pixels, found.facts, found.notes)
        if data[:4] in DPX_MAGICS:
            _check_no_layer(path, layer)
            codes, facts = read_dpx(data, path)
            return Still(codes, facts, ())
        kind = "an OpenEXR" if suffix == ".exr" else "a DPX"
        raise BadInputError(f"{path} is damaged or not {kind} file.", "Render or export the file again.")
    _check_no_layer(path, layer)
    picture = read_picture(path)
    alpha = picture.pixels.shape[2] == 4
    facts = PictureFacts(
        truth_of(display_encoding(picture.pixels.dtype)),
        ColourTags(path.suffix[1:].upper()),
        alpha="straight" if alpha else "none",
    )
    return Still(picture.pixels, facts, picture.notes, picture.reader_version)


def _check_no_layer(path: Path, layer: str | None) -> None:
    if layer:
        raise BadInputError(f"{path} has no layers: only OpenEXR files do.", "Leave --layer out.")
