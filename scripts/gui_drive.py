# SPDX-License-Identifier: GPL-3.0-or-later
"""What gui_test does in Blender: the artist's way from a plate to a finished take, with screenshots.

Runs in a Blender with a window: ``blender --python gui_drive.py -- --out DIR --plate VIDEO --moving-plate VIDEO --until
STEP [--only PART]``. The work is a generator that a timer steps, so that Blender draws and the add-on's own timer runs
between the steps. It looks at what an artist sees: objects in the scene, strips in the sequencer. Screenshots and the
mouse are the outside's part; each is asked for with a file in ``DIR/requests`` and answered by renaming it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from bpy_extras.view3d_utils import location_3d_to_region_2d
from mathutils import Vector

STEPS = ("window", "plate", "reconstruct", "take", "generate")
CATEGORY = "EX-4D"
MOVE = "orbit:30"
#: Of the scene-linear plate, and the light of the lamp in it.
FILM_SIZE, LAMP = (320, 180), 40.0
#: Of the interface, where more of it is to be seen.
SMALL = 0.55
#: The panel's button *Strip* in a window of 1600 x 1000.
STRIP_BUTTON = (1223, 147)
#: Frames, pixels along each side, and solved points of the long plate.
LONG, LONG_SIDE, LONG_POINTS = 250, 512, 3000
#: Seconds of the main thread's processor time for which Blender may stand still over one thing that is done with it.
MOST_STILL = 0.4
#: The viewport may be drawn for what a take brings, not for each step of its progress.
MOST_DRAWS = 6
#: Rounds in which the window is drawn with the panels and without.
REDRAWS = 5
#: From the startup scene to the result, the file browser's included.
MOST_CLICKS = 7
#: What the screen may be off from a picture that it shows at another size, codes of 8 bits on the mean.
MOST_OFF = 8.0
#: Pixels from the top of a file browser's list to its first file.
FIRST_FILE = 40
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
        yield after(0.5)
    yield request(out, f"shot {name}")


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


def largest(kind: str) -> bpy.types.Area:
    """The largest area of a kind, ``VIEW_3D``.

    Raises:
        DriveError: there is none on the screen.
    """
    areas = [area for area in window().screen.areas if area.type == kind]
    if not areas:
        raise DriveError(f"There is no area {kind} on the screen.")
    return max(areas, key=lambda area: area.width * area.height)


def region(area: bpy.types.Area, kind: str) -> bpy.types.Region:
    """An area's region: ``WINDOW``, or ``UI``, the sidebar."""
    return next(item for item in area.regions if item.type == kind)


def call(operator: Callable[..., set[str]], *arguments: str, area: bpy.types.Area, **properties: object) -> None:
    """Call an operator as a button in the area would.

    Raises:
        DriveError: it refuses.
    """
    with bpy.context.temp_override(window=window(), area=area, region=region(area, "WINDOW")):
        result = operator(*arguments, **properties)
    if result & {"CANCELLED", "PASS_THROUGH"}:
        raise DriveError(f"{operator!r} refused: {result}")


def open_sidebar(out: Path, area: bpy.types.Area) -> Iterator[Wait]:
    """Show the area's sidebar with the extension's tab in front."""
    area.spaces.active.show_region_ui = True
    area.tag_redraw()
    sidebar = region(area, "UI")
    yield lambda: sidebar.width > 1 and sidebar.active_panel_category != "UNSUPPORTED"
    # The tab in front can be read but not set: turn the wheel with Ctrl over a tab, as one can by hand. The mouse's y
    # points down, a region's up.
    x, y = sidebar.x + sidebar.width - 14, window().height - sidebar.y - sidebar.height + 24
    for _ in range(12):
        if sidebar.active_panel_category == CATEGORY:
            # Off the panel, whose buttons would show what they are for.
            yield request(out, f"rest {area.x + area.width // 3} {window().height - area.y - 8}")
            return
        yield request(out, f"wheel {x} {y}")
        yield after(0.3)
    raise DriveError(f"The sidebar has no tab {CATEGORY}; is the extension enabled?")


def dw_mesh() -> bpy.types.Object | None:
    """The mesh that a reconstruction leaves: it plays from a Mesh Cache."""
    for item in bpy.context.scene.objects:
        if item.type == "MESH" and any(modifier.type == "MESH_CACHE" for modifier in item.modifiers):
            return item
    return None


def look_at(item: bpy.types.Object, area: bpy.types.Area) -> None:
    """Let an object fill a 3D viewport; what is selected stays selected."""
    former = list(bpy.context.view_layer.objects.selected)
    for other in former:
        other.select_set(False)
    item.select_set(True)
    call(bpy.ops.view3d.view_selected, area=area)
    item.select_set(False)
    for other in former:
        other.select_set(True)


def look_through_camera(view: bpy.types.Area) -> Iterator[Wait]:
    """See the plate on the mesh, as it will be."""
    call(bpy.ops.ex4d.view_shot, area=view, shading="RENDERED")
    # Software OpenGL compiles this mode's shaders and draws nothing meanwhile.
    yield after(20.0)
    # Pictures that are drawn as missing stay so until the frame changes.
    yield lambda: all(image.has_data for image in pictures())


def pictures() -> set[bpy.types.Image]:
    """The image sequences on the meshes of the window's scene that Solid mode draws: each material's active picture."""
    materials = {slot.material for item in window().scene.objects for slot in item.material_slots if slot.material}
    nodes = [material.node_tree.nodes.active for material in materials]
    images = {node.image for node in nodes if node is not None and node.type == "TEX_IMAGE"}
    return {image for image in images if image is not None and image.source == "SEQUENCE"}


def strips() -> list[bpy.types.Strip]:
    """All strips of the scene whose sequencer shows the results."""
    scene = window().workspace.sequencer_scene
    return list(scene.sequence_editor.strips_all) if scene is not None and scene.sequence_editor is not None else []


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


