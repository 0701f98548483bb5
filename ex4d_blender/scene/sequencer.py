# SPDX-License-Identifier: GPL-3.0-or-later
"""Finished takes in the Video Sequencer, and the strip an artist has chosen as a plate."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import bpy

from ex4d.protocol.errors import BadInputError
from ex4d.protocol.parsing import fraction_from

from ..core.deliveries import DeliveredTake, colour_of
from ..core.frame_mapping import check_consecutive
from ..core.kept_colour import COLOR
from ..core.strip_facts import FACTS, strip_facts
from .camera import scene_fps
from .colour import copy_view, is_display, set_picture_space
from .data import scene_of
from .fcurves import fcurves
from .files import MAX_FOLDER_BYTES, absolute_path, numbered_files, stored_path
from .shot import PROPERTY, match_scene

#: Custom property of a scene that shows results: the working scene they belong to.
EDIT_PROPERTY = "ex4d_results_of"
#: Of such a scene, too: what that scene is called, by which it is told from its copies; and of that scene: its id.
EDIT_NAME, SCENE_UID = "ex4d_results_of_name", "ex4d_scene"
#: A strip of any kind, called ``Strip`` since Blender 4.4 and ``Sequence`` before; what it has depends on its kind.
Strip: TypeAlias = Any
#: The highest channel Blender has.
LAST_CHANNEL = 128
#: The one below is left to the plate, which takes are compared with.
FIRST_TAKE_CHANNEL = 2


@dataclass(frozen=True)
class PlacedStrips:
    """The strips of one take; those not asked for are None. ``notes`` are sentences that the artist should read.

    ``meta`` is the meta strip that holds them.
    """

    meta: Strip
    result: Strip
    mask: Strip | None
    color: Strip | None
    notes: tuple[str, ...] = ()


def strips_of(editor: Any) -> Any:
    """The top-level strips of an editor or of a meta strip: ``strips`` since Blender 4.4, ``sequences`` before."""
    return editor.strips if hasattr(editor, "strips") else editor.sequences


def all_strips(scene: bpy.types.Scene) -> list[Strip]:
    """Every strip of a scene, those within meta strips too."""
    return list(_all_strips(scene))


def count_strips(scene: bpy.types.Scene) -> int:
    """How many strips a scene has, those within meta strips too; none of them is looked at."""
    return len(_all_strips(scene))


def _all_strips(scene: bpy.types.Scene) -> Any:
    editor: Any = scene.sequence_editor
    if editor is None:
        return ()
    return editor.strips_all if hasattr(editor, "strips_all") else editor.sequences_all


def sequencer_scene(context: bpy.types.Context) -> bpy.types.Scene:
    """The scene whose sequencer the artist sees: since Blender 5 the workspace has one of its own."""
    found: bpy.types.Scene | None = getattr(context, "sequencer_scene", None)
    return found or scene_of(context)


def working_scene(context: bpy.types.Context) -> bpy.types.Scene:
    """The scene with the shot: the window's, or the one whose results the window's scene shows."""
    scene = scene_of(context)
    return scene_of_edit(scene) or scene


def working_scene_of(window: bpy.types.Window) -> bpy.types.Scene:
    """``working_scene`` of a window."""
    assert window.scene is not None
    return scene_of_edit(window.scene) or window.scene


def scene_of_edit(scene: bpy.types.Scene) -> bpy.types.Scene | None:
    """The working scene whose results a scene shows, None where the scene is not such a one."""
    told = scene.get(EDIT_PROPERTY)
    if told is None:
        return None
    # In files of earlier versions it is the scene itself.
    found = told if isinstance(told, bpy.types.Scene) else _scene_with(str(told), str(scene.get(EDIT_NAME, "")))
    return found if found != scene else None


def _scene_with(uid: str, name: str) -> bpy.types.Scene | None:
    """The scene of an id; of copies of a scene, which have its id, the one of a name, else the first."""
    found = [scene for scene in bpy.data.scenes if scene.get(SCENE_UID) == uid]
    return next((scene for scene in found if scene.name == name), found[0] if found else None)


def set_scene_of_edit(edit: bpy.types.Scene, scene: bpy.types.Scene) -> None:
    """Let a scene be one that shows a working scene's results.

    By an id, not by a pointer: Blender's dependency graph follows those, and the scene of results, evaluated at its own
    frame, would then say where the working scene's cameras and roots stand.
    """
    uid = scene.get(SCENE_UID)
    if uid is None or not _owns(scene, uid):
        uid = scene[SCENE_UID] = uuid.uuid4().hex
    edit[EDIT_PROPERTY], edit[EDIT_NAME] = uid, scene.name


def _owns(scene: bpy.types.Scene, uid: str) -> bool:
    """Whether what shows the results of an id shows those of this scene, and not of one that it is a copy of."""
    shown = [other for other in bpy.data.scenes if other.get(EDIT_PROPERTY) == uid]
    return all(scene_of_edit(other) == scene for other in shown)


def renew_links() -> None:
    """Write down in all scenes of results what their working scenes are called now, and link those of earlier files."""
    for edit in bpy.data.scenes:
        scene = scene_of_edit(edit) if edit.library is None else None
        if scene is None or scene.library is not None:
            continue
        if isinstance(edit[EDIT_PROPERTY], bpy.types.Scene):
            set_scene_of_edit(edit, scene)
        elif edit.get(EDIT_NAME) != scene.name:
            edit[EDIT_NAME] = scene.name


def edit_scenes(scene: bpy.types.Scene) -> list[bpy.types.Scene]:
    """The scenes that show a working scene's results: one a frame rate."""
    return [other for other in bpy.data.scenes if scene_of_edit(other) == scene]


