# SPDX-License-Identifier: GPL-3.0-or-later
"""Buttons and rows that are found on the screen and pressed with the mouse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy

from gui.driver import DriveError, Wait, after, request, window
from gui.screen import region


def under_mouse(area: bpy.types.Area, kind: str, over: bpy.types.Window) -> str:
    """The Python command of the button under the mouse, in an area's region; "" where there is none."""
    with bpy.context.temp_override(window=over, area=area, region=region(area, kind)):
        if not bpy.ops.ui.copy_python_command_button.poll():
            return ""
        bpy.context.window_manager.clipboard = ""
        bpy.ops.ui.copy_python_command_button()
    return bpy.context.window_manager.clipboard


class Clicks:
    """Presses buttons with the mouse, as they are found on the screen, and counts."""

    def __init__(self, out: Path) -> None:
        """Begin at none."""
        self.out, self.count = out, 0

    def at(self, x: int, y: int, what: str) -> Wait:
        """Click at a place of the screen, y down."""
        self.count += 1
        print(f"click {self.count}: {what}", flush=True)
        return request(self.out, f"click {x} {y}")

    def press(
        self, operator: str, area: bpy.types.Area, kind: str, over: bpy.types.Window | None = None
    ) -> Iterator[Wait]:
        """Press a button of an operator where it is to be seen in a region.

        Raises:
            DriveError: it is not to be seen: one would have to scroll, or it is not there.
        """
        over = over or window()
        place = region(area, kind)
        # Rows are 20 pixels high and more, and buttons may share one.
        for share in (0.3, 0.7, 0.93):
            x = over.x + place.x + int(share * place.width)
            for y in range(place.y + place.height - 6, place.y + 4, -14):
                # A window's place is counted from below, the mouse's from above.
                down = window().height - over.y - y
                yield request(self.out, f"rest {x} {down}")
                yield after(0.05)
                if under_mouse(area, kind, over).startswith(f"bpy.ops.{operator}("):
                    yield self.at(x, down, operator)
                    return
        raise DriveError(f"No button {operator} is to be seen.")


def press_first_row(out: Path, view: bpy.types.Area, active: str) -> Iterator[Wait]:
    """Click on the first row of a list, which is known by the property that tells which one is chosen.

    Raises:
        DriveError: it is not to be seen.
    """
    place = region(view, "UI")
    x = place.x + int(0.3 * place.width)
    for y in range(place.y + place.height - 6, place.y + 4, -10):
        down = window().height - y
        yield request(out, f"rest {x} {down}")
        yield after(0.1)
        with bpy.context.temp_override(window=window(), area=view, region=region(view, "UI")):
            bpy.context.window_manager.clipboard = ""
            if bpy.ops.ui.copy_data_path_button.poll():
                bpy.ops.ui.copy_data_path_button()
        if bpy.context.window_manager.clipboard.endswith(active):
            yield request(out, f"click {x} {down}")
            yield after(1.0)
            return
    raise DriveError(f"No row of {active} is to be seen.")