def story(  # noqa: PLR0912, PLR0915  steps in one place
    out: Path, plate: Path, moving_plate: Path, until: str, only: str | None
) -> Iterator[Wait]:
    """The artist's way; each step is named in ``STEPS``. Or one of the ``PARTS`` alone that come after it."""
    scene = bpy.context.scene
    yield after(2.0)
    view = largest("VIEW_3D")
    yield from open_sidebar(out, view)
    yield from shot(out, "1-window")
    if only is not None:
        yield from PARTS[only](out, view, moving_plate)
    if until == "window" or only is not None:
        return

    call(bpy.ops.ex4d.load_plate, area=view, filepath=str(plate))
    yield from shot(out, "2-plate")
    if until == "plate":
        return

    # The question whether to set the scene up would wait for a click.
    scene.ex4d.match_without_asking = True
    call(bpy.ops.ex4d.reconstruct, "INVOKE_DEFAULT", area=view)
    yield after(1.0)
    yield from shot(out, "3-reconstructing")
    if dw_mesh() is not None:
        raise DriveError("The reconstruction was over before its progress could be seen; use a longer plate.")
    yield lambda: dw_mesh() is not None
    # The source camera stands at the origin, in the startup scene's cube.
    call(bpy.ops.ex4d.hide_in_the_way, area=view)
    if scene.objects["Cube"].visible_get() or scene.camera.name == "Camera":
        raise DriveError("The startup cube still hides the mesh, or the camera is not the source camera.")
    yield from look_through_camera(view)
    yield from shot(out, "4-reconstructed")
    if until == "reconstruct":
        return

    cameras = {item.name for item in scene.objects if item.type == "CAMERA"}
    call(bpy.ops.ex4d.add_take_camera, area=view, move=MOVE)
    new = [item for item in scene.objects if item.type == "CAMERA" and item.name not in cameras]
    if not new or not is_keyed(new[0]):
        raise DriveError("There is no take camera with keyframes.")
    scene.frame_set(scene.frame_end)
    call(bpy.ops.ex4d.preview_take, "INVOKE_DEFAULT", area=view)
    yield lambda: bool(scene.ex4d.takes[0].coverage)
    yield after(3.0)
    yield from shot(out, "5-take")
    call(bpy.ops.ex4d.hide_preview, area=view)
    view.spaces.active.region_3d.view_perspective = "PERSP"
    look_at(dw_mesh(), view)
    yield after(3.0)
    yield from shot(out, "6-mesh-from-aside")
    view.spaces.active.region_3d.view_perspective = "CAMERA"
    if until == "take":
        return

    # Quick to draw, and soon as smooth as it gets: what is drawn after that is drawn for the job.
    view.spaces.active.shading.type = "SOLID"
    scene.ex4d.with_mask = scene.ex4d.with_color = True
    call(bpy.ops.ex4d.generate, "INVOKE_DEFAULT", area=view)
    yield after(1.0)
    yield from shot(out, "7-generating")
    if strips():
        raise DriveError("The take was finished before its progress could be seen; use a longer plate.")
    yield after(4.0)
    yield from few_draws(MOST_DRAWS, "a take was generated", lambda: bool(strips()))
    if scene.sequence_editor is not None and len(scene.sequence_editor.strips):
        raise DriveError("The strips are in the scene that is to be rendered.")
    call(bpy.ops.ex4d.show_result, area=view)
    yield after(2.0)
    yield from shot(out, "8-strips")
    if view.type != "SEQUENCE_EDITOR":
        raise DriveError("Show Result shows no sequencer.")
    call(bpy.ops.ex4d.show_result, area=view)
    yield after(1.0)
    if view.type != "VIEW_3D" or bpy.context.scene != scene:
        raise DriveError("Show Result does not lead back to the scene.")
    for strip in strips():
        if strip.frame_final_duration < 2:
            raise DriveError(f"Strip {strip.name} has {strip.frame_final_duration} frame; its files are not found.")
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "gui.blend"))

    for name, part in PARTS.items():
        if name not in ALONE:
            yield from part(out, view, moving_plate)


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


def moving(out: Path, view: bpy.types.Area, plate: Path) -> Iterator[Wait]:
    """A plate whose camera moves, in a scene of its own: what the panel says, tracks, points, a locked take."""
    former, scene = window().scene, bpy.data.scenes.new("Moving")
    window().scene = scene
    call(bpy.ops.ex4d.load_plate, area=view, filepath=str(plate))
    scene.ex4d.match_without_asking = scene.ex4d.show_tracks = True
    call(bpy.ops.ex4d.reconstruct, "INVOKE_DEFAULT", area=view)
    beat = Heartbeat()
    yield lambda: any(item.type == "MESH" for item in scene.objects)
    beat.stop("a moving plate is reconstructed and comes")
    clouds = [item for item in scene.objects if item.type == "MESH" and not item.data.polygons]
    if len(clouds) != 1 or len(clouds[0].data.vertices) < 20:
        raise DriveError("The points of the moving plate's solve are not there.")
    if not is_keyed(scene.camera):
        raise DriveError("The source camera of the moving plate stands still.")
    yield from look_through_camera(view)
    yield from shot(out, "10-moving")
    yield from small_shot(out, "10-moving-small")
    scene.ex4d.move, scene.ex4d.move_path = "orbit", "lock"
    call(bpy.ops.ex4d.add_take_camera, area=view)
    scene.frame_set(scene.frame_end)
    call(bpy.ops.ex4d.preview_take, "INVOKE_DEFAULT", area=view)
    yield lambda: bool(scene.ex4d.takes[0].coverage)
    yield after(3.0)
    yield from shot(out, "11-moving-take")
    call(bpy.ops.ex4d.hide_preview, area=view)
    next(item for item in scene.objects if item.type == "MESH" and item.data.polygons).hide_set(True)
    view.spaces.active.shading.type = "SOLID"
    view.spaces.active.region_3d.view_perspective = "PERSP"
    # Points cannot be selected, so the shot's cameras are what the viewport is set by.
    look_at(scene.camera, view)
    yield after(2.0)
    yield from shot(out, "12-moving-points")
    view.spaces.active.region_3d.view_perspective = "CAMERA"
    window().scene = former


