# SPDX-License-Identifier: GPL-3.0-or-later
"""The artist's way from a plate to a finished take, in Blender without a window.

python scripts/demo_blender.py VIDEO MOVE OUT       in an environment with bpy; scripts/demo does it all
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import bpy


def show_camera() -> None:
    """Let the file open with the take's view of the mesh, in the mode that shows pictures."""
    for area in (area for screen in bpy.data.screens for area in screen.areas if area.type == "VIEW_3D"):
        area.spaces.active.shading.type = "MATERIAL"
        area.spaces.active.region_3d.view_perspective = "CAMERA"


def main() -> int:
    """Run the demo."""
    # Found only once bpy has set its paths up.
    import addon_utils

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("move")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    if addon_utils.enable("ex4d_blender", default_set=True) is None:
        return 1
    bpy.context.preferences.filepaths.save_version = 0
    scene = bpy.context.scene
    blend = args.out / f"{args.video.stem}.blend"
    # Saved first: whatever is made then lies beside it and is referred to relatively.
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    scene.ex4d.shot_folder = str(args.out / "shot")
    bpy.ops.ex4d.load_plate(filepath=str(args.video))
    bpy.ops.ex4d.reconstruct(match_scene=True)
    bpy.ops.ex4d.add_take_camera(move=args.move)
    bpy.ops.ex4d.generate()
    show_camera()
    bpy.ops.wm.save_mainfile()
    take = Path(bpy.path.abspath(scene.ex4d.takes[0].versions[-1].folder))
    link = args.out / "take"
    if link.is_symlink() or link.exists():
        link.unlink() if link.is_symlink() else shutil.rmtree(link)
    link.symlink_to(take)
    addon_utils.disable("ex4d_blender")
    print(f"\nBlender file    {blend}\nRe-shot video   {take / 'result.mp4'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
