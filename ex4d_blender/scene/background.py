# SPDX-License-Identifier: GPL-3.0-or-later
"""A rendered preview as the background of a take camera."""

from __future__ import annotations

from pathlib import Path

import bpy

from ex4d.protocol.results import RenderResult
from ex4d.protocol.values import picture_numbers

from ..core.frame_mapping import check_consecutive
from .camera import own_animation
from .data import camera_data
from .files import absolute_path, load_sequence, numbered_files, show_sequence, start_at_a_picture
from .shot import PROPERTY


def show_preview(
    camera_obj: bpy.types.Object,
    render: RenderResult,
    *,
    frame_offset: int = 0,
    opacity: float = 1.0,
    in_front: bool = True,
    kind: str = "color",
    fingerprint: str = "",
) -> None:
    """Show the pictures of a ``preview`` job through a camera; a former preview goes.

    Args:
        camera_obj: that shows them.
        render: with the folders of the pictures.
        frame_offset: scene frame minus plate frame number.
        opacity: 0 to 1.
        in_front: before the scene's objects, or behind them.
        kind: ``color``, or ``mask``, where white is source surface and black is to be filled.
        fingerprint: of the move that it shows; "" where none is known.

    Raises:
        BadInputError: pictures are missing.
    """
    numbers = list(render.numbers)
    check_consecutive(numbers, "The preview")
    pictures = picture_numbers(numbers)
    files = numbered_files(Path(render.mask if kind == "mask" else render.color), pictures, f"The preview's {kind}")
    # A linked duplicate would show it, too.
    own_animation(camera_obj)
    hide_preview(camera_obj)
    image = load_sequence(files[0], f"{camera_obj.name} Preview", is_data=kind == "mask")
    # A background has no properties of its own to be known by.
    image[PROPERTY] = {
        "role": "preview",
        "kind": kind,
        "fingerprint": fingerprint,
        "color": render.color,
        "mask": render.mask,
    }
    data = camera_data(camera_obj)
    background = data.background_images.new()
    background.source = "IMAGE"
    background.image = image
    show_sequence(
        background.image_user, first_number=pictures[0], count=len(numbers), first_frame=numbers[0] + frame_offset
    )
    background.frame_method = "FIT"
    data.show_background_images = True
    set_preview_look(camera_obj, opacity=opacity, in_front=in_front)


def _previews(data: bpy.types.Camera) -> list[bpy.types.CameraBackgroundImage]:
    return [item for item in data.background_images if item.image is not None and item.image.get(PROPERTY) is not None]


def start_at_pictures(data: bpy.types.Camera) -> None:
    """Let viewports draw a camera's preview, of an earlier version too, from a picture that exists."""
    for item in _previews(data):
        start_at_a_picture(item.image_user)


def has_preview(camera_obj: bpy.types.Object) -> bool:
    """Whether the camera shows a preview."""
    return bool(_previews(camera_data(camera_obj)))


def shown_fingerprint(camera_obj: bpy.types.Object) -> str:
    """The fingerprint of the move that a camera's preview shows; "" without one."""
    found = [item.image[PROPERTY].get("fingerprint", "") for item in _previews(camera_data(camera_obj)) if item.image]
    return str(found[0]) if found else ""


def preview_folders(camera_obj: bpy.types.Object) -> tuple[Path, Path] | None:
    """Folders of the colour and the mask of a camera's preview; None without one, or of one of an earlier version."""
    for item in _previews(camera_data(camera_obj)):
        told = item.image[PROPERTY] if item.image is not None else {}
        if told.get("color") and told.get("mask"):
            return Path(told["color"]), Path(told["mask"])
    return None


def set_preview_look(camera_obj: bpy.types.Object, *, opacity: float, in_front: bool) -> None:
    """Change how the camera's preview is shown, see ``show_preview``."""
    for background in _previews(camera_data(camera_obj)):
        background.alpha = opacity
        background.display_depth = "FRONT" if in_front else "BACK"


def is_lost(camera_obj: bpy.types.Object) -> bool:
    """Whether the pictures of the camera's preview are gone from the disk; looks there."""
    paths = [item.image.filepath for item in _previews(camera_data(camera_obj)) if item.image is not None]
    return not all(absolute_path(path).is_file() for path in paths)


def hide_preview(camera_obj: bpy.types.Object) -> None:
    """Remove the camera's preview; backgrounds of the artist's own stay."""
    for background in _previews(camera_data(camera_obj)):
        image = background.image
        # Removing the entry alone would leave the image counted as used.
        background.image = None
        camera_data(camera_obj).background_images.remove(background)
        if image is not None and image.users == 0:
            bpy.data.images.remove(image)
