# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures that a wipe compares: a version of a take, or the plate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ex4d.protocol.errors import BadInputError
from ex4d.protocol.parsing import fraction_from
from ex4d.protocol.results import ColourInfo
from ex4d.protocol.values import picture_numbers

from ..core.deliveries import read_take
from ..core.wipe import origin_colors, shown_size, srgb_codes
from . import background, material
from .colour import picture_space, set_picture_space
from .data import mesh_data
from .files import numbered_files
from .shot import ShotObjects

#: Pictures are decoded by one image that nothing uses, so that no file keeps it; the dot hides it from menus.
SCRATCH = ".EX-4D Wipe"


@dataclass(frozen=True)
class Side:
    """One of the two sequences of a wipe.

    Attributes:
        label: what it is called.
        files: by the scene's frame.
        colour: of the pictures; None = ordinary display pictures.
        aspect: width by height of what is seen; None where it is the camera's own picture.
        filled_by: of pictures that tell where a take's pixels come from: what fills; None for ordinary ones.
    """

    label: str
    files: Mapping[int, Path]
    colour: ColourInfo | None = None
    aspect: float | None = None
    filled_by: str | None = None


def version_side(shot: ShotObjects, folder: Path) -> Side:
    """A delivered version, such as ``takes/v001``.

    Raises:
        BadInputError: it is gone, or pictures are missing.
    """
    made = read_take(folder)
    files = numbered_files(Path(made.result), made.numbers, f"The result of {made.take}")
    return Side(made.take, _by_frame(shot, made.numbers, files), made.colour)


def origin_side(shot: ShotObjects, folder: Path) -> Side:
    """Where the pixels of a delivered version come from.

    Raises:
        BadInputError: it is gone, or pictures are missing.
    """
    made = read_take(folder)
    files = numbered_files(folder / "confidence", made.numbers, f"The origin of {made.take}")
    return Side("Origin", _by_frame(shot, made.numbers, files), filled_by=made.label)


def preview_sides(shot: ShotObjects, camera: bpy.types.Object) -> tuple[Side, Side]:
    """The preview that lies over a camera, and what of it the plate has seen.

    Raises:
        BadInputError: there is none, it is of an earlier version, or pictures are missing.
    """
    folders = background.preview_folders(camera)
    if folders is None:
        raise BadInputError("The preview does not tell where its pixels come from.", "Press Preview again.")
    numbers = shot.numbers
    color, mask = (numbered_files(folder, picture_numbers(numbers), "The preview") for folder in folders)
    return (
        Side("Preview", _by_frame(shot, numbers, color)),
        Side("Origin", _by_frame(shot, numbers, mask), filled_by=""),
    )


def plate_side(shot: ShotObjects) -> Side:
    """The plate as the shot's mesh shows it.

    Raises:
        BadInputError: the mesh is gone, or has another material.
    """
    shown = mesh_data(shot.mesh).materials[0] if shot.mesh is not None and mesh_data(shot.mesh).materials else None
    if shown is None or not material.is_ours(shown):
        raise BadInputError(
            f"The shot «{shot.root.name}» has no mesh with the plate's pictures.", "Reconstruct its plate again."
        )
    numbers, record = shot.numbers, shot.record["plate"]
    files = material.picture_paths(shown)[: len(numbers)]
    aspect = Fraction(record["width"], record["height"]) * fraction_from(record.get("pixel_aspect", 1))
    return Side("Plate", _by_frame(shot, numbers, files), aspect=float(aspect))


def _by_frame(shot: ShotObjects, numbers: list[int] | tuple[int, ...], files: list[Path]) -> dict[int, Path]:
    return {shot.frame_of(number): path for number, path in zip(numbers, files, strict=True)}


def read_picture(path: Path, colour: ColourInfo | None = None, *, is_origin: bool = False) -> np.ndarray:
    """A picture's display values: (height, width, 4), float32, 0..1, the lowest row first, opaque; made smaller where
    it is larger than ``core.wipe.LONGEST``.

    Scene-linear pictures are shown by sRGB's curve, as under the view Standard; those of origins by the colours of
    ``core.wipe.origin_colors``.

    Raises:
        BadInputError: Blender cannot read it.
    """
    image: Any = bpy.data.images.get(SCRATCH)
    try:
        if image is None:
            image = bpy.data.images.load(str(path), check_existing=False)
            image.name = SCRATCH
        else:
            image.filepath = str(path)
        image.alpha_mode = "NONE"
        if colour is None and (name := picture_space()) is not None:
            image.colorspace_settings.name = name
        else:
            set_picture_space(image.colorspace_settings, colour, path.suffix)
        image.reload()
        width, height = image.size
    except RuntimeError:
        width = height = 0
    if image is None or width * height == 0:
        raise BadInputError(f"Blender cannot read {path}.", "Check that it is there and may be read, or make it again.")
    if (size := shown_size(width, height)) != (width, height):
        image.scale(*size)
    pixels = np.empty((size[1], size[0], image.channels), np.float32)
    image.pixels.foreach_get(pixels.ravel())
    shown = np.ones((size[1], size[0], 4), np.float32)
    if is_origin:
        shown[..., :3] = origin_colors(pixels[..., 0])
        return shown
    # Of pictures of 8 bits Blender gives the codes; what has more bits is scene-linear by now.
    shown[..., :3] = srgb_codes(pixels[..., :3]) if image.is_float else pixels[..., :3]
    return shown


def forget_scratch() -> None:
    """Let the image that decodes pictures go."""
    image = bpy.data.images.get(SCRATCH)
    if image is not None:
        bpy.data.images.remove(image)
