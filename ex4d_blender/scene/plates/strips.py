# SPDX-License-Identifier: GPL-3.0-or-later
"""The plate that a movie or image strip of the sequencer shows."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import bpy

from ex4d.protocol.errors import BadInputError

from ...core.frame_mapping import (
    ShownPictures,
    StripTiming,
    exact_fps,
    pattern_members,
    playback_speed,
    sequence_pattern,
    shown_pictures,
)
from ..camera import scene_fps
from ..files import absolute_path
from ..sequencer import Strip, all_strips, selected_strip, sequencer_scene
from .choice import MOVIE_FIRST_NUMBER, PlateChoice, check_exists, fps_note, movie_length


def plate_from_strip(strip: Strip, scene: bpy.types.Scene, *, first_number: int = MOVIE_FIRST_NUMBER) -> PlateChoice:
    """The plate that a movie or image strip shows, cut as the strip is, at the file's own speed.

    Args:
        scene: the one whose sequencer the strip is in.
        first_number: the number that a movie's first frame gets.

    Raises:
        BadInputError: it is another kind of strip, its file is missing, or it shows nothing.
    """
    if strip.type == "MOVIE":
        path = absolute_path(strip.filepath)
        check_exists(path, "strip")
        fps = exact_fps(strip.fps)
        notes = (*fps_note(fps, scene, "strip"), *_look_notes(strip))
        trim = int(strip.animation_offset_start)
        count = movie_length(path) - trim - int(strip.animation_offset_end)
        shown = _shown(strip, scene, count, fps)
        if shown is None:
            return PlateChoice(path, None, fps, None, (*notes, _retimed_note(strip)))
        first = first_number + trim
        frames = f"{first + shown.indices[0]}-{first + shown.indices[-1]}"
        return PlateChoice(path, frames, fps, shown.scene_start, (*notes, *shown.notes))
    if strip.type == "IMAGE":
        return _plate_from_images(strip, scene)
    raise BadInputError(
        f"The strip «{strip.name}» is neither a movie nor pictures.",
        "Select a movie or image strip; go into a meta strip with Tab.",
    )


def _plate_from_images(strip: Strip, scene: bpy.types.Scene) -> PlateChoice:
    names = [element.filename for element in strip.elements]
    path = absolute_path(strip.directory) / names[0]
    check_exists(path, "strip")
    notes = _look_notes(strip)
    pattern, number = sequence_pattern(path, names=names)
    if number is None:
        if len(set(names)) > 1:
            raise _mixed(strip)
        return PlateChoice(path, None, None, int(strip.frame_final_start), notes)
    numbers = _element_numbers(strip, pattern, names)
    if len(names) == 1:
        held = int(strip.frame_final_duration)
        if held > 1:
            notes += (f"The strip holds one picture for {held} frames; the plate is that picture alone.",)
        return PlateChoice(pattern, f"{number}-{number}", None, int(strip.frame_final_start), notes)
    shown = _shown(strip, scene, len(names), None)
    if shown is None:
        return PlateChoice(pattern, None, None, None, (*notes, _retimed_note(strip)))
    seen = [numbers[index] for index in shown.indices]
    if seen != list(range(seen[0], seen[0] + len(seen))):
        order = (
            f"The strip «{strip.name}» shows its pictures in an order of its own, with gaps or repeats; "
            "the plate is the whole sequence as its files are numbered."
        )
        return PlateChoice(pattern, None, None, None, (*notes, order))
    return PlateChoice(pattern, f"{seen[0]}-{seen[-1]}", None, shown.scene_start, (*notes, *shown.notes))


def _element_numbers(strip: Strip, pattern: Path, names: list[str]) -> list[int]:
    numbers = {name: number for number, name in pattern_members(pattern.name, names).items()}
    if numbers.keys() != set(names):
        raise _mixed(strip)
    return [numbers[name] for name in names]


def _mixed(strip: Strip) -> BadInputError:
    return BadInputError(
        f"The strip «{strip.name}» shows pictures of several sequences.", "Make a strip of one sequence each."
    )


def _shown(strip: Strip, scene: bpy.types.Scene, count: int, fps: Fraction | None) -> ShownPictures | None:
    """What a strip of ``count`` pictures shows, None where its time runs in a way that Blender does not tell.

    Raises:
        BadInputError: it shows nothing.
    """
    metas = _enclosing_metas(strip)
    if any(_is_retimed(item, scene) for item in (strip, *metas)):
        return None
    begin = round(strip.frame_start)
    end = int(strip.frame_final_end) + round(strip.frame_offset_end)
    speed = playback_speed(end - begin, count, fps, scene_fps(scene))
    if speed is None:
        return None
    left = max([int(strip.frame_final_start), *(int(meta.frame_final_start) for meta in metas)])
    right = min([int(strip.frame_final_end), *(int(meta.frame_final_end) for meta in metas)])
    return shown_pictures(strip.name, StripTiming(begin, end, left, right, count, strip.strobe), speed)


def _is_retimed(strip: Strip, scene: bpy.types.Scene) -> bool:
    # Pictures could not be retimed before Blender 4.4. Keys tell where they are, not what they show.
    if strip.use_reverse_frames or len(getattr(strip, "retiming_keys", ())) > 0:
        return True
    if strip.type == "META" and strip.strobe > 1:
        return True
    effects = [item for item in all_strips(scene) if item.type == "SPEED"]
    return any(effect.input_1 == strip for effect in effects)


def _retimed_note(strip: Strip) -> str:
    return (
        f"The strip «{strip.name}» is retimed, reversed, or under a speed effect; "
        "the plate is the whole file at its own speed."
    )


def _enclosing_metas(strip: Strip) -> list[Strip]:
    metas: list[Strip] = []
    current = strip.parent_meta()
    while current is not None:
        metas.append(current)
        current = current.parent_meta()
    return metas


def _look_notes(strip: Strip) -> tuple[str, ...]:
    crop = strip.crop
    changed = strip.use_flip_x or strip.use_flip_y or any((crop.min_x, crop.max_x, crop.min_y, crop.max_y))
    if not changed:
        return ()
    return ("The strip is cropped or mirrored; the plate is the file's picture as it is.",)


def selected_plate_strip(context: bpy.types.Context, *, first_number: int = MOVIE_FIRST_NUMBER) -> PlateChoice:
    """The plate of the strip that is selected in the sequencer; ``first_number``: see ``plate_from_strip``.

    Raises:
        BadInputError: none is selected, or its file is missing.
    """
    strip = selected_strip(context)
    if strip is None:
        raise BadInputError("No movie or image strip is selected in the sequencer.", "Select the plate's strip.")
    return plate_from_strip(strip, sequencer_scene(context), first_number=first_number)
