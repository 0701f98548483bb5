# SPDX-License-Identifier: GPL-3.0-or-later
"""The render without fill in the take's own folder, so that no strip needs the cache."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest
from ex4d_blender.core.kept_colour import keep_colour
from ex4d_blender.scene import sequencer
from ex4d_blender.scene.files import absolute_path
from panel_drawing import Layout, context_of
from results_factory import generate_result
from viewport_factory import write_png

from ex4d.protocol.results import GenerateResult

pytest_plugins = ["addon_fixtures"]

NUMBERS = (1001, 1002, 1003)
DATA = {"take": "T", "title": "T", "offset": -1000, "with_mask": True, "with_color": True}


def made(shot: Path, name: str = "v001") -> GenerateResult:
    """A take whose render is in the cache."""
    take, render = shot / "takes" / name, shot / "cache" / "raster-1" / "color"
    for number in NUMBERS:
        shade = np.full((32, 48, 3), number % 256, np.uint8)
        for folder, kind in ((take / "result", "result"), (take / "mask", "mask"), (render, "color")):
            write_png(folder / f"{kind}.{number}.png", shade)
    return generate_result(take, NUMBERS, color=str(render), mask=str(render.parent / "mask"))


def folders(scene: bpy.types.Scene) -> set[Path]:
    """Where the strips of the scene's results point."""
    strips = [strip for edit in sequencer.edit_scenes(scene) for strip in sequencer.all_strips(edit)]
    return {absolute_path(strip.directory) for strip in strips if strip.type == "IMAGE"}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("links", [True, False])
def test_pictures_are_kept_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:

        def refuse(*_: Any) -> None:
            raise OSError("a disk without")

        monkeypatch.setattr(os, "link", refuse)
    result = made(tmp_path)
    render, take = Path(result.color), Path(result.folder)
    kept = keep_colour(render, take)
    assert kept == take / "color"
    assert names(kept) == names(render)
    assert (kept / "color.1001.png").samefile(render / "color.1001.png") == links
    whole = (render / "color.1002.png").read_bytes()
    shutil.rmtree(render)
    assert (kept / "color.1002.png").read_bytes() == whole
    # What is there is not written over, and asked for again costs nothing.
    assert keep_colour(render, take) == kept
    shutil.rmtree(kept)
    before = names(take)
    with pytest.raises(OSError, match="color"):
        keep_colour(render, take)
    assert names(take) == before


def test_no_strip_of_a_new_take_points_into_the_cache(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    from ex4d_blender import job_results

    result = made(tmp_path)
    # On a thread, while the window lives.
    job_results.PREPARATIONS["generate"](result, DATA)
    assert (tmp_path / "takes" / "v001" / "color").is_dir()
    shutil.rmtree(tmp_path / "cache")
    job_results.place_take(scene, result, DATA)
    assert folders(scene) == {tmp_path / "takes" / "v001" / kind for kind in ("result", "mask", "color")}
    # Nobody who wants no colour pays for it.
    second = made(tmp_path, "v002")
    job_results.place_take(scene, second, {**DATA, "with_color": False})
    assert names(Path(second.folder)) == ["mask", "result"]


def test_strips_of_earlier_files_are_moved_when_asked(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    from ex4d_blender import job_results

    result = made(tmp_path)
    job_results.place_take(scene, result, DATA)
    assert not bpy.ops.ex4d.keep_colour.poll()
    (edit,) = sequencer.edit_scenes(scene)
    strips = {(sequencer.take_of_strip(strip) or {}).get("role"): strip for strip in sequencer.all_strips(edit)}
    shutil.rmtree(Path(result.folder) / "color")
    strips["color"].directory = result.color + "/"
    strips["mask"].directory = result.mask + "/"
    edit.sequence_editor.active_strip = strips["result"]
    lines: list[str] = []
    context = context_of(scene, "SEQUENCE_EDITOR")
    context.sequencer_scene = edit
    kind = bpy.types.EX4D_PT_sequencer_strip
    kind.draw(SimpleNamespace(layout=Layout(context, lines)), context)
    offered = [line for line in lines if line == "ex4d.keep_colour"]
    assert len(sequencer.outside_their_take([edit])) == 2
    assert bpy.ops.ex4d.keep_colour() == {"FINISHED"}
    shutil.rmtree(tmp_path / "cache")
    assert folders(scene) == {tmp_path / "takes" / "v001" / kind for kind in ("result", "mask", "color")}
    assert not bpy.ops.ex4d.keep_colour.poll()
    # Where the cache is gone there is nothing to keep.
    shutil.rmtree(Path(result.folder) / "color")
    strips["color"].directory = result.color + "/"
    with pytest.raises(RuntimeError, match="cannot be kept"):
        bpy.ops.ex4d.keep_colour()
    assert offered == ["ex4d.keep_colour"]


def test_a_path_with_steps_up_is_in_its_take(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    from ex4d_blender import job_results
    from ex4d_blender.scene.cache_use import used_of_cache

    (tmp_path / "files").mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "files" / "a.blend"))
    result = made(tmp_path)
    job_results.place_take(scene, result, DATA)
    (edit,) = sequencer.edit_scenes(scene)
    assert sequencer.all_strips(edit)[-1].directory.startswith("//..")
    assert sequencer.outside_their_take([edit]) == []
    # What is shown from the cache is found by such a path too, and is not cleaned away.
    strip = next(item for item in sequencer.all_strips(edit) if item.name.endswith("color"))
    strip.directory = bpy.path.relpath(result.color) + "/"
    assert used_of_cache(tmp_path) == ("raster-1",)