def ensure_edit_scene(
    scene: bpy.types.Scene, plate: Mapping[str, Any], start: int, *, output: str = ""
) -> bpy.types.Scene:
    """The scene in whose sequencer the working scene's results are put, so that the working scene renders as before.

    It is made on demand with the plate's size, rate, range and view; afterwards it is the artist's, only its range
    grows. Rates differ between shots: there is one for each.

    Args:
        plate: width, height (pixels), fps (text) and numbers, as in a shot's record.
        start: the scene frame of the first of the numbers.
        output: where a new one writes what is rendered of it, as Blender writes paths; "" leaves Blender's own, the
            system's temporary folder.
    """
    before, after = plate.get("handles", (0, 0))
    fps, first, end = fraction_from(plate["fps"]), start + before, start + len(plate["numbers"]) - 1 - after
    for found in edit_scenes(scene):
        if abs(float(scene_fps(found) / fps) - 1) < 1e-6:
            found.frame_end = max(found.frame_end, end)
            found.frame_start = min(found.frame_start, max(0, first))
            return found
    edit = bpy.data.scenes.new(f"{scene.name} EX-4D Edit")
    set_scene_of_edit(edit, scene)
    edit.sequence_editor_create()
    match_scene(edit, {"plate": plate}, first_frame=start)
    if output:
        edit.render.filepath = output
    if not is_display(colour_of(plate)):
        # Scene-linear results are seen as the scene that was worked in is.
        copy_view(scene, edit)
    return edit


def show_edit(window: bpy.types.Window, edit: bpy.types.Scene) -> None:
    """Let the window's sequencers show a scene of results, where they show nothing or another of ours.

    Before Blender 5 a sequencer shows the window's scene: nothing is done there.
    """
    workspace = window.workspace
    if not hasattr(workspace, "sequencer_scene"):
        return
    shown = workspace.sequencer_scene
    if shown is None or scene_of_edit(shown) is not None:
        workspace.sequencer_scene = edit


def see_something(edit: bpy.types.Scene, frame: int) -> None:
    """Where a scene of results stands at a frame without a strip, go to ``frame``; to the nearest with one, if that has
    none either."""
    seen = [strip for strip in strips_of(edit.sequence_editor) if not strip.mute]
    if not seen or any(strip.frame_final_start <= edit.frame_current < strip.frame_final_end for strip in seen):
        return
    inside = (min(max(frame, strip.frame_final_start), strip.frame_final_end - 1) for strip in seen)
    edit.frame_set(min(inside, key=lambda number: abs(number - frame)))


