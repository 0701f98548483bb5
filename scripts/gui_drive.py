# SPDX-License-Identifier: GPL-3.0-or-later
"""What gui_test does in Blender: the artist's way from a plate to a finished take, with screenshots.

Runs in a Blender with a window: ``blender --python gui_drive.py -- --out DIR --plate VIDEO --moving-plate VIDEO --until
STEP [--only PART,PART]``. The work is a generator that a timer steps, so that Blender draws and the add-on's own timer
runs between the steps. It looks at what an artist sees: objects in the scene, strips in the sequencer. Screenshots and
the mouse are the outside's part; each is asked for with a file in ``DIR/requests`` and answered by renaming it. The
steps are in ``gui/steps.py``, the parts beside them are listed in ``gui/parts.py``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import bpy

# Blender runs this file, and knows nothing of what lies beside it.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from gui.driver import Driver
from gui.parts import PARTS
from gui.steps import STEPS, story


def part_names(text: str) -> tuple[str, ...]:
    """The parts that ``--only`` names, by commas."""
    names = tuple(text.split(","))
    if unknown := set(names) - set(PARTS):
        raise argparse.ArgumentTypeError(f"there is no part {', '.join(sorted(unknown))}, but {', '.join(PARTS)}")
    return names


def main() -> None:
    """Start the story; Blender's own loop does the rest."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--plate", type=Path, required=True)
    parser.add_argument("--moving-plate", type=Path, required=True)
    parser.add_argument("--until", choices=STEPS, default=STEPS[-1])
    parser.add_argument("--only", type=part_names, default=())
    options = parser.parse_args(sys.argv[sys.argv.index("--") + 1 :])
    # It would come up before the timer's first call and take the mouse.
    bpy.context.preferences.view.show_splash = False
    steps = story(options.out, options.plate, options.moving_plate, options.until, options.only)
    driver = Driver(options.out, steps)
    bpy.app.timers.register(driver.tick, first_interval=1.0, persistent=True)


main()
