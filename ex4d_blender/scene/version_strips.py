# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version of a take its strips show."""

from __future__ import annotations

from collections.abc import Collection

import bpy

from . import sequencer


def show(scene: bpy.types.Scene, folder: str, others: Collection[str]) -> bool:
    """Show a version's result in the scenes of a working scene's results: its meta strip is unmuted, those of the other
    versions are muted, and so are those of other takes that lie over it in time. What an earlier version has placed
    without a meta strip is muted itself. Masks, colour and strips of the artist's own stay as they are.

    Args:
        scene: that is worked in.
        folder: of the version.
        others: folders of the take's other versions.

    Returns:
        Whether the version has a strip; without one nothing is changed.
    """
    found = False
    for edit in sequencer.edit_scenes(scene):
        results = [
            (strip, known["folder"])
            for strip in sequencer.all_strips(edit)
            if (known := sequencer.take_of_strip(strip)) is not None and known["role"] == "result"
        ]
        shown = [sequencer.meta_of_result(strip) or strip for strip, place in results if place == folder]
        if not shown:
            continue
        found = True
        for strip, place in results:
            seen = sequencer.meta_of_result(strip) or strip
            if place == folder:
                # Earlier versions muted it within its meta strip.
                seen.mute = strip.mute = False
            elif place in others or any(lies_over(seen, other) for other in shown):
                seen.mute = True
    return found


def lies_over(strip: sequencer.Strip, other: sequencer.Strip) -> bool:
    """Whether a strip hides something of another one: it lies above it, at the same time, on the same level."""
    at_the_same_time = (
        strip.frame_final_start < other.frame_final_end and strip.frame_final_end > other.frame_final_start
    )
    return at_the_same_time and strip.channel > other.channel and strip.parent_meta() == other.parent_meta()
