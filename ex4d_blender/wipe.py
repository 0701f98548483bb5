# SPDX-License-Identifier: GPL-3.0-or-later
"""The wipe: a take's newest version over the camera, against the plate or the version before, parted by a line.

It belongs to the session, not to the file. A timer reads the pictures of the current frame, one at a time; drawing
takes what has been read.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ex4d.protocol.errors import BadInputError

from .scene import hooks
from .scene.data import windows
from .scene.wipe_pictures import Side, forget_scratch, read_picture

log = logging.getLogger(__name__)


@dataclass
class Picture:
    """A picture that was read.

    Attributes:
        path: its file.
        frame: the scene's frame that it is of.
        pixels: (height, width, 4), float32, display values; None where it cannot be read.
        texture: of the graphics card, made from the pixels when it is first drawn.
    """

    path: Path
    frame: int
    pixels: np.ndarray | None
    texture: Any = None


@dataclass
class Wipe:
    """What is compared.

    Attributes:
        scene: ``session_uid`` of the scene that is worked in.
        take: ``uid`` of the take.
        sides: left and right of the line.
        share: where the line is, 0..1 of the picture's width.
        pictures: of the sides, as last read; None before, and where a frame has none.
    """

    scene: int
    take: str
    sides: tuple[Side, Side]
    share: float = 0.5
    pictures: list[Picture | None] = field(default_factory=lambda: [None, None])

    def wanted(self, frame: int) -> list[int]:
        """The sides whose picture of a frame is not read yet."""
        return [
            index
            for index, (side, picture) in enumerate(zip(self.sides, self.pictures, strict=True))
            if (side.files.get(frame) is not None or picture is not None)
            and (picture is None or picture.path != side.files.get(frame))
        ]

    def read(self, index: int, frame: int) -> None:
        """Read a side's picture of a frame."""
        side = self.sides[index]
        path = side.files.get(frame)
        if path is None:
            self.pictures[index] = None
            return
        try:
            pixels = read_picture(path, side.colour, is_origin=side.filled_by is not None)
        except BadInputError as error:
            log.warning("EX-4D: %s %s", error.message, error.hint)
            pixels = None
        self.pictures[index] = Picture(path, frame, pixels)

    def flip(self) -> None:
        """What was on the left is on the right."""
        self.sides = self.sides[1], self.sides[0]
        self.pictures.reverse()


_current: Wipe | None = None


def current() -> Wipe | None:
    """The wipe that is shown; None where none is."""
    return _current


def of_take(scene: bpy.types.Scene, take: Any) -> Wipe | None:
    """The wipe of a scene's take; None where another is shown, or none."""
    found = (
        _current is not None and take is not None and (_current.scene, _current.take) == (scene.session_uid, take.uid)
    )
    return _current if found else None


def origin_of(scene: bpy.types.Scene) -> Side | None:
    """The side of the shown wipe that tells where pixels come from; None where none does, or it is another scene's."""
    if _current is None or _current.scene != scene.session_uid:
        return None
    return next((side for side in _current.sides if side.filled_by is not None), None)


def begin(shown: Wipe) -> None:
    """Show a wipe in place of the one that is shown."""
    global _current  # noqa: PLW0603  one camera is looked through
    _current = shown
    _ask()


def end() -> None:
    """Show none."""
    global _current  # noqa: PLW0603
    if _current is None:
        return
    _current = None
    forget_scratch()
    redraw()


def redraw() -> None:
    """Draw the viewports that may show the wipe."""
    for window in windows():
        for area in window.screen.areas if window.screen is not None else ():
            if area.type == "VIEW_3D":
                area.tag_redraw()


def _ask() -> None:
    """Let the timer read, at once; there is none in background mode, nor anything to draw."""
    if not bpy.app.background and not hooks.has_timer(step):
        hooks.add_timer(step, after=0.0)


def frame_changed(scene: bpy.types.Scene) -> None:
    """A scene shows another frame."""
    if _current is None or scene.session_uid != _current.scene:
        return
    app: Any = bpy.app
    # Rendering changes frames in a thread of its own.
    if not app.is_job_running("RENDER"):
        _ask()


def step() -> float | None:
    """Read one picture of the frame that is shown; returns when to come again, None where all are read."""
    scene = next((item for item in bpy.data.scenes if _current and item.session_uid == _current.scene), None)
    if _current is None or scene is None:
        return None
    try:
        missing = _current.wanted(scene.frame_current)
        if missing:
            _current.read(missing[0], scene.frame_current)
    except Exception:
        log.exception("EX-4D: the wipe cannot read its pictures")
        return None
    if len(missing) > 1:
        return 0.0
    if missing:
        redraw()
    return None
