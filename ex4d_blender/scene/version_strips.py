# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version of a take its strips show."""

from __future__ import annotations

from collections.abc import Collection

import bpy

from . import sequencer


def show(scene: bpy.types.Scene, folder: str, others: Collection[str]) -> bool:
    """Show a version's result in the scenes of a working scene's results: its strip is unmuted, those of the other
    versions are muted. Strips of masks and colour stay as they are.

    Args:
        scene: that is worked in.
        folder: of the version.
        others: folders of the take's other versions.

    Returns:
        Whether the version has a strip; without one nothing is changed.
    """
    found = False
    for edit in sequencer.edit_scenes(scene):
        strips = [
            (strip, known["folder"])
            for strip in sequencer.all_strips(edit)
            if (known := sequencer.take_of_strip(strip)) is not None and known["role"] == "result"
        ]
        if not any(place == folder for _, place in strips):
            continue
        found = True
        for strip, place in strips:
            if place == folder or place in others:
                strip.mute = place != folder
    return found
