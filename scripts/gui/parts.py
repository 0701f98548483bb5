# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the window run beside its steps."""

from __future__ import annotations

from gui.cg import cg
from gui.clicks import clicks
from gui.editing import editing
from gui.film import film
from gui.german import german
from gui.moving import cuts, long_plate, moving, world
from gui.preferences import models, wrong_button_and_preferences
from gui.results import wipe
from gui.takes import takes_by_mouse
from gui.times import times
from gui.walkthrough import walkthrough

#: Parts that want a Blender of their own, for torch or for nothing done before: ``scripts/gui_test --all`` does them,
#: but for the walk-through, which makes the pictures of docs/walkthrough.md.
ALONE = frozenset({"models", "wipe", "takes", "cg", "german", "clicks", "times", "editing", "walkthrough"})
#: What follows the steps, each in a scene of its own; the last opens a new file.
PARTS = {
    "world": world,
    "film": film,
    "moving": moving,
    "cuts": cuts,
    "long": long_plate,
    "models": models,
    "wipe": wipe,
    "takes": takes_by_mouse,
    "preferences": wrong_button_and_preferences,
    "cg": cg,
    "german": german,
    "clicks": clicks,
    "editing": editing,
    "times": times,
    "walkthrough": walkthrough,
}
