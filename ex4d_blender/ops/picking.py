# SPDX-License-Identifier: GPL-3.0-or-later
"""Picking points on a shot's mesh with the mouse, through any 3D viewport."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import bpy
import numpy as np
from bpy.props import FloatVectorProperty, IntProperty
from numpy.typing import NDArray

from ex4d.protocol.errors import BadInputError

from .. import pick_marks
from ..core import alignment
from ..localisation import localised
from ..scene import alignment as placing
from ..scene import shot as shots
from ..scene import sight
from ..scene.data import manager_of, scene_of, window_of, windows
from .common import OperatorResult, has_shot, run_reporting

Array = NDArray[np.float64]

#: What still works in a viewport while points are picked: looking around, and going to another frame.
_LOOKING = {
    "MIDDLEMOUSE",
    "WHEELUPMOUSE",
    "WHEELDOWNMOUSE",
    "TRACKPADPAN",
    "TRACKPADZOOM",
    "MOUSEROTATE",
    "MOUSESMARTZOOM",
    "LEFT_ARROW",
    "RIGHT_ARROW",
    "UP_ARROW",
    "DOWN_ARROW",
    "SPACE",
    "HOME",
    *(f"NUMPAD_{digit}" for digit in range(10)),
    "NUMPAD_PERIOD",
    "NUMPAD_PLUS",
    "NUMPAD_MINUS",
}
#: Editors in which one goes to another frame.
_TIME_EDITORS = {"DOPESHEET_EDITOR", "GRAPH_EDITOR", "NLA_EDITOR"}
#: Most points that an operator keeps.
MOST = 3


class PointPicker:
    """An operator that first asks for points on the mesh of the shot that is worked on, then does its work on them.

    ``points`` are kept by the operator in the shot world, so that *Adjust Last Operation* and scripts do the same work
    on the same points. Escape or the right button ends it without a trace, Backspace takes the last point back.

    Attributes:
        asks: what each point is to be, for the header.
    """

    asks: ClassVar[tuple[str, ...]]

    if TYPE_CHECKING:
        points: list[float]
        count: int
    else:
        points: FloatVectorProperty(size=3 * MOST, options={"HIDDEN", "SKIP_SAVE"})
        count: IntProperty(options={"HIDDEN", "SKIP_SAVE"}, max=MOST)

    #: Only one is running at a time.
    _running: ClassVar[str | None] = None

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if PointPicker._running is not None:
            operator: Any = cls
            operator.poll_message_set(localised("Points are being picked: Escape ends it"))
            return False
        return has_shot(cls, context)

    def chosen(self) -> Array:
        """The points (N, 3), shot world, as many as are asked for.

        Raises:
            BadInputError: they were not picked.
        """
        this: Any = self
        if this.count != len(self.asks):
            raise BadInputError("No points are picked.", "Pick them in a 3D viewport, or give points and their count.")
        return alignment.picked(this.points[: 3 * this.count])

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> OperatorResult:
        """Wait for clicks."""
        this: Any = self
        if context.window is None or context.window_manager is None:
            return this.execute(context)
        return run_reporting(self, context, lambda: self._start(context))

    def check_shot(self, scene: bpy.types.Scene, shot: shots.ShotObjects) -> None:
        """Raise BadInputError where the work could not be done whatever is picked."""

    def _start(self, context: bpy.types.Context) -> OperatorResult:
        this: Any = self
        shot = shots.chosen_shot(scene_of(context))
        self.check_shot(scene_of(context), shot)
        if shot.mesh is None:
            raise BadInputError(f"The shot «{shot.root.name}» has no mesh.", "Reconstruct it again.")
        this.count = 0
        PointPicker._running = this.bl_idname
        window_of(context).cursor_modal_set("EYEDROPPER")
        self._tell(shot)
        manager_of(context).modal_handler_add(this)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> OperatorResult:
        """A click is a point."""
        this: Any = self
        if event.type in ("ESC", "RIGHTMOUSE") and event.value == "PRESS":
            self.cancel(context)
            return {"CANCELLED"}
        if event.type == "BACK_SPACE" and event.value == "PRESS":
            this.count = max(0, this.count - 1)
            return self._go_on(context, lambda: self._tell(shots.chosen_shot(scene_of(context))))
        area = sight.area_under(window_of(context), event.mouse_x, event.mouse_y)
        if area is not None and area.type in _TIME_EDITORS:
            return {"PASS_THROUGH"}
        if event.type == "LEFTMOUSE" and event.value == "PRESS" and not event.alt:
            return self._go_on(context, lambda: self._click(context, event))
        if event.type in _LOOKING or (event.type == "LEFTMOUSE" and event.alt) or "TIMER" in event.type:
            return {"PASS_THROUGH"}
        # The rest would change what is being worked on.
        return {"RUNNING_MODAL"} if event.type != "MOUSEMOVE" else {"PASS_THROUGH"}

    def cancel(self, context: bpy.types.Context) -> None:
        """Put the cursor, the headers and the viewports back."""
        PointPicker._running = None
        pick_marks.hide()
        if context.window is not None:
            context.window.cursor_modal_restore()
        for area in _viewports():
            area.header_text_set(None)
            area.tag_redraw()

    def _go_on(self, context: bpy.types.Context, action: Callable[[], OperatorResult]) -> OperatorResult:
        """Do what an event asks for; after an error the picking is over."""
        result = run_reporting(self, context, action)
        if result == {"CANCELLED"}:
            self.cancel(context)
        return result

    def _click(self, context: bpy.types.Context, event: bpy.types.Event) -> OperatorResult:
        this: Any = self
        scene = scene_of(context)
        found = sight.view_under(window_of(context), event.mouse_x, event.mouse_y)
        if found is None:
            return {"RUNNING_MODAL"}
        shot = shots.chosen_shot(scene)
        point = sight.point_under(shot, scene.frame_current, found, event.mouse_x, event.mouse_y)
        if point is None:
            # A report of an operator that goes on is shown when it ends.
            return self._tell(
                shot, localised(f"The plate has seen nothing of «{shot.root.name}» there: click on its surface")
            )
        index = 3 * this.count
        this.points[index : index + 3] = point.tolist()
        this.count += 1
        if this.count < len(self.asks):
            return self._tell(shot)
        self.cancel(context)
        done: OperatorResult = this.execute(context)
        return done

    def _tell(self, shot: shots.ShotObjects, note: str = "") -> OperatorResult:
        """Say in the headers what is asked for, after a note on the last click, and mark what is picked."""
        this: Any = self
        kept = alignment.picked(this.points[: 3 * this.count])
        pick_marks.show(placing.placed(shot.root)(kept))
        text = f"{this.bl_label}: click on {self.asks[this.count]}   Backspace: one back   Esc: cancel"
        if len(self.asks) > 1:
            text = f"{this.count + 1}/{len(self.asks)}   {text}"
        asked = localised(text)
        for area in _viewports():
            area.header_text_set(f"{note}   {asked}" if note else asked)
            area.tag_redraw()
        return {"RUNNING_MODAL"}


def _viewports() -> list[bpy.types.Area]:
    """The 3D viewports of all windows."""
    screens = (window.screen for window in windows())
    return [area for screen in screens if screen is not None for area in screen.areas if area.type == "VIEW_3D"]


def forget() -> None:
    """Nothing is being picked: another file is open, or the extension goes."""
    PointPicker._running = None
    pick_marks.hide()