def strips_in_the_way(scene: bpy.types.Scene) -> list[Strip]:
    """Strips of takes in a working scene: they are what it renders in place of its objects."""
    if scene.sequence_editor is None or scene_of_edit(scene) is not None:
        return []
    return [strip for strip in strips_of(scene.sequence_editor) if take_of_strip(strip) is not None]


def move_strips(scene: bpy.types.Scene, edit: bpy.types.Scene) -> tuple[int, int]:
    """Move a working scene's strips of takes, as they lie, to a scene of results.

    Returns:
        How many were moved, and how many stay: the artist's effects, modifiers or keys hang on those.
    """
    moved, stay = 0, 0
    source, target = strips_of(scene.sequence_editor), strips_of(edit.sequence_editor)
    built_on = {
        getattr(strip, name).name
        for strip in all_strips(scene)
        for name in ("input_1", "input_2")
        if getattr(strip, name, None) is not None
    }
    for strip in sorted(strips_in_the_way(scene), key=lambda item: item.channel):
        if strip.name in built_on or len(strip.modifiers) or _is_keyed(scene, strip):
            stay += 1
            continue
        _copy_strip(strip, target)
        source.remove(strip)
        moved += 1
    first = min((strip.frame_final_start for strip in target), default=edit.frame_start)
    last = max((strip.frame_final_end for strip in target), default=edit.frame_end + 1) - 1
    edit.frame_end = max(edit.frame_end, last)
    edit.frame_start = min(edit.frame_start, max(first, 0))
    return moved, stay


def _is_keyed(scene: bpy.types.Scene, strip: Strip) -> bool:
    path = f'["{strip.name}"]'
    return any(path in curve.data_path for curve in fcurves(scene))


#: What an artist may have set on a strip, and on its transform and crop.
_STRIP_VALUES = (
    "blend_type",
    "blend_alpha",
    "mute",
    "lock",
    "color_multiply",
    "color_saturation",
    "use_float",
    "strobe",
    "use_flip_x",
    "use_flip_y",
    "use_reverse_frames",
    "alpha_mode",
    "color_tag",
    "multiply_alpha",
)
_TRANSFORM_VALUES = ("offset_x", "offset_y", "scale_x", "scale_y", "rotation", "origin", "filter")
_CROP_VALUES = ("min_x", "max_x", "min_y", "max_y")


def _copy_strip(strip: Strip, target: Any) -> Strip:
    names = [element.filename for element in strip.elements]
    start, end = int(strip.frame_final_start), int(strip.frame_final_end)
    copy = target.new_image(
        name=strip.name,
        filepath=strip.directory.rstrip("/\\") + "/" + names[0],
        channel=free_channel(target, start, end, strip.channel),
        frame_start=round(strip.frame_start),
        fit_method="ORIGINAL",
    )
    for name in names[1:]:
        copy.elements.append(name)
    copy.frame_final_duration = len(names)
    copy.frame_offset_start, copy.frame_offset_end = strip.frame_offset_start, strip.frame_offset_end
    for owner, other, values in (
        (strip, copy, _STRIP_VALUES),
        (strip.transform, copy.transform, _TRANSFORM_VALUES),
        (strip.crop, copy.crop, _CROP_VALUES),
        (strip.colorspace_settings, copy.colorspace_settings, ("name",)),
    ):
        for value in values:
            if hasattr(owner, value):
                setattr(other, value, getattr(owner, value))
    copy[PROPERTY] = dict(strip[PROPERTY])
    return copy


def free_channel(strips: Iterable[Any], start: int, end: int, preferred: int = 1) -> int:
    """The first channel from ``preferred`` on with nothing in frames [start, end).

    Raises:
        BadInputError: all channels are taken.
    """
    taken = {strip.channel for strip in strips if _is_within(strip, start, end)}
    for channel in range(max(1, preferred), LAST_CHANNEL + 1):
        if channel not in taken:
            return channel
    raise BadInputError(
        f"All sequencer channels from {preferred} on are taken at frames {start}-{end - 1}.",
        "Remove or move some strips.",
    )


