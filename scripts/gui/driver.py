# SPDX-License-Identifier: GPL-3.0-or-later
"""The window run as a timer steps it: waits, requests to the outside, screenshots."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import bpy

from gui.pixels import read_pixels

#: Of the interface, where more of it is to be seen.
SMALL = 0.55
#: Share of the screen.
MOST_MISSING = 0.01
#: A step's generator yields what it waits for; the next step of it comes when that is true.
Wait = Callable[[], bool]


class DriveError(Exception):
    """A step did not lead to what it should."""


@dataclass
class Driver:
    """Steps through the story; at the end writes ``result.txt`` and quits Blender.

    Attributes:
        out: folder for screenshots, the .blend and the result.
        story: yields waits.
        timeout: seconds after which a wait has failed.
    """

    out: Path
    story: Iterator[Wait]
    timeout: float = 600.0
    _wait: Wait = lambda: True
    _since: float = 0.0
    _ending: bool = False

    def tick(self) -> float | None:
        """The timer's callback."""
        try:
            if not self._wait():
                self._check_patience()
                return 0.1
            self._wait, self._since = next(self.story), time.monotonic()
        except StopIteration:
            self._finish("passed")
            return None
        except Exception as error:  # noqa: BLE001  a timer would drop it silently
            traceback.print_exc()
            if self._ending:
                self._finish(f"failed: {error}")
                return None
            # The picture of what went wrong, an error dialog perhaps, then the end.
            self._ending, reason = True, f"{type(error).__name__}: {error}"
            self.story = self._fail(reason)
            self._wait = lambda: True
        return 0.1

    def _check_patience(self) -> None:
        if time.monotonic() - self._since > self.timeout:
            raise DriveError(f"Nothing came of it within {self.timeout:.0f} s.")

    def _fail(self, reason: str) -> Iterator[Wait]:
        yield after(1.0)
        yield request(self.out, "shot failed")
        raise DriveError(reason)

    def _finish(self, text: str) -> None:
        (self.out / "result.txt").write_text(text + "\n", encoding="utf-8")
        # Quitting with a job on its way or an unsaved file must not ask.
        bpy.ops.wm.quit_blender()


def after(seconds: float) -> Wait:
    """Wait for a time, in which Blender draws."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def request(out: Path, line: str) -> Wait:
    """Ask the outside for something and wait until it is done."""
    folder = out / "requests"
    number = sum(1 for _ in folder.iterdir())
    path = folder / f"{number:03}.request"
    partial = path.with_suffix(".partial")
    partial.write_text(line + "\n", encoding="utf-8")
    partial.rename(path)
    return path.with_suffix(".done").exists


def shot(out: Path, name: str) -> Iterator[Wait]:
    """A screenshot ``name.png``, once everything is drawn."""
    # A panel whose content has grown grows in several drawings.
    for _ in range(3):
        for area in window().screen.areas:
            area.tag_redraw()
        yield after(0.3)
    yield request(out, f"shot {name}")


def whole_shot(out: Path, name: str) -> Iterator[Wait]:
    """The same, on which nothing may be drawn as Blender draws pictures that it has not found.

    Raises:
        DriveError: a part of the screen is.
    """
    yield from shot(out, name)
    missing = float((read_pixels(out / f"{name}.png") == (1.0, 0.0, 1.0)).all(axis=-1).mean())
    if missing > MOST_MISSING:
        raise DriveError(f"{missing:.0%} of the screen {name} are drawn as a missing picture.")


def small_shot(out: Path, name: str) -> Iterator[Wait]:
    """The same with a smaller interface, so that long panels are seen to their end."""
    view = bpy.context.preferences.view
    former, view.ui_scale = view.ui_scale, SMALL
    yield from shot(out, name)
    view.ui_scale = former
    yield after(0.5)


def window() -> bpy.types.Window:
    """Blender's one window."""
    return bpy.context.window_manager.windows[0]
