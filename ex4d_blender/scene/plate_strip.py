# SPDX-License-Identifier: GPL-3.0-or-later
"""The plate of a shot beside its takes in the sequencer, to compare them."""

from __future__ import annotations

import bpy

from ex4d.protocol.errors import BadInputError

from . import sequencer, version_strips
from .colour import set_picture_space
from .shot import ShotObjects
from .wipe_pictures import plate_side

#: Custom property of a strip that shows a plate: the folder of its shot.
PLATE_PROPERTY = "ex4d_plate"
#: Of such a strip: folders of the versions that were muted for it, a line each.
MUTED_PROPERTY = "ex4d_muted"


def find(edit: bpy.types.Scene, folder: str) -> sequencer.Strip | None:
    """The strip that shows the plate of the shot in a folder; None where there is none."""
    return next((strip for strip in _plates(edit) if strip[PLATE_PROPERTY] == folder), None)


def ensure(edit: bpy.types.Scene, shot: ShotObjects) -> sequencer.Strip:
    """The strip that shows a shot's plate at its own frames, muted where it is new: below the takes where a channel is
    free there, else above. Its pictures are those of the shot's mesh, which no cleaning of the cache removes.

    Raises:
        BadInputError: the mesh or pictures are gone, or no channel is free.
    """
    found = find(edit, shot.folder)
    if found is not None:
        return found
    side = plate_side(shot)
    frames = sorted(side.files)
    files = [side.files[frame] for frame in frames]
    if missing := next((file for file in files if not file.is_file()), None):
        raise BadInputError(f"The plate's picture {missing} is gone.", "Press Relink, or Reconstruct.")
    strips = sequencer.strips_of(edit.sequence_editor)
    channel = sequencer.free_channel(strips, frames[0], frames[-1] + 1)
    strip = sequencer.add_images(strips, files, f"{shot.root.name} Plate", frames[0], channel, "FIT")
    set_picture_space(strip.colorspace_settings, None, files[0].suffix)
    strip[PLATE_PROPERTY] = shot.folder
    # What was selected stays so: it is what is compared.
    strip.mute, strip.select = True, False
    return strip


def show(edit: bpy.types.Scene, plate: sequencer.Strip) -> None:
    """Let the plate be seen, and no other one: takes that lie over it are muted until ``hide``."""
    hide(edit)
    plate.mute, muted = False, []
    for strip, folder in _results(edit):
        if not strip.mute and version_strips.lies_over(strip, plate):
            strip.mute = True
            muted.append(folder)
    plate[MUTED_PROPERTY] = "\n".join(muted)


def is_shown(edit: bpy.types.Scene) -> bool:
    """Whether a plate is seen."""
    return any(not strip.mute for strip in _plates(edit))


def hide(edit: bpy.types.Scene) -> None:
    """Mute all plates; what was muted for one is seen again."""
    for plate in _plates(edit):
        if not plate.mute:
            plate.mute = True
            muted = str(plate.get(MUTED_PROPERTY, "")).split("\n")
            for strip, folder in _results(edit):
                if folder in muted:
                    strip.mute = False


def _results(edit: bpy.types.Scene) -> list[tuple[sequencer.Strip, str]]:
    """The strips that show versions of takes, meta strips where there are, and their folders."""
    known = ((strip, sequencer.take_of_strip(strip)) for strip in sequencer.all_strips(edit))
    return [
        (sequencer.meta_of_result(strip) or strip, take["folder"])
        for strip, take in known
        if take is not None and take["role"] == "result"
    ]


def _plates(edit: bpy.types.Scene) -> list[sequencer.Strip]:
    strips = sequencer.strips_of(edit.sequence_editor) if edit.sequence_editor is not None else ()
    return [strip for strip in strips if strip.get(PLATE_PROPERTY) is not None]
