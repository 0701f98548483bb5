# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene-linear plate."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np

from gui.driver import DriveError, Wait, after, shot, window
from gui.pixels import read_pixels
from gui.scene import strips
from gui.screen import call, region

#: Of the scene-linear plate, and the light of the lamp in it.
FILM_SIZE, LAMP = (320, 180), 40.0


def film(out: Path, view: bpy.types.Area, _moving_plate: Path) -> Iterator[Wait]:
    """A scene-linear plate, in a scene of its own, to the strip of its result."""
    former, scene = window().scene, bpy.data.scenes.new("Film")
    window().scene = scene
    folder = out / "film"
    folder.mkdir()
    call(bpy.ops.ex4d.load_plate, area=view, filepath=str(film_plate(folder)))
    scene.ex4d.plate_colour_space = "Linear Rec.709"
    scene.ex4d.match_without_asking = scene.ex4d.result_aov = True
    call(bpy.ops.ex4d.reconstruct, "INVOKE_DEFAULT", area=view)
    yield lambda: any(item.type == "MESH" for item in scene.objects)
    call(bpy.ops.ex4d.add_take_camera, area=view, move="orbit:10")
    call(bpy.ops.ex4d.generate, "INVOKE_DEFAULT", area=view)
    yield lambda: len(scene.ex4d.takes[0].versions) > 0
    call(bpy.ops.ex4d.show_result, area=view)
    yield after(2.0)
    yield from shot(out, "9-film-strip")
    shown = [strip for strip in strips() if strip.type == "IMAGE" and not strip.mute]
    names = {element.filename.rpartition(".")[2] for strip in shown for element in strip.elements}
    if names != {"exr"}:
        raise DriveError(f"The result of a scene-linear plate is of {names or 'no'} files.")
    check_film_picture(out / "9-film-strip.png", region(view, "PREVIEW"))
    call(bpy.ops.ex4d.show_result, area=view)
    window().scene = former


def film_plate(folder: Path) -> Path:
    """Scene-linear EXR files as Blender writes them: a lamp of 40 in green; returns one of them."""
    width, height = FILM_SIZE
    pixels = np.ones((height, width, 4), np.float32)
    pixels[..., :3] = (0.02, 0.4, 0.02)
    pixels[height // 3 : -height // 3, width // 3 : -width // 3, :3] = LAMP
    image = bpy.data.images.new("film", width, height, float_buffer=True)
    image.pixels.foreach_set(pixels.ravel())
    first = folder / "film.1001.exr"
    image.file_format, image.filepath_raw = "OPEN_EXR", str(first)
    image.save()
    bpy.data.images.remove(image)
    for number in (1002, 1003):
        shutil.copy(first, folder / f"film.{number}.exr")
    return first


def check_film_picture(screenshot: Path, seen: bpy.types.Region) -> None:
    """Raise DriveError unless a screenshot shows ``film_plate`` in a region: green, and a lamp near white in it."""
    part = read_pixels(screenshot)[seen.y : seen.y + seen.height, seen.x : seen.x + seen.width]
    green = float((part[..., 1] > part[..., (0, 2)].max(axis=-1) + 0.1).mean())
    lamp = float((part.min(axis=-1) > 0.8).mean())
    print(f"film strip: {green:.0%} green, {lamp:.1%} lamp", flush=True)
    if green < 0.1 or lamp < 0.01:
        raise DriveError(f"The EXR strip is not seen: {green:.0%} of the preview are green, {lamp:.1%} are the lamp.")