def _channel_over_takes(strips: Any, start: int, end: int, lowest: int) -> int:
    """The first free channel over all takes in frames [start, end), so that what comes last is seen; titles of the
    artist's own may lie over it. The first free one of all where Blender has none left there; raises BadInputError as
    ``free_channel``."""
    over = [strip.channel + 1 for strip in strips if _is_of_takes(strip) and _is_within(strip, start, end)]
    try:
        return free_channel(strips, start, end, max([lowest, *over]))
    except BadInputError:
        return free_channel(strips, start, end, lowest)


def _is_within(strip: Any, start: int, end: int) -> bool:
    """Whether a strip has something in frames [start, end)."""
    return bool(strip.frame_final_start < end and strip.frame_final_end > start)


def _is_of_takes(strip: Strip) -> bool:
    """Whether a strip is of a take, or a meta strip that holds one."""
    if strip.type == "META":
        return any(_is_of_takes(inner) for inner in strips_of(strip))
    return take_of_strip(strip) is not None


def add_images(strips: Any, files: list[Path], name: str, start: int, channel: int, fit: str) -> Strip:
    """A strip of pictures, one a frame.

    Args:
        strips: of an editor or of a meta strip.
        files: of one folder.
        name: of the strip.
        start: its first frame.
        channel: which must be free there.
        fit: how a picture of another size is laid into the scene's, as Blender names it.

    Raises:
        BadInputError: the folder's path is too long, or Blender has placed something else.
    """
    count = len(files)
    stored_path(files[0].parent, limit=MAX_FOLDER_BYTES)
    strip = strips.new_image(
        name=name, filepath=stored_path(files[0]), channel=channel, frame_start=start, fit_method=fit
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
    take: DeliveredTake,
    *,
    with_mask: bool,
    with_color: bool,
    name: str,
    frame_offset: int = 0,
    channel: int = FIRST_TAKE_CHANNEL,
    move: str = "",
) -> PlacedStrips:
    """Put a generated take on a free channel of a scene's sequencer, at its own frame numbers: as one meta strip, whose
    handles are trimmed. Those of the strips within are whole.

    All pictures are the take's own: nothing points into the cache, which may be cleaned. Nothing is placed when an
    error is raised. The strips within carry the custom property ``ex4d`` with the take's name, its folder, what they
    show and what ``core.strip_facts`` tells.

    Args:
        scene: whose sequencer takes it in.
        take: with the folders of its pictures.
        with_mask, with_color: add these pictures too, muted, above the result. Colour that the take's folder does not
            have (``core.kept_colour``) is left out, with a note.
        name: of the meta strip; those within are called after it.
        frame_offset: scene frame minus plate frame number.
        channel: the lowest to use.
        move: of the take's camera, where it is known.

    Raises:
        BadInputError: pictures are missing, or no channel is free.
    """
    numbers = list(take.numbers)
    check_consecutive(numbers, "The take")
    start = numbers[0] + frame_offset
    # All files before the first strip.
    notes: list[str] = []
    kinds = ["result", *(["mask"] if with_mask else []), *(["color"] if with_color else [])]
    # Nothing of the cache is shown instead.
    if with_color and not (Path(take.folder) / COLOR).is_dir():
        kinds.remove("color")
        notes.append(f"The colour without fill of {take.take} is not in its folder, so it has no strip.")
    folders = {"result": Path(take.result), "mask": Path(take.folder) / "mask", "color": Path(take.folder) / COLOR}
    files = {kind: numbered_files(folders[kind], numbers, f"The take's {kind}") for kind in kinds}
    if scene.sequence_editor is None:
        scene.sequence_editor_create()
    strips = strips_of(scene.sequence_editor)
    # A take of another size than the first one is seen whole.
    render = (scene.render.resolution_x, scene.render.resolution_y)
    fit = "ORIGINAL" if take.size in (None, render) else "FIT"
    placed: dict[str, Strip] = {}
    facts = strip_facts(take, move)
    channel = _channel_over_takes(strips, start, start + len(numbers), channel)
    meta = strips.new_meta(name=name, channel=channel, frame_start=start)
    try:
        for inner, kind in enumerate(kinds, 1):
            strip = add_images(strips_of(meta), files[kind], f"{name} {kind}", start, inner, fit)
            placed[kind] = strip
            strip[PROPERTY] = {"role": kind, "take": take.take, "folder": take.folder, **facts}
            if kind == "mask":
                strip.colorspace_settings.is_data = True
            else:
                # The render is a working picture, which is coded as ordinary pictures are.
                colour = take.colour if kind == "result" or is_display(take.colour) else None
                note = set_picture_space(strip.colorspace_settings, colour, files[kind][0].suffix)
                notes += [note] if note is not None else []
            strip.mute = kind != "result"
    except BadInputError:
        strips.remove(meta)
        raise
    # It is one frame long until it is told otherwise, whatever lies in it. The handles are there to be pulled out, and
    # are not seen before.
    meta.frame_final_end = start + len(numbers) - take.handles[1]
    meta.frame_final_start = start + take.handles[0]
    return PlacedStrips(meta, placed["result"], placed.get("mask"), placed.get("color"), tuple(notes))