def cuts(out: Path, view: bpy.types.Area, _moving_plate: Path) -> Iterator[Wait]:
    """A plate that cuts, in a scene of its own, and its shots in theirs."""
    former, scene = window().scene, bpy.data.scenes.new("Cutting")
    window().scene = scene
    call(bpy.ops.ex4d.load_plate, area=view, filepath=str(next((out / "cutting").iterdir())))
    scene.ex4d.viewport_side, scene.ex4d.match_without_asking = 64, True
    call(bpy.ops.ex4d.reconstruct, "INVOKE_DEFAULT", area=view)
    yield lambda: any(item.type == "MESH" for item in scene.objects)
    yield from small_shot(out, "13-cuts")
    before = set(bpy.data.scenes)
    call(bpy.ops.ex4d.separate_shots, "INVOKE_DEFAULT", area=view)
    made = sorted(set(bpy.data.scenes) - before, key=lambda item: item.name)
    if len(made) != 2 or any(item.objects for item in made):
        raise DriveError("The shots of the plate that cuts have no scenes that wait for them.")
    yield lambda: all(any(item.type == "MESH" for item in own.objects) for own in made)
    window().scene = made[1]
    view.spaces.active.region_3d.view_perspective = "CAMERA"
    yield after(2.0)
    yield from small_shot(out, "14-separated")
    window().scene = former


def extension(name: str) -> Any:
    """A module of the extension as Blender runs it."""
    addon = next(addon.module for addon in bpy.context.preferences.addons if addon.module.endswith("ex4d_blender"))
    return sys.modules[f"{addon}.{name}"]


def long_plate(out: Path, view: bpy.types.Area, _moving_plate: Path) -> Iterator[Wait]:
    """The result of a long moving plate comes, as it does from a backend, while the artist works."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "blender"))
    from viewport_factory import add_solve, long_shot

    from ex4d.protocol.jobs import JobSnapshot
    from ex4d.protocol.results import parse_result

    former, scene = window().scene, bpy.data.scenes.new("Long")
    window().scene = scene
    view.spaces.active.shading.type = "SOLID"
    scene.ex4d.match_without_asking = scene.ex4d.show_tracks = True
    result = parse_result("reconstruct", add_solve(long_shot(out / "long", LONG_SIDE, LONG), points=LONG_POINTS))
    jobs, job = extension("job_list").current(), "20260101-000000-00000000"
    yield after(2.0)
    stops: dict[str, float] = {}
    handler = jobs.handlers["reconstruct"]

    def timed(*arguments: Any) -> None:
        began = time.thread_time()
        handler(*arguments)
        stops["its result is put into the scene"] = time.thread_time() - began

    jobs.handlers["reconstruct"] = timed
    beat = Heartbeat()
    jobs.expect(scene, job, "reconstruct", {"match_scene": True, "name": "long"})
    jobs.link.client.jobs[job] = JobSnapshot(job, "reconstruct", state="done", result=result)
    extension("timer").wake()
    yield lambda: any(item.type == "MESH" for item in scene.objects)
    jobs.handlers["reconstruct"] = handler
    yield after(1.0)
    # With what Blender draws by processor here.
    beat.stop("a long plate's result comes and is drawn")
    view.spaces.active.region_3d.view_perspective = "CAMERA"
    yield after(2.0)
    for path in ("source", "stabilise", "lock"):
        scene.ex4d.move_path = path
        began = time.thread_time()
        call(bpy.ops.ex4d.add_take_camera, area=view, move="orbit:10")
        stops[f"a take gets its keys, path {path}"] = time.thread_time() - began
        yield after(0.5)
    scene.camera = next(item for item in scene.objects if item.name.endswith("Source Camera"))
    beat = Heartbeat()
    for frame in range(scene.frame_start, scene.frame_start + 20):
        scene.frame_set(frame)
        yield after(0.2)
    beat.stop("its frames are drawn with tracks")
    yield from shot(out, "15-long-plate")
    for what, seconds in stops.items():
        print(f"{what}: {seconds:.2f} s of processor time", flush=True)
        if seconds > MOST_STILL:
            raise DriveError(f"Blender stands still for {seconds:.2f} s of processor time while {what}.")
    window().scene = former


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


def takes_by_mouse(out: Path, view: bpy.types.Area, _moving_plate: Path) -> Iterator[Wait]:
    """A take is chosen with the mouse, and that is undone; its keys move, and its preview follows; its versions."""
    former, scene = window().scene, bpy.data.scenes.new("Takes")
    window().scene = scene
    name = scene.name
    call(bpy.ops.ex4d.load_plate, area=view, filepath=str(next(out.glob("plate.*"))))
    scene.ex4d.viewport_side, scene.ex4d.match_without_asking = 64, True
    call(bpy.ops.ex4d.reconstruct, "INVOKE_DEFAULT", area=view)
    yield lambda: dw_mesh() is not None
    yield after(2.0)
    view.spaces.active.region_3d.view_perspective = "PERSP"
    for move in ("orbit:20", "zoom_in:1.5"):
        call(bpy.ops.ex4d.add_take_camera, area=view, move=move)
        # Each a step of its own to undo.
        bpy.ops.ed.undo_push(message="Take")
        yield after(0.5)

    view.spaces.active.region_3d.view_perspective = "PERSP"
    yield after(0.5)

    def chosen() -> tuple[int, str, str]:
        # After an undo the scene is another object.
        now = bpy.data.scenes[name]
        return now.ex4d.active_take, now.camera.name, view.spaces.active.region_3d.view_perspective

    before = chosen()
    yield from press_first_row(out, view, "active_take")
    print(f"before the click {before}, after it {chosen()}", flush=True)
    if chosen() != (0, bpy.data.scenes[name].ex4d.takes[0].camera.name, "CAMERA"):
        raise DriveError("The click on the take does not look through it.")
    yield from shot(out, "23-take-clicked")
    yield request(out, f"rest {view.x + view.width // 3} {window().height - view.y - view.height // 2}")
    yield request(out, "key ctrl+z")
    yield after(2.0)
    print(f"undone {chosen()}", flush=True)
    if chosen()[:2] != before[:2]:
        raise DriveError("The click on the take cannot be undone.")
    yield request(out, "key ctrl+shift+z")
    yield after(2.0)
    scene = bpy.data.scenes[name]
    if chosen()[0] != 0:
        raise DriveError("The click cannot be done again.")
    yield from preview_follows(out, view, scene)
    for _ in range(2):
        versions = len(scene.ex4d.takes[0].versions)
        call(bpy.ops.ex4d.generate, "INVOKE_DEFAULT", area=view)
        yield lambda count=versions: len(scene.ex4d.takes[0].versions) > count
        move_key(scene.ex4d.takes[0].camera, 0.2)
        yield after(1.0)
    scene.ex4d.open_generate = True
    yield from small_shot(out, "26-versions")
    window().scene = former


def preview_follows(out: Path, view: bpy.types.Area, scene: bpy.types.Scene) -> Iterator[Wait]:
    """The first take's preview is out of date when a key has moved, and then follows by itself."""
    scene.frame_set(scene.frame_end)
    call(bpy.ops.ex4d.preview_take, "INVOKE_DEFAULT", area=view)
    live = extension("out_of_date")
    yield lambda: bool(scene.ex4d.takes[0].fingerprint)
    yield after(2.0)
    if live.stale(scene.ex4d.takes[0]).picture:
        raise DriveError("A preview that has just come is out of date.")
    move_key(scene.ex4d.takes[0].camera, 0.4)
    yield lambda: live.stale(scene.ex4d.takes[0]).picture
    yield from shot(out, "24-preview-out-of-date")
    jobs = extension("job_list").current().link.client.jobs
    count, beat = sum(job.kind == "preview" for job in jobs.values()), Heartbeat()
    scene.ex4d.live_preview = True
    yield lambda: not live.stale(scene.ex4d.takes[0]).picture
    for value in (0.5, 0.6, 0.7):
        move_key(scene.ex4d.takes[0].camera, value)
        yield after(0.1)
    yield lambda: live.stale(scene.ex4d.takes[0]).picture
    began = time.monotonic()
    yield lambda: not live.stale(scene.ex4d.takes[0]).picture
    print(f"the preview followed its keys in {time.monotonic() - began:.1f} s", flush=True)
    beat.stop("previews are rendered by themselves")
    yield after(3.0)
    made = sum(job.kind == "preview" for job in jobs.values()) - count
    print(f"{made} previews for two rests of the keys", flush=True)
    if made != 2:
        raise DriveError(f"{made} previews were rendered for two rests of the keys.")
    yield from shot(out, "25-preview-live")
    scene.ex4d.live_preview = False
    # A viewport gets smoother in several drawings, and then is not drawn while nothing moves: else this waits in vain.
    yield undrawn(3.0)


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


