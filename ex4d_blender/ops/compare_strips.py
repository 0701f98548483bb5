# SPDX-License-Identifier: GPL-3.0-or-later
"""A/B in the sequencer: a take beside its plate or another of its versions, by muting strips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import EnumProperty

from ex4d.protocol.errors import BadInputError

from ..localisation import localised
from ..scene import plate_strip, version_strips
from ..scene import shot as shots
from ..strip_takes import Compared, compared
from .common import OperatorResult, report_errors

AGAINST = [
    ("PLATE", "Plate", "The plate, on a channel of its own"),
    ("VERSION", "Last Version", "The version before the selected one; of the first, the one after it"),
]


class EX4D_OT_compare_strips(bpy.types.Operator):
    bl_idname = "ex4d.compare_strips"
    bl_label = "A/B"
    bl_description = (
        "Show the plate, or the version before, in place of the selected take, at the same frames; once more: the take "
        "again. Strips are muted, nothing is moved"
    )
    bl_options = {"REGISTER", "UNDO"}

    if TYPE_CHECKING:
        against: str
    else:
        against: EnumProperty(name="Against", items=AGAINST, options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if compared(context) is not None:
            return True
        cls.poll_message_set(localised("Select the strip of a take that is in the list"))
        return False

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        found = compared(context)
        if found is None:
            return {"CANCELLED"}
        if self.against == "PLATE":
            self._plate(found)
        else:
            self._version(found)
        return {"FINISHED"}

    @staticmethod
    def _plate(found: Compared) -> None:
        plate = plate_strip.ensure(found.edit, shots.take_shot(found.working, found.take))
        if plate.mute:
            plate_strip.show(found.edit, plate)
        else:
            _show_take(found, found.version.folder)

    @staticmethod
    def _version(found: Compared) -> None:
        if found.other is None:
            raise BadInputError(
                f"The take «{found.take.name}» has one version in the sequencer.",
                "Generate it again with other settings, or put another version into the sequencer.",
            )
        _show_take(found, found.version.folder if found.shows_other else found.other.folder)


def _show_take(found: Compared, folder: str) -> None:
    """One of a take's versions, and no plate."""
    plate_strip.hide(found.edit)
    others: list[Any] = [version.folder for version in found.take.versions if version.folder != folder]
    version_strips.show(found.working, folder, others)


CLASSES = (EX4D_OT_compare_strips,)