def take_of_strip(strip: Strip) -> dict[str, str] | None:
    """The take that a strip shows: ``take``, ``folder`` and ``role`` (result, mask, color); None for other strips."""
    found = strip.get(PROPERTY)
    keys = ("take", "folder", "role")
    return (
        {key: str(found[key]) for key in keys} if hasattr(found, "get") and all(key in found for key in keys) else None
    )


def result_strip(scenes: Iterable[bpy.types.Scene], folder: str) -> Strip | None:
    """The first strip that shows the result of the take in a folder; None where none does."""
    wanted = {"role": "result", "folder": folder}
    strips = (strip for scene in scenes for strip in all_strips(scene))
    return next((strip for strip in strips if wanted.items() <= (take_of_strip(strip) or {}).items()), None)


def facts_of_strip(strip: Strip) -> dict[str, str]:
    """What a strip of a take tells of it, see ``core.strip_facts``; "" for what one of an earlier version does not."""
    found = strip.get(PROPERTY)
    return {name: str(found.get(name, "")) if hasattr(found, "get") else "" for name in ("title", *FACTS)}


def selected_strip(context: bpy.types.Context) -> Strip | None:
    """The movie or image strip that is active in the sequencer, else the first selected one; in a meta strip too while
    that is open. A closed one with a take stands for the take's result."""
    editor = sequencer_scene(context).sequence_editor
    if editor is None:
        return None
    chosen = [editor.active_strip] if editor.active_strip is not None else []
    chosen += [strip for meta in reversed(editor.meta_stack) for strip in strips_of(meta) if strip.select]
    chosen += [strip for strip in strips_of(editor) if strip.select]
    meant = ((_result_within(strip) or strip) if strip.type == "META" else strip for strip in chosen)
    return next((strip for strip in meant if strip.type in ("MOVIE", "IMAGE")), None)


def _result_within(meta: Strip) -> Strip | None:
    """The result of a take in a meta strip; None where there is none, or of several takes."""
    found = [strip for strip in strips_of(meta) if (take_of_strip(strip) or {}).get("role") == "result"]
    return found[0] if len(found) == 1 else None


def meta_of_result(strip: Strip) -> Strip | None:
    """The meta strip that holds a take's result and no other take's; None where it lies alone, or with others."""
    meta = strip.parent_meta()
    return meta if meta is not None and _result_within(meta) == strip else None


def outside_their_take(scenes: Iterable[bpy.types.Scene]) -> list[Strip]:
    """The strips of takes whose pictures do not lie in their take's folder, but in the cache: masks and colour of
    earlier files."""
    found = []
    for strip in (strip for scene in scenes for strip in all_strips(scene) if strip.type == "IMAGE"):
        known = take_of_strip(strip)
        if known is None or known["role"] == "result":
            continue
        if not absolute_path(strip.directory).is_relative_to(known["folder"]):
            found.append(strip)
    return found