def move_key(camera: bpy.types.Object, value: float) -> None:
    """Give the last key of an orbit, which is on the camera's pivot, another angle, as the Graph Editor does."""
    pivot = camera.parent
    fcurves = sys.modules[extension("live_preview").__package__ + ".scene.fcurves"].fcurves(pivot)
    curve = next(curve for curve in fcurves if len(curve.keyframe_points) > 1)
    curve.keyframe_points[-1].co.y = value
    curve.update()
    pivot.animation_data.action.update_tag()
    pivot.update_tag(refresh={"OBJECT", "TIME"})


def check_film_picture(screenshot: Path, seen: bpy.types.Region) -> None:
    """Raise DriveError unless a screenshot shows ``film_plate`` in a region: green, and a lamp near white in it."""
    image = bpy.data.images.load(str(screenshot))
    width, height = image.size
    pixels = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    part = pixels.reshape(height, width, -1)[seen.y : seen.y + seen.height, seen.x : seen.x + seen.width, :3]
    green = float((part[..., 1] > part[..., (0, 2)].max(axis=-1) + 0.1).mean())
    lamp = float((part.min(axis=-1) > 0.8).mean())
    print(f"film strip: {green:.0%} green, {lamp:.1%} lamp", flush=True)
    if green < 0.1 or lamp < 0.01:
        raise DriveError(f"The EXR strip is not seen: {green:.0%} of the preview are green, {lamp:.1%} are the lamp.")


