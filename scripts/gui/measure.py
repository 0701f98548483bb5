# SPDX-License-Identifier: GPL-3.0-or-later
"""How long Blender stands still, and how often and how dearly it draws."""

from __future__ import annotations

import time
from collections.abc import Iterator

import bpy

from gui.driver import DriveError, Wait, after
from gui.screen import CATEGORY, call, region

#: The viewport may be drawn for what a take brings, not for each step of its progress.
MOST_DRAWS = 6
#: A tab of the sidebar that is Blender's own.
BLENDERS = "Item"
#: Rounds in which the window is drawn with the panels and without; drawings in a row, whose mean is one figure.
REDRAWS, REDRAWN = 5, 10


class DrawCount:
    """Counts how often the 3D viewport and its sidebar are drawn."""

    def __init__(self) -> None:
        """Begin to count."""
        self.drawn = {"WINDOW": 0, "UI": 0}
        space = bpy.types.SpaceView3D
        self._handles = [
            (space.draw_handler_add(self._count, (kind,), kind, "POST_PIXEL"), kind) for kind in self.drawn
        ]

    def _count(self, kind: str) -> None:
        self.drawn[kind] += 1

    def stop(self) -> dict[str, int]:
        """End counting; returns the counts by kind of region."""
        for handle, kind in self._handles:
            bpy.types.SpaceView3D.draw_handler_remove(handle, kind)
        return self.drawn


class Heartbeat:
    """The longest time for which Blender's main thread was busy without a look at its timers, which come between
    whatever else it does. Of waiting for other processes of the machine it knows nothing."""

    def __init__(self) -> None:
        """Begin to measure."""
        self.longest, self.clock = 0.0, 0.0
        self._processor, self._time = time.thread_time(), time.perf_counter()
        # Blender knows a timer by its function, and each look at a method gives another.
        self._timer = self._beat
        bpy.app.timers.register(self._timer, first_interval=0.01, persistent=True)

    def _beat(self) -> float:
        processor, now = time.thread_time(), time.perf_counter()
        if processor - self._processor > self.longest:
            self.longest, self.clock = processor - self._processor, now - self._time
        self._processor, self._time = processor, now
        return 0.01

    def stop(self, what: str) -> float:
        """End measuring and print it; returns seconds of the main thread's processor time."""
        self._beat()
        bpy.app.timers.unregister(self._timer)
        print(f"longest stop while {what}: {self.longest:.2f} s busy, {self.clock:.2f} s on the clock", flush=True)
        return self.longest


def undrawn(seconds: float) -> Wait:
    """Wait until the 3D viewport has not been drawn for so long."""
    count, known = DrawCount(), [0, time.monotonic()]

    def is_still() -> bool:
        if count.drawn["WINDOW"] != known[0]:
            known[:] = [count.drawn["WINDOW"], time.monotonic()]
        if time.monotonic() - known[1] < seconds:
            return False
        print(f"the viewport was drawn {count.stop()['WINDOW']} times, then {seconds:.0f} s not at all", flush=True)
        return True

    return is_still


def few_draws(most: int, what: str, wait: Wait) -> Iterator[Wait]:
    """Count how often is drawn while one waits and nothing moves.

    Raises:
        DriveError: the viewport was drawn more than ``most`` times.
    """
    count = DrawCount()
    yield wait
    drawn = count.stop()
    print(f"drawn while {what}: {drawn}", flush=True)
    if drawn["WINDOW"] > most:
        raise DriveError(f"The viewport was drawn {drawn['WINDOW']} times while {what} and nothing moved.")


def panels_cost(view: bpy.types.Area) -> Iterator[Wait]:
    """Print what drawing the window costs with the extension's panels, with Blender's own, and without a sidebar."""
    space, sidebar = view.spaces.active, region(view, "UI")
    seconds: dict[str, list[float]] = {CATEGORY: [], BLENDERS: [], "": []}
    for _ in range(REDRAWS):
        for category, found in seconds.items():
            space.show_region_ui = bool(category)
            yield after(1.0)
            if category:
                sidebar.active_panel_category = category
                view.tag_redraw()
                yield after(1.0)
            began = time.perf_counter()
            call(bpy.ops.wm.redraw_timer, area=view, type="DRAW_WIN", iterations=REDRAWN)
            found.append((time.perf_counter() - began) / REDRAWN)
    space.show_region_ui = True
    yield after(1.0)
    sidebar.active_panel_category = CATEGORY
    yield after(1.0)
    best = {category: 1e3 * min(found) for category, found in seconds.items()}
    print(
        f"the window is drawn in {best['']:.1f} ms without a sidebar, {best[BLENDERS]:.1f} ms with Blender's tab "
        f"{BLENDERS} ({best[BLENDERS] / best['']:.3f} times), {best[CATEGORY]:.1f} ms with the extension's "
        f"({best[CATEGORY] / best['']:.3f} times; {best[CATEGORY] / best[BLENDERS]:.3f} times Blender's)",
        flush=True,
    )
