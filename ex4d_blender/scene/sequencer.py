# SPDX-License-Identifier: GPL-3.0-or-later
"""Finished takes in the Video Sequencer, and the strip an artist has chosen as a plate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from ex4d.protocol.errors import BadInputError

from .files import check_consecutive, numbered_files, stored_path
from .shot import PROPERTY

#: The highest channel Blender has.
LAST_CHANNEL = 128


@dataclass(frozen=True)
class PlacedStrips:
    """The strips of one take; those not asked for are None."""

    result: bpy.types.Strip
    mask: bpy.types.Strip | None
    color: bpy.types.Strip | None


def strips_of(editor: bpy.types.SequenceEditor) -> bpy.types.bpy_prop_collection:
    """The editor's top-level strips: ``strips`` since Blender 4.4, ``sequences`` before."""
    return editor.strips if hasattr(editor, "strips") else editor.sequences


def sequencer_scene(context: bpy.types.Context) -> bpy.types.Scene:
    """The scene whose sequencer the artist sees: since Blender 5 the workspace has one of its own."""
    return getattr(context, "sequencer_scene", None) or context.scene


def free_channel(strips: Iterable[Any], start: int, end: int, preferred: int = 1) -> int:
    """The first channel from ``preferred`` on with nothing in frames [start, end).

    Raises:
        BadInputError: all channels are taken.
    """
    taken = {strip.channel for strip in strips if strip.frame_final_start < end and strip.frame_final_end > start}
    for channel in range(max(1, preferred), LAST_CHANNEL + 1):
        if channel not in taken:
            return channel
    raise BadInputError(
        f"All sequencer channels from {preferred} on are taken at frames {start}-{end - 1}.",
        "Remove or move some strips.",
    )


def _add_images(
    strips: bpy.types.bpy_prop_collection, files: list[Path], name: str, start: int, preferred: int
) -> bpy.types.Strip:
    count = len(files)
    channel = free_channel(strips, start, start + count, preferred)
    strip = strips.new_image(
        name=name, filepath=stored_path(files[0]), channel=channel, frame_start=start, fit_method="ORIGINAL"
    )
    for file in files[1:]:
        strip.elements.append(file.name)
    # Appended pictures do not always lengthen the strip by themselves.
    strip.frame_final_duration = count
    if (strip.frame_final_start, strip.frame_final_duration) != (start, count):
        placed = f"{strip.frame_final_start} with {strip.frame_final_duration} frames"
        strips.remove(strip)
        raise BadInputError(
            f"Blender placed the strip «{name}» at frame {placed} instead of {start} with {count}.",
            "Add the take's pictures by hand as an image strip.",
        )
    return strip


def place_take(
    scene: bpy.types.Scene,
    result: Mapping[str, Any],
    *,
    with_mask: bool,
    with_color: bool,
    name: str,
    frame_offset: int = 0,
    channel: int = 1,
) -> PlacedStrips:
    """Put a generated take on free channels of a scene's sequencer, at its own frame numbers.

    Nothing is placed when an error is raised. The strips carry the custom property ``ex4d`` with the take's name, its
    folder and what they show.

    Args:
        result: the result of a ``generate`` job.
        with_mask, with_color: add these pictures too, muted, on the next free channels above.
        name: of the strips.
        frame_offset: scene frame minus plate frame number.
        channel: the lowest to use.

    Raises:
        BadInputError: pictures are missing, or no channel is free.
    """
    numbers = [int(number) for number in result["numbers"]]
    check_consecutive(numbers, "The take")
    start = numbers[0] + frame_offset
    # All files before the first strip.
    wanted = [("result", f"{name}")]
    wanted += [("mask", f"{name} mask")] if with_mask else []
    wanted += [("color", f"{name} color")] if with_color else []
    files = {kind: numbered_files(Path(result[kind]), numbers, f"The take's {kind}") for kind, _ in wanted}
    if scene.sequence_editor is None:
        scene.sequence_editor_create()
    strips = strips_of(scene.sequence_editor)
    placed: dict[str, bpy.types.Strip] = {}
    try:
        for kind, title in wanted:
            strip = _add_images(strips, files[kind], title, start, channel)
            channel = strip.channel + 1
            placed[kind] = strip
            strip[PROPERTY] = {"role": kind, "take": str(result["take"]), "folder": str(result["folder"])}
            if kind == "mask":
                strip.colorspace_settings.is_data = True
            strip.mute = kind != "result"
    except BadInputError:
        for strip in placed.values():
            strips.remove(strip)
        raise
    return PlacedStrips(placed["result"], placed.get("mask"), placed.get("color"))


def take_of_strip(strip: bpy.types.Strip) -> dict[str, str] | None:
    """The take that a strip shows: ``take``, ``folder`` and ``role`` (result, mask, color); None for other strips."""
    found = strip.get(PROPERTY)
    return {key: str(found[key]) for key in ("take", "folder", "role")} if hasattr(found, "get") else None


def selected_strip(context: bpy.types.Context) -> bpy.types.Strip | None:
    """The movie or image strip that is active in the sequencer, else the first selected one."""
    editor = sequencer_scene(context).sequence_editor
    if editor is None:
        return None
    chosen = [editor.active_strip] if editor.active_strip is not None else []
    chosen += [strip for strip in strips_of(editor) if strip.select]
    return next((strip for strip in chosen if strip.type in ("MOVIE", "IMAGE")), None)