def models(out: Path, view: bpy.types.Area, _moving_plate: Path) -> Iterator[Wait]:
    """A model got by its button from a hub on this machine: asked, paused, gone on with, there; then better depth."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "model"))
    from local_hub import serving

    repository = out / "hub" / "depth-anything" / "Video-Depth-Anything-Small"
    repository.mkdir(parents=True)
    (repository / "video_depth_anything_vits.pth").write_bytes(bytes(30_000_000))
    bpy.context.preferences.system.use_online_access = True
    with serving(out / "hub") as (hub, address):
        os.environ |= {"HF_ENDPOINT": address, "HF_HOME": str(out / "cache"), "EX4D_MODELS": str(out / "models")}
        hub.slow = {"video_depth_anything_vits.pth": 0.02}
        yield from show_preferences(view)
        downloads, jobs = extension("model_downloads"), extension("job_list")
        yield lambda: bool(downloads.known())
        yield from small_shot(out, "18-models")

        def state() -> str:
            return str(downloads.find("video_depth_anything").state)

        def press() -> Iterator[Wait]:
            call(bpy.ops.ex4d.get_model, "INVOKE_DEFAULT", area=view, model="video_depth_anything")
            yield after(1.0)

        yield from press()
        yield from shot(out, "19-model-asked")
        yield request(out, "key Return")
        yield lambda: any(
            row.kind == "download" and "MB of" in row.text and row.fraction > 0.3 for row in jobs.current().rows
        )
        yield from small_shot(out, "20-model-comes")
        bpy.ops.ex4d.cancel_job(job=next(row.job for row in jobs.current().rows if row.kind == "download"))
        yield lambda: state() == "begun"
        yield from small_shot(out, "21-model-paused")
        hub.slow = {}
        yield from press()
        yield from shot(out, "22-model-asked-again")
        yield request(out, "key Return")
        yield lambda: state() == "here"
        yield from small_shot(out, "23-model-here")
        names = {found.name for found in extension("capabilities").estimators()}
        if "video_depth_anything" not in names:
            print(f"offered: {sorted(names)}", flush=True)
        view.ui_type = "VIEW_3D"
        yield from open_sidebar(out, view)
        yield from shot(out, "24-jobs")
        call(bpy.ops.ex4d.better_depth, "INVOKE_DEFAULT", area=view)
        yield after(1.0)
        yield from shot(out, "25-better-depth")


def wipe(out: Path, view: bpy.types.Area, _moving_plate: Path) -> Iterator[Wait]:
    """Two versions of a take, compared over the camera: the line is dragged with the mouse, a key flips."""
    former, scene = window().scene, bpy.data.scenes.new("Wiping")
    window().scene = scene
    yield from two_versions(out, view, scene)
    scene.frame_set(scene.frame_end - 1)
    view.spaces.active.shading.type = "SOLID"
    call(bpy.ops.ex4d.wipe, area=view, against="VERSION")
    shown, interface = extension("wipe").current(), bpy.context.preferences.view
    for scale in (1.0, 2.0):
        interface.ui_scale = scale
        yield after(2.0)
        yield from shot(out, f"24-wipe-{scale:.0f}")
        check_wipe(out / f"24-wipe-{scale:.0f}.png", view, shown)
        seen = wipe_frame(view)
        middle = window().height - round((seen.bottom + seen.top) / 2) + 3
        places = [round(seen.left + share * seen.width) for share in (shown.share, 0.25 if scale == 1 else 0.4)]
        yield request(out, f"drag {places[0]} {middle} {places[1]} {middle}")
        yield after(1.0)
        yield request(out, "key w")
        yield after(1.0)
        yield from shot(out, f"25-wipe-dragged-{scale:.0f}")
        if abs(seen.left + shown.share * seen.width - places[1]) > 2:
            raise DriveError(f"The line was dragged to {places[1]}, and is at {seen.left + shown.share * seen.width}.")
        if [side.label for side in shown.sides] != (["v001", "v002"] if scale == 1 else ["v002", "v001"]):
            raise DriveError("The key has not changed the sides.")
        check_wipe(out / f"25-wipe-dragged-{scale:.0f}.png", view, shown)
    interface.ui_scale = 1.0
    beat = Heartbeat()
    scene.frame_set(scene.frame_end)
    yield lambda: all(item is not None and item.frame == scene.frame_end for item in shown.pictures)
    beat.stop("the wipe shows another frame")
    call(bpy.ops.ex4d.wipe, area=view, against="PLATE")
    yield after(2.0)
    yield from shot(out, "26-wipe-plate")
    check_wipe(out / "26-wipe-plate.png", view, extension("wipe").current())
    call(bpy.ops.ex4d.wipe_end, area=view)
    yield from see_meta_strips(out, view)
    window().scene = former


def two_versions(out: Path, view: bpy.types.Area, scene: bpy.types.Scene) -> Iterator[Wait]:
    """The sample plate to a take of two versions, by two moves; of the last frames alone."""
    call(bpy.ops.ex4d.load_plate, area=view, filepath=str(next(out.glob("plate.*"))))
    scene.ex4d.viewport_side, scene.ex4d.match_without_asking = 64, True
    call(bpy.ops.ex4d.reconstruct, "INVOKE_DEFAULT", area=view)
    yield lambda: any(item.type == "MESH" for item in scene.objects)
    call(bpy.ops.ex4d.add_take_camera, area=view, move="orbit:10")
    scene.ex4d.frame_range, scene.ex4d.with_mask, scene.ex4d.with_color = "FRAMES", True, True
    # At its end a move has gone farthest.
    scene.ex4d.frame_start, scene.ex4d.frame_end = scene.frame_end - 2, scene.frame_end
    for index, move in enumerate(("orbit:10", "orbit:-30")):
        call(bpy.ops.ex4d.apply_preset, area=view, move=move)
        call(bpy.ops.ex4d.generate, "INVOKE_DEFAULT", area=view)
        yield lambda count=index + 1: len(scene.ex4d.takes[0].versions) == count


def see_meta_strips(out: Path, view: bpy.types.Area) -> Iterator[Wait]:
    """The two versions in the sequencer, and what its panel tells of the selected one."""
    call(bpy.ops.ex4d.show_result, area=view)
    edit = window().workspace.sequencer_scene
    if edit.frame_current != window().scene.frame_current:
        raise DriveError("The results are not shown at the frame that was worked at.")
    metas = [strip for strip in edit.sequence_editor.strips if strip.type == "META"]
    if [len(meta.strips) for meta in metas] != [3, 3] or len(edit.sequence_editor.strips) != 2:
        raise DriveError("The two versions with mask and colour are not a meta strip each.")
    for strip in strips():
        strip.select = strip == metas[0]
    edit.sequence_editor.active_strip = metas[0]
    yield from open_sidebar(out, view)
    yield after(2.0)
    yield from shot(out, "27-strip")
    call(bpy.ops.ex4d.show_result, area=view)


def wipe_frame(view: bpy.types.Area) -> Any:
    """The camera's frame on the screen, y up."""
    seen = region(view, "WINDOW")
    frame = extension("ui.wipe").camera_frame(seen, view.spaces.active.region_3d, window().scene)
    return type(frame)(frame.left + seen.x, frame.bottom + seen.y, frame.right + seen.x, frame.top + seen.y)


