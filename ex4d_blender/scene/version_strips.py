# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version of a take its strips show, and which versions have one."""

from __future__ import annotations

from collections.abc import Collection

import bpy

from . import sequencer

#: By the working scene's ``session_uid``: what its scenes of results were when they were looked through, and the
#: folders of the versions whose results they have.
_placed: dict[int, tuple[tuple[tuple[int, int], ...], frozenset[str]]] = {}


def is_placed(scene: bpy.types.Scene, folder: str) -> bool:
    """Whether a version has a strip in the scenes of a working scene's results. Panels ask whenever drawn: strips are
    looked through when there are more or fewer than before.

    Args:
        scene: that is worked in.
        folder: of the version.
    """
    edits = sequencer.edit_scenes(scene)
    state = tuple((edit.session_uid, sequencer.count_strips(edit)) for edit in edits)
    known = _placed.get(scene.session_uid)
    if known is None or known[0] != state:
        told = (sequencer.take_of_strip(strip) for edit in edits for strip in sequencer.all_strips(edit))
        found = frozenset(item["folder"] for item in told if item is not None and item["role"] == "result")
        known = _placed[scene.session_uid] = state, found
    return folder in known[1]


def forget() -> None:
    """Look through the strips anew: another file is open, a step was undone, or strips are others than they were."""
    _placed.clear()


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