def check_wipe(screenshot: Path, view: bpy.types.Area, shown: Any) -> None:
    """The screen shows the pictures' own values on both sides of the line.

    Raises:
        DriveError: it does not.
    """
    image = bpy.data.images.load(str(screenshot))
    width, height = image.size
    pixels = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    screen, frame = pixels.reshape(height, width, -1)[..., :3], wipe_frame(view)
    for picture, shares in zip(shown.pictures, ((0.02, shown.share - 0.06), (shown.share + 0.04, 0.6)), strict=True):
        # Off the line and its grip, the texts, the sidebar and what else lies over the picture.
        across, up = np.meshgrid(np.linspace(*shares, 60), np.linspace(0.3, 0.7, 60))
        x, y = (frame.left + across * frame.width).astype(int), (frame.bottom + up * frame.height).astype(int)
        rows, columns = picture.pixels.shape[:2]
        own, other = (
            255
            * float(np.abs(screen[y, x] - values[(up * rows).astype(int), (across * columns).astype(int), :3]).mean())
            for values in (picture.pixels, *(item.pixels for item in shown.pictures if item is not picture))
        )
        print(f"wipe, {picture.path.parent.parent.name}: off by {own:.1f}/255, from the other {other:.1f}", flush=True)
        if own > MOST_OFF or other < 2 * own:
            raise DriveError(
                f"The screen is off by {own:.1f}/255 from {picture.path}, and by {other:.1f} from the other."
            )


def wrong_button_and_preferences(out: Path, view: bpy.types.Area, _moving_plate: Path) -> Iterator[Wait]:
    """What the preferences say, and the dialog of an error."""
    from ex4d.protocol.errors import TransientError  # of the extension

    # A button that has nothing to work on: the status bar says so.
    yield request(out, f"click {STRIP_BUTTON[0]} {STRIP_BUTTON[1]}")
    yield after(1.0)
    yield request(out, "shot 15-wrong-click")
    yield from show_preferences(view)
    yield from small_shot(out, "16-preferences")
    problem = TransientError("The disk that holds the shot is full.", "Free some space.")
    extension("error_dialog").show_error(problem, "what was printed last\n" * 5)
    yield from shot(out, "17-error")


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


def open_plate_by_mouse(out: Path, view: bpy.types.Area, hand: Clicks) -> Iterator[Wait]:
    """Open Plate, the file, and the file browser's button; the file lies in the home, where the browser opens."""
    scene, plate = bpy.context.scene, next(out.glob("plate.*"))
    shutil.copy(plate, Path.home() / plate.name)
    # Without a window manager a window of its own may lie half outside of a small screen.
    bpy.context.preferences.view.filebrowser_display_type = "SCREEN"
    yield from hand.press("ex4d.load_plate", view, "UI")
    yield lambda: any(area.type == "FILE_BROWSER" for item in windows() for area in item.screen.areas)
    browser = next(item for item in windows() if any(area.type == "FILE_BROWSER" for area in item.screen.areas))
    files = next(area for area in browser.screen.areas if area.type == "FILE_BROWSER")
    yield after(2.0)
    place = region(files, "WINDOW")
    x, y = browser.x + place.x + 60, window().height - browser.y - place.y - place.height
    yield hand.at(x, y + FIRST_FILE, "the file")
    yield after(1.0)
    yield request(out, "shot 25-file")
    if files.spaces.active.params.filename != plate.name:
        raise DriveError(f"The click has not chosen the file, but «{files.spaces.active.params.filename}».")
    yield from hand.press("file.execute", files, "EXECUTE", browser)
    yield lambda: bool(scene.ex4d.plate_path) and not any(area.type == "FILE_BROWSER" for area in window().screen.areas)
    yield after(1.0)


def clicks(out: Path, view: bpy.types.Area, _moving_plate: Path) -> Iterator[Wait]:
    """From Blender's startup scene with its cube to the result, by the mouse alone, the tab being open."""
    if "Cube" not in bpy.context.scene.objects or not bpy.context.scene.objects["Cube"].visible_get():
        bpy.ops.wm.read_homefile()
        yield after(2.0)
        view = largest("VIEW_3D")
        yield from open_sidebar(out, view)
    scene = bpy.context.scene
    hand = Clicks(out)
    yield from open_plate_by_mouse(out, view, hand)
    view = largest("VIEW_3D")
    yield from shot(out, "26-plate-folded")
    yield from hand.press("ex4d.reconstruct", view, "UI")
    yield lambda: dw_mesh() is not None
    yield after(2.0)
    yield from shot(out, "27-ends-looking-through")
    if "Cube" not in scene.objects or scene.objects["Cube"].visible_get():
        raise DriveError("The startup cube is gone, or still hides the mesh.")
    if view.spaces.active.region_3d.view_perspective != "CAMERA" or not scene.camera.name.endswith("Source Camera"):
        raise DriveError("The viewport does not look through the source camera.")
    yield from hand.press("ex4d.add_take_camera", view, "UI")
    yield lambda: len(scene.ex4d.takes) == 1
    yield after(1.0)
    yield from shot(out, "28-take-added")
    yield from hand.press("ex4d.generate", view, "UI")
    yield lambda: bool(strips())
    yield after(1.0)
    # The status bar, where it lies at the end of the screen, is no area of it; what comes of the click tells.
    yield hand.at(window().width - 50, window().height - 12, "Show Result in the status bar")
    yield lambda: view.type == "SEQUENCE_EDITOR"
    yield after(2.0)
    yield from shot(out, "29-result")
    size = f"{window().width}x{window().height}"
    print(f"{hand.count} clicks from the startup scene to the result, without scrolling, at {size}", flush=True)
    if hand.count > MOST_CLICKS:
        raise DriveError(f"{hand.count} clicks lead to the result; at most {MOST_CLICKS} may.")


def cg(out: Path, view: bpy.types.Area, moving_plate: Path) -> Iterator[Wait]:
    """CG in a plate, in a scene of its own: switches and presets by the mouse, nodes, and what is rendered."""
    former, scene = window().scene, bpy.data.scenes.new("CG")
    window().scene = scene
    call(bpy.ops.ex4d.load_plate, area=view, filepath=str(moving_plate))
    scene.ex4d.viewport_side, scene.ex4d.match_without_asking = 64, True
    call(bpy.ops.ex4d.reconstruct, "INVOKE_DEFAULT", area=view)
    yield lambda: dw_mesh() is not None
    for step in ("plate", "geometry", "takes", "generate"):
        setattr(scene.ex4d, f"open_{step}", False)
    mesh, hand = dw_mesh(), Clicks(out)
    sidebar = region(view, "UI")
    # Closed at first, and no script can open it: another one like it is open.
    panel = next(cls for cls in extension("ui.panels").CLASSES if cls.__name__ == "EX4D_PT_view3d_cg")
    parts = {"bl_label": panel.bl_label, "draw": panel.draw}
    bpy.utils.register_class(type(f"{panel.__name__}_open", panel.__bases__, parts))
    yield after(1.0)
    yield from shot(out, "23-cg-panel")
    yield from hand.press("ex4d.mesh_switch", view, "UI")
    yield lambda: mesh.is_shadow_catcher or mesh.is_holdout or "EX-4D Relight" in mesh.active_material.node_tree.nodes
    call(bpy.ops.ex4d.cg_preset, "INVOKE_DEFAULT", area=view, preset="COMP")
    if len(scene.view_layers) != 3 or not mesh.is_shadow_catcher:
        raise DriveError("The preset has built no view layers, or the mesh catches no shadows.")
    sidebar.tag_redraw()
    yield from small_shot(out, "24-cg-set-up")
    scene.cycles.device, scene.cycles.samples = "CPU", 4
    scene.render.filepath = str(out / "25-cg-comp.png")
    scene.render.image_settings.file_format = "PNG"
    bpy.ops.render.render(write_still=True, scene=scene.name)
    view.ui_type = "CompositorNodeTree"
    if hasattr(scene, "compositing_node_group"):
        view.spaces.active.node_tree = scene.compositing_node_group
    yield after(1.0)
    call(bpy.ops.node.view_all, area=view)
    yield after(1.0)
    yield from shot(out, "26-cg-nodes")
    view.ui_type = "VIEW_3D"
    window().scene = former


def german(out: Path, view: bpy.types.Area, _moving_plate: Path) -> Iterator[Wait]:
    """The panels in German: in the dark theme, then in the light one at twice the size."""
    preferences, scene = bpy.context.preferences, bpy.context.scene
    preferences.view.language = next(name for name in ("de", "de_DE") if name in bpy.app.translations.locales)
    scene.ex4d.plate_path = str(next(out.glob("plate.*")))
    if extension("localisation").localised("Generate Take 01") != "Take 01 generieren":
        raise DriveError("The add-on does not speak German.")
    call(bpy.ops.ex4d.reconstruct, "INVOKE_DEFAULT", area=view)
    yield lambda: dw_mesh() is not None
    call(bpy.ops.ex4d.add_take_camera, area=view, move="orbit:30")
    yield after(3.0)
    for name in ("plate", "geometry", "takes", "generate"):
        for other in ("plate", "geometry", "takes", "generate"):
            setattr(scene.ex4d, f"open_{other}", other == name)
        yield from shot(out, f"30-german-{name}")
    bpy.ops.script.execute_preset(filepath=light_theme(), menu_idname="USERPREF_MT_interface_theme_presets")
    preferences.view.ui_scale = 2.0
    yield after(2.0)
    for name in ("plate", "geometry", "takes", "generate"):
        for other in ("plate", "geometry", "takes", "generate"):
            setattr(scene.ex4d, f"open_{other}", other == name)
        yield from shot(out, f"31-german-light-{name}")


def light_theme() -> str:
    """The file of Blender's own light theme."""
    folder = Path(bpy.utils.preset_paths("interface_theme")[0])
    return str(next(path for path in folder.iterdir() if path.stem.lower() == "blender_light"))


def times(out: Path, view: bpy.types.Area, _moving_plate: Path) -> Iterator[Wait]:
    """A plate from file to take, for the table of calls; and how often is drawn what need not be."""
    scene = window().scene
    call(bpy.ops.ex4d.load_plate, area=view, filepath=str(next(out.glob("plate.*"))))
    scene.ex4d.match_without_asking = True
    yield after(1.0)
    call(bpy.ops.ex4d.reconstruct, "INVOKE_DEFAULT", area=view)
    yield lambda: dw_mesh() is not None
    yield after(3.0)
    call(bpy.ops.ex4d.view_shot, area=view)
    shading = view.spaces.active.shading
    if (shading.type, shading.color_type, shading.light) != ("SOLID", "TEXTURE", "FLAT"):
        raise DriveError(
            f"Look Through shows {shading.type}, {shading.color_type}, {shading.light}, not the fast view."
        )
    yield after(3.0)
    yield from shot(out, "30-fast-view")
    call(bpy.ops.ex4d.add_take_camera, area=view, move=MOVE)
    yield after(2.0)
    call(bpy.ops.ex4d.preview_take, "INVOKE_DEFAULT", area=view)
    yield lambda: bool(scene.ex4d.takes[0].coverage)
    yield after(2.0)
    scene.ex4d.move = "crane"
    # It takes the preview of the former move away.
    call(bpy.ops.ex4d.apply_preset, area=view)
    yield after(2.0)
    scene.ex4d.with_mask = scene.ex4d.with_color = True
    call(bpy.ops.ex4d.generate, "INVOKE_DEFAULT", area=view)
    yield after(2.0)
    yield undrawn(1.0)
    yield from few_draws(MOST_DRAWS, "a take was generated", lambda: bool(strips()))
    yield after(2.0)
    yield undrawn(1.0)
    yield from few_draws(0, "nothing was done for 5 s", after(5.0))
    yield from panels_cost(view)
    call(bpy.ops.ex4d.show_result, area=view)
    yield after(2.0)
    call(bpy.ops.ex4d.show_result, area=view)
    yield after(1.0)
    for frame in range(scene.frame_start, scene.frame_start + 5):
        scene.frame_set(frame)
        yield after(0.3)
    bpy.ops.ed.undo_push(message="Undone")
    bpy.ops.ed.undo()
    yield after(1.0)
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "times.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(out / "times.blend"))
    yield after(3.0)
    yield from shot(out, "31-reopened")


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
    """Print what drawing the whole window costs with the extension's panels and without."""
    space = view.spaces.active
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(REDRAWS):
        for is_open in (True, False):
            space.show_region_ui = is_open
            yield after(1.0)
            began = time.perf_counter()
            call(bpy.ops.wm.redraw_timer, area=view, type="DRAW_WIN", iterations=3)
            seconds[is_open].append((time.perf_counter() - began) / 3)
    space.show_region_ui = True
    yield after(1.0)
    best = {is_open: min(found) for is_open, found in seconds.items()}
    print(
        f"the window is drawn in {1e3 * best[True]:.1f} ms with the panels, {1e3 * best[False]:.1f} ms without: "
        f"{best[True] / best[False]:.3f} times",
        flush=True,
    )


def windows() -> list[bpy.types.Window]:
    """All of Blender's windows."""
    return list(bpy.context.window_manager.windows)


def world(out: Path, view: bpy.types.Area, plate: Path) -> Iterator[Wait]:
    """A floor and a length, picked with the mouse on a moving plate, in a scene of its own."""
    former, scene = window().scene, bpy.data.scenes.new("World")
    window().scene = scene
    call(bpy.ops.ex4d.load_plate, area=view, filepath=str(plate))
    scene.ex4d.match_without_asking = True
    call(bpy.ops.ex4d.reconstruct, "INVOKE_DEFAULT", area=view)
    yield lambda: any(item.type == "MESH" for item in scene.objects)
    view.spaces.active.region_3d.view_perspective = "CAMERA"
    yield after(3.0)
    root = scene.camera.parent
    places = [(0.3, 0.9), (0.7, 0.9), (0.75, 0.93)]
    for operator, count, options in (("align_floor", 3, {}), ("align_length", 2, {"length": 2.0})):
        beat = Heartbeat()
        call(getattr(bpy.ops.ex4d, operator), "INVOKE_DEFAULT", area=view, **options)
        for across, down in places[:count]:
            yield after(1.0)
            yield request(out, "click {} {}".format(*on_plate(view, across, down)))
        yield after(1.5)
        beat.stop(f"{count} points are picked for {operator}")
        yield from shot(out, f"12-{operator}")
        if not root.get("ex4d_aligned"):
            raise DriveError(f"{operator} has placed nothing.")
    for end, place in zip(((0, 0, 0), (2, 0, 0)), places[:2], strict=True):
        found, (x, y) = on_screen(view, Vector(end)), on_plate(view, *place)
        if max(abs(found[0] - x), abs(found[1] - y)) > 2:
            raise DriveError("The picked points do not lie in the origin and 2 m along X.")
    window().scene = former


def on_screen(view: bpy.types.Area, point: Vector) -> tuple[int, int]:
    """The screen's pixel of a point of the scene in a viewport, as the mouse takes it."""
    shown = region(view, "WINDOW")
    place = location_3d_to_region_2d(shown, view.spaces.active.region_3d, point)
    return round(shown.x + place.x), round(window().height - shown.y - place.y)


def on_plate(view: bpy.types.Area, across: float, down: float) -> tuple[int, int]:
    """The screen's pixel of a place on the frame of the scene's camera, shares from its upper left corner."""
    camera = bpy.context.scene.camera
    corners = [camera.matrix_world.normalized() @ corner for corner in camera.data.view_frame(scene=bpy.context.scene)]
    upper_right, _, lower_left, upper_left = corners
    return on_screen(view, upper_left + across * (upper_right - upper_left) + down * (lower_left - upper_left))


#: Parts that want a Blender of their own, for torch or for nothing done before: ``scripts/gui_test --all`` does them.
ALONE = frozenset({"models", "wipe", "takes", "cg", "german", "clicks", "times"})

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
    "times": times,
}


def is_keyed(camera: bpy.types.Object) -> bool:
    """Whether a camera or something that it hangs on has keyframes."""
    current: bpy.types.Object | None = camera
    while current is not None:
        if current.animation_data is not None and current.animation_data.action is not None:
            return True
        current = current.parent
    return False


def show_preferences(view: bpy.types.Area) -> Iterator[Wait]:
    """Turn an area into the preferences, with the extension's own part open and diagnosed."""
    names = [addon.module for addon in bpy.context.preferences.addons]
    module = next(name for name in names if name.endswith("ex4d_blender"))
    call(bpy.ops.ex4d.diagnose, "INVOKE_DEFAULT", area=view)
    view.ui_type = "PREFERENCES"
    bpy.context.preferences.active_section = "ADDONS"
    bpy.context.window_manager.addon_search = "EX-4D"
    with bpy.context.temp_override(window=window(), area=view):
        bpy.ops.preferences.addon_expand(module=module)
    link = sys.modules[f"{module}.backend_link"]
    yield lambda: link.current().doctor is not None


def main() -> None:
    """Start the story; Blender's own loop does the rest."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--plate", type=Path, required=True)
    parser.add_argument("--moving-plate", type=Path, required=True)
    parser.add_argument("--until", choices=STEPS, default=STEPS[-1])
    parser.add_argument("--only", choices=PARTS)
    options = parser.parse_args(sys.argv[sys.argv.index("--") + 1 :])
    # It would come up before the timer's first call and take the mouse.
    bpy.context.preferences.view.show_splash = False
    steps = story(options.out, options.plate, options.moving_plate, options.until, options.only)
    driver = Driver(options.out, steps)
    bpy.app.timers.register(driver.tick, first_interval=1.0, persistent=True)


main()
