# SPDX-License-Identifier: GPL-3.0-or-later
"""A shot in a scene: its root, the mesh, the source camera; and the scene settings that fit its plate.

What belongs to a shot is known by the custom property ``ex4d`` (role, shot folder) on the objects, so it is found
again in a saved file and after renaming.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ex4d.camera import Trajectory, read_trajectory
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.parsing import fraction_from, parse_json

from ..core import records
from ..core.shot_folders import same_path
from . import axes, camera, colour, material, mesh

#: Custom property of every object that belongs to a shot.
PROPERTY = "ex4d"
#: A source camera shows what is nearer than this share of the pivot's distance to nobody.
NEAR_SHARE = 1e-2
#: The backdrop lies on the far plane of the source camera; a take camera may be further away from it.
FAR_FACTOR = 4.0

#: The last frame a Blender scene can have.
LAST_FRAME = 1048574


@dataclass(frozen=True)
class ShotObjects:
    """The objects of a shot in a scene. Do not keep it across an undo or a file load: look the shot up again.

    Attributes:
        root: the Empty whose local space is the shot world.
        mesh: the animated mesh, or None when it was deleted.
        source_camera: the camera that matches the plate, or None when it was deleted.
        collection: holds them all.
        folder: the shot's folder, as in its record.
        first_frame: the scene frame of the plate's first picture.
    """

    root: bpy.types.Object
    mesh: bpy.types.Object | None
    source_camera: bpy.types.Object | None
    collection: bpy.types.Collection
    folder: str
    first_frame: int

    @property
    def record(self) -> dict[str, Any]:
        """The shot record it was imported from."""
        return dict(_parsed(self.root[PROPERTY]["record"]))

    @property
    def numbers(self) -> list[int]:
        """The plate's frame numbers."""
        return list(self.record["plate"]["numbers"])

    @property
    def frames(self) -> range:
        """The scene frames of the plate's pictures."""
        return range(self.first_frame, self.first_frame + len(self.numbers))

    def number_at(self, frame: int) -> int:
        """The plate's frame number that is shown at a scene frame."""
        return frame - self.first_frame + self.numbers[0]

    def frame_of(self, number: int) -> int:
        """The scene frame that shows the plate's frame number."""
        return number - self.numbers[0] + self.first_frame

    def source(self) -> Trajectory:
        """The source camera of each plate frame, at the plate's size.

        Raises:
            BadInputError: its file is gone or damaged.
        """
        return source_trajectory(self.record)

    @property
    def takes(self) -> list[bpy.types.Object]:
        """The take cameras, by name."""
        found = (
            obj
            for obj in self.root.children_recursive
            if role(obj) == "take" and obj.type == "CAMERA" and obj.users_collection
        )
        return sorted(found, key=lambda obj: obj.name)

    @property
    def local_collection(self) -> bpy.types.Collection | None:
        """The shot's collection where objects can be put into it; None for a linked or overridden one."""
        return self.collection if is_local(self.collection) else None


def is_local(item: bpy.types.ID) -> bool:
    """Whether a datablock is this file's own: neither linked nor an override of a linked one."""
    return item.library is None and item.override_library is None


def check_local(shot: ShotObjects) -> None:
    """Raise BadInputError for a shot that is linked from another file: it cannot be renewed from here."""
    if is_local(shot.root):
        return
    reference = shot.root.override_library.reference if shot.root.override_library else shot.root
    library = bpy.path.basename(reference.library.filepath) if reference.library else "another file"
    raise BadInputError(
        f"The shot «{shot.root.name}» is linked from {library}.",
        "Change it there and reload the library, or append the shot instead of linking it.",
    )


def check_scene(scene: bpy.types.Scene) -> None:
    """Raise BadInputError for a scene that cannot be worked in: of a newer version, or linked from another file."""
    if scene.library is not None:
        raise BadInputError(
            f"The scene «{scene.name}» is linked from {bpy.path.basename(scene.library.filepath)}.",
            "Work in a scene of this file, with the shot's collection linked or appended.",
        )
    check_version(scene)


def check_version(scene: bpy.types.Scene) -> None:
    """Raise BadInputError for a scene with records that a newer version of the extension has written."""
    state = getattr(scene, "ex4d", None)
    if state is not None and records.is_newer(state.version):
        raise records.newer_error(f"What the scene «{scene.name}» knows of its takes")
    for obj in scene.objects:
        if role(obj) != "root" or _is_readable(obj):
            continue
        if records.is_newer(obj[PROPERTY].get("version", 0)):
            raise records.newer_error(f"The shot «{obj.name}»")
        raise BadInputError(
            f"What the shot «{obj.name}» says of itself in its custom properties is damaged.",
            "Undo what changed them, or delete that Empty and reconstruct the plate: its files stay and are used.",
        )


def _is_readable(root: bpy.types.Object) -> bool:
    """Whether a root has all that is read of it: one that lacks something would stop every panel and every job."""
    known = root[PROPERTY]
    if records.is_newer(known.get("version", 0)):
        return False
    texts = known.get("shot"), known.get("record")
    return (
        all(isinstance(text, str) for text in texts)
        and isinstance(known.get("first_frame"), int)
        and _is_whole(texts[1])
    )


@lru_cache(maxsize=16)
def _parsed(record: str) -> dict[str, Any]:
    # Panels read it whenever they are drawn.
    return dict(parse_json(record))


@lru_cache(maxsize=16)
def _is_whole(record: str) -> bool:
    try:
        _check_record(_parsed(record))
    except (BadInputError, TypeError, ValueError):
        return False
    return True


def role(obj: bpy.types.Object) -> str | None:
    """What an object is to its shot: root, mesh, source, take, rig or pivot; None for any other object."""
    tag = obj.get(PROPERTY)
    return tag.get("role") if hasattr(tag, "get") else None


def tag(obj: bpy.types.Object, object_role: str, folder: str, **values: Any) -> None:
    """Mark an object as belonging to a shot."""
    obj[PROPERTY] = {"role": object_role, "shot": folder, **values}


def _roots(scene: bpy.types.Scene) -> Iterator[bpy.types.Object]:
    # What a newer version has written is left alone; ``check_version`` says so.
    return (obj for obj in scene.objects if role(obj) == "root" and _is_readable(obj))


def _child(root: bpy.types.Object, wanted: str, kind: str) -> bpy.types.Object | None:
    # What was deleted from the scene stays in the file while anything points to it.
    found = [obj for obj in root.children if role(obj) == wanted and obj.type == kind and obj.users_collection]
    known = root[PROPERTY].get(wanted)
    if isinstance(known, bpy.types.Object):
        # A copy that the artist made is tagged like it, and may come first by its name.
        return known if known in found else None
    return next(iter(found), None)


def _collect(root: bpy.types.Object) -> ShotObjects:
    return ShotObjects(
        root,
        _child(root, "mesh", "MESH"),
        _child(root, "source", "CAMERA"),
        root.users_collection[0],
        str(root[PROPERTY]["shot"]),
        int(root[PROPERTY]["first_frame"]),
    )


def find_shots(scene: bpy.types.Scene) -> list[ShotObjects]:
    """All shots in a scene, in the order of their objects' names."""
    return [_collect(root) for root in _roots(scene)]


def find_shot(scene: bpy.types.Scene, folder: str | None = None) -> ShotObjects | None:
    """The shot of that folder; without one the shot that the active object belongs to, else the scene's first."""
    shots = find_shots(scene)
    if folder is not None:
        return next((shot for shot in shots if same_path(shot.folder, folder)), None)
    active = scene.view_layers[0].objects.active if scene.view_layers else None
    chosen = shot_of(active) if active is not None else None
    if chosen is not None and any(chosen.root == shot.root for shot in shots):
        return chosen
    return shots[0] if shots else None


def shot_of(obj: bpy.types.Object) -> ShotObjects | None:
    """The shot that an object is part of: the one whose root is among its parents."""
    current: bpy.types.Object | None = obj
    while current is not None:
        if role(current) == "root":
            return _collect(current) if _is_readable(current) and current.users_collection else None
        current = current.parent
    return None


def shot_of_root(scene: bpy.types.Scene, root: bpy.types.Object | None) -> ShotObjects | None:
    """The shot of that root, None where it is not one of the scene's."""
    return next((shot for shot in find_shots(scene) if shot.root == root), None)


def take_shot(scene: bpy.types.Scene, take: Any) -> ShotObjects:
    """The shot that a take is of: the one that its camera stands in, else the one written down.

    Args:
        take: of ``scene.ex4d.takes``.

    Raises:
        BadInputError: the scene has none, or none that is the take's.
    """
    check_version(scene)
    shots = find_shots(scene)
    if not shots:
        raise no_shot_error(scene)
    known = {shot.root: shot for shot in shots}
    parent = take.camera
    while parent is not None:
        if parent in known:
            return known[parent]
        parent = parent.parent
    if take.shot is not None and take.shot in known:
        return known[take.shot]
    # No other shot takes its place, were it the scene's only one: that would be another plate.
    names = ", ".join(shot.root.name for shot in shots)
    raise BadInputError(
        f"The shot of the take «{take.name}» is not in the scene, which has: {names}.", "Choose its shot in the list."
    )


def no_shot_error(scene: bpy.types.Scene) -> BadInputError:
    """The error for a scene without a shot; says so where there is one that only looks as if."""
    for obj in scene.objects:
        inside = obj.instance_collection if obj.instance_type == "COLLECTION" else None
        root = next((item for item in inside.all_objects if role(item) == "root"), None) if inside else None
        if root is not None:
            return BadInputError(
                f"The shot «{root.name}» is in this scene only as an instance of the collection «{inside.name}».",
                "Make a library override of the instance, or append or link the collection itself into the scene.",
            )
    return BadInputError("The scene has no shot.", "Open a plate and reconstruct it first.")


def source_trajectory(record: Mapping[str, Any]) -> Trajectory:
    """The source camera of a shot record, one per plate frame, at the plate's size.

    Raises:
        BadInputError: its file is gone or damaged.
    """
    plate = record["plate"]
    source = read_trajectory(Path(record["source"]))
    source = source.for_frames(plate["numbers"], fraction_from(plate["fps"]), "The source camera")
    return source.resized(int(plate["width"]), int(plate["height"]))


def _check_record(record: Mapping[str, Any]) -> None:
    try:
        plate = record["plate"]
        usable = (
            isinstance(record["shot"], str)
            and isinstance(record["viewport"], str)
            and isinstance(record["source"], str)
            and fraction_from(plate["fps"]) > 0
            and min(int(plate["width"]), int(plate["height"])) > 0
            and 0 < float(record["pivot"]) < math.inf
            and 0 < float(record["far"]) < math.inf
            and isinstance(plate["numbers"], list)
            and len(plate["numbers"]) > 0
            and all(isinstance(number, int) for number in plate["numbers"])
        )
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError, ZeroDivisionError):
        usable = False
    if not usable:
        raise BadInputError("The shot's record lacks a value.", "Reconstruct the shot again.")


def import_shot(
    scene: bpy.types.Scene, record: Mapping[str, Any], *, first_frame: int | None = None, name: str | None = None
) -> ShotObjects:
    """Put a reconstructed shot into a scene, or renew the one of the same folder.

    Renewed are mesh, material and the source camera's animation. The root stays where it was put; take cameras, hole
    style and whatever the artist added stay as they are. Nothing is changed when an error is raised.

    Args:
        record: the result of a ``reconstruct`` job.
        first_frame: the scene frame of the plate's first picture; None: as before, else the plate's own number.
        name: of the new objects; None: that of the shot's folder.

    Raises:
        BadInputError: files are missing or damaged.
    """
    check_scene(scene)
    _check_record(record)
    try:
        text = json.dumps(dict(record), allow_nan=False)
    except (TypeError, ValueError) as error:
        # Written down, it could not be read again.
        raise BadInputError("The shot's record has a value that is none.", "Reconstruct the shot again.") from error
    folder, numbers = record["shot"], list(record["plate"]["numbers"])
    former = former_shot(scene, record)
    if former is not None:
        check_local(former)
    viewport = mesh.read_viewport(Path(record["viewport"]))
    if list(viewport.numbers) != numbers:
        raise BadInputError("The shot's mesh and its plate have other frame numbers.", "Reconstruct the shot again.")
    source = source_trajectory(record)
    start = first_frame if first_frame is not None else former.first_frame if former else numbers[0]
    if not 0 <= start <= LAST_FRAME - len(numbers):
        raise BadInputError(
            f"The plate's frame {start} lies beyond what a Blender scene can show, {LAST_FRAME}.",
            "Choose another first frame for the shot in the scene.",
        )
    title = name or (former.root.name if former else Path(folder).name)
    # First all that can fail.
    mesh_data = mesh.build_mesh(viewport, f"{title} Mesh")
    try:
        mesh_material = material.build_material(viewport, title, first_frame=start)
    except BadInputError:
        bpy.data.meshes.remove(mesh_data)
        raise
    root = former.root if former else _new_root(scene, title)
    tag(root, "root", folder, first_frame=start, record=text, version=records.VERSION)
    for part, obj in (("mesh", former.mesh), ("source", former.source_camera)) if former else ():
        if obj is not None:
            root[PROPERTY][part] = obj
    for obj in root.children_recursive:
        if role(obj) is not None and obj.library is None:
            obj[PROPERTY]["shot"] = folder
    root.empty_display_size = 0.1 * float(record["pivot"])
    collection = root.users_collection[0]
    _place_mesh(former, root, collection, mesh_data, mesh_material, f"{title} Mesh")
    shot = _collect(root)
    mesh.attach_cache(shot.mesh, viewport, start)
    _place_source_camera(shot, source, float(record["pivot"]), float(record["far"]), f"{title} Source Camera")
    shot = _collect(root)
    if former is None or scene.camera is None:
        # The plate is seen at once; Blender's startup scene has a camera elsewhere.
        scene.camera = shot.source_camera
    camera.refresh(scene)
    return shot


def former_shot(scene: bpy.types.Scene, record: Mapping[str, Any]) -> ShotObjects | None:
    """The scene's shot that a record renews: of the same folder, or of the same plate where its own folder is gone."""
    known = find_shot(scene, record["shot"])
    if known is not None:
        return known
    return next(
        (
            shot
            for shot in find_shots(scene)
            if not Path(shot.folder).exists()
            and record["plate"].get("sha256") is not None
            and shot.record["plate"].get("sha256") == record["plate"]["sha256"]
        ),
        None,
    )


def _new_root(scene: bpy.types.Scene, title: str) -> bpy.types.Object:
    collection = bpy.data.collections.new(title)
    scene.collection.children.link(collection)
    root = bpy.data.objects.new(title, None)
    root.empty_display_type = "ARROWS"
    root.rotation_euler = axes.ROOT_ROTATION
    collection.objects.link(root)
    return root


def _lock(obj: bpy.types.Object) -> None:
    obj.lock_location = obj.lock_rotation = obj.lock_scale = (True, True, True)


def _place_mesh(
    former: ShotObjects | None,
    root: bpy.types.Object,
    collection: bpy.types.Collection,
    data: bpy.types.Mesh,
    new_material: bpy.types.Material,
    title: str,
) -> None:
    if former is None or former.mesh is None:
        data.materials.append(new_material)
        obj = bpy.data.objects.new(title, data)
        collection.objects.link(obj)
        axes.parent_plainly(obj, root)
        # Moved by itself it would no longer be where the cameras see it; the root may be moved.
        _lock(obj)
        tag(obj, "mesh", root[PROPERTY]["shot"])
        root[PROPERTY]["mesh"] = obj
        return
    obj, old = former.mesh, former.mesh.data
    old_material = next((item for item in old.materials if material.is_ours(item)), None)
    if old_material is not None:
        transparent, color = material.hole_style(old_material)
        material.set_hole_style(new_material, transparent=transparent, color=color)
    data.materials.append(new_material)
    for item in old.materials:
        # The artist's own.
        if item is not None and not material.is_ours(item):
            data.materials.append(item)
    obj.data = data
    title = old.name
    if old.users == 0:
        bpy.data.meshes.remove(old)
        data.name = title
    if old_material is not None and old_material.users == 0:
        title = old_material.name
        material.remove_material(old_material)
        new_material.name = title
    for node in (material.COLOR_NODE, material.VALID_NODE):
        new_material.node_tree.nodes[node].image.name = f"{new_material.name} {node.rsplit(' ', 1)[1]}"


def _place_source_camera(shot: ShotObjects, source: Trajectory, pivot: float, far: float, title: str) -> None:
    obj = shot.source_camera
    if obj is None:
        obj = bpy.data.objects.new(title, bpy.data.cameras.new(title))
        shot.collection.objects.link(obj)
        axes.parent_plainly(obj, shot.root)
        tag(obj, "source", shot.folder)
        shot.root[PROPERTY]["source"] = obj
        # It must keep matching the plate; takes are made with other cameras.
        _lock(obj)
    camera.own_animation(obj)
    obj.data.display_size = 0.05 * pivot
    camera.set_clip_distances(obj.data, NEAR_SHARE * pivot, FAR_FACTOR * far)
    camera.apply_trajectory(obj, source, frames=list(shot.frames))


def relink(mesh_obj: bpy.types.Object, folder: Path) -> None:
    """Let a shot's mesh play from another viewport folder with the same mesh: the shot was moved.

    The shot's record follows: what lay in the old shot folder is now looked for in the new one.

    Raises:
        BadInputError: the folder lacks files, or is that of another mesh.
    """
    if (shot := shot_of(mesh_obj)) is not None:
        check_local(shot)
    viewport = mesh.read_viewport(folder)
    if viewport.vertices != len(mesh_obj.data.vertices):
        raise BadInputError(
            f"{folder} holds a mesh of {viewport.vertices} vertices, not {len(mesh_obj.data.vertices)}.",
            "Choose the folder of this shot, or import the shot anew.",
        )
    mesh.check_point_cache(viewport.pc2, viewport.vertices, len(viewport.numbers))
    start = shot.first_frame if shot else viewport.numbers[0]
    for item in mesh_obj.data.materials:
        if material.is_ours(item):
            material.point_to(item, viewport)
            material.retime(item, viewport.numbers, start)
    mesh.attach_cache(mesh_obj, viewport, start)
    if shot is not None:
        move_record(shot, folder)


def move_record(shot: ShotObjects, viewport: Path) -> None:
    """Let a shot's record say that its viewport folder is at ``viewport``, and all else beside it as it was."""
    record, old = shot.record, Path(shot.folder)
    try:
        inner = Path(record["viewport"]).relative_to(old).parts
    except ValueError:
        inner = ()
    record["viewport"] = str(viewport)
    if inner and viewport.parts[-len(inner) :] == inner:
        new = Path(*viewport.parts[: -len(inner)])
        if Path(record["source"]).is_relative_to(old):
            record["source"] = str(new / Path(record["source"]).relative_to(old))
        record["shot"] = str(new)
    for obj in (shot.root, *shot.root.children_recursive):
        if role(obj) is not None:
            obj[PROPERTY]["shot"] = record["shot"]
    shot.root[PROPERTY]["record"] = json.dumps(record)


def missing_files(mesh_obj: bpy.types.Object) -> list[str]:
    """The files that a shot's mesh needs to play and that are not there."""
    paths = [path for path in (mesh.cache_path(mesh_obj),) if path is not None]
    for item in mesh_obj.data.materials:
        if material.is_ours(item):
            paths += material.picture_paths(item)
    return [str(path) for path in paths if not path.is_file()]


@dataclass(frozen=True)
class _Setting:
    """One thing of a scene that must fit the plate.

    Attributes:
        name: as the interface calls it.
        now, wanted: as text.
        fits: whether nothing need be done.
        apply: sets it; returns False when the scene cannot take it.
    """

    name: str
    now: str
    wanted: str
    fits: bool
    apply: Callable[[], bool]


def _assign(owner: Any, **values: Any) -> Callable[[], bool]:
    def apply() -> bool:
        for name, value in values.items():
            try:
                setattr(owner, name, value)
            except TypeError:
                # The value is not one of the enum's: a studio's own OCIO config without a Standard view.
                return False
        return True

    return apply


def _fps_text(fps: Fraction) -> str:
    return str(fps.numerator) if fps.denominator == 1 else f"{float(fps):.3f}"


def split_fps(fps: Fraction) -> tuple[int, float]:
    """Frames per second -> Blender's (fps, fps_base): 24000/1001 is 24 / 1.001."""
    whole = max(1, math.ceil(fps))
    return whole, float(whole / fps)


def _settings(scene: bpy.types.Scene, record: Mapping[str, Any], first_frame: int | None) -> list[_Setting]:
    render, view, plate = scene.render, scene.view_settings, record["plate"]
    width, height, fps = int(plate["width"]), int(plate["height"]), fraction_from(plate["fps"])
    start = int(plate["numbers"][0]) if first_frame is None else first_frame
    end = start + len(plate["numbers"]) - 1
    whole, base = split_fps(fps)
    size, aspect = (render.resolution_x, render.resolution_y), (render.pixel_aspect_x, render.pixel_aspect_y)
    looks = (view.view_transform, view.look, view.exposure, view.gamma)
    plain = colour.plain_view(view)
    now_fps = camera.scene_fps(scene)
    stretch = (render.frame_map_old, render.frame_map_new)
    return [
        _Setting(
            "Resolution",
            f"{size[0]}x{size[1]}",
            f"{width}x{height}",
            size == (width, height),
            _assign(render, resolution_x=width, resolution_y=height),
        ),
        _Setting(
            "Resolution percentage",
            f"{render.resolution_percentage} %",
            "100 %",
            render.resolution_percentage == 100,
            _assign(render, resolution_percentage=100),
        ),
        _Setting(
            "Pixel aspect",
            f"{aspect[0]:g}:{aspect[1]:g}",
            "1:1",
            aspect == (1.0, 1.0),
            _assign(render, pixel_aspect_x=1.0, pixel_aspect_y=1.0),
        ),
        _Setting(
            "Frame rate",
            _fps_text(now_fps),
            _fps_text(fps),
            abs(float(now_fps / fps) - 1) < 1e-6,
            _assign(render, fps=whole, fps_base=base),
        ),
        _Setting(
            # Stretched time shows the mesh and its pictures at other frames than their own.
            "Time stretching",
            f"{stretch[0]}:{stretch[1]}",
            "none",
            stretch[0] == stretch[1],
            _assign(render, frame_map_old=100, frame_map_new=100),
        ),
        _Setting(
            "Frame range",
            f"{scene.frame_start}-{scene.frame_end}",
            f"{start}-{end}",
            (scene.frame_start, scene.frame_end) == (start, end),
            lambda: _set_range(scene, start, end),
        ),
        _Setting(
            "View transform",
            _look_text(*looks),
            _look_text(plain, "None", 0.0, 1.0),
            view.view_transform == plain and view.look in ("None", "") and looks[2:] == (0.0, 1.0),
            _assign(view, look="None", view_transform=plain, exposure=0.0, gamma=1.0),
        ),
        _Setting(
            "Dither",
            f"{render.dither_intensity:g}",
            "0",
            render.dither_intensity == 0,
            _assign(render, dither_intensity=0.0),
        ),
    ]


def _look_text(view: str, look: str, exposure: float, gamma: float) -> str:
    return f"{view}, look {look}, exposure {exposure:g}, gamma {gamma:g}"


def _set_range(scene: bpy.types.Scene, start: int, end: int) -> bool:
    # The start cannot be set beyond the end.
    scene.frame_end = max(end, scene.frame_start)
    scene.frame_start = start
    scene.frame_end = end
    if not start <= scene.frame_current <= end:
        scene.frame_set(start)
    return True


def scene_differences(
    scene: bpy.types.Scene, record: Mapping[str, Any], *, first_frame: int | None = None
) -> list[str]:
    """What ``match_scene`` would change, one sentence each; empty when the scene fits the plate."""
    return [
        f"{setting.name}: {setting.now} becomes {setting.wanted}."
        for setting in _settings(scene, record, first_frame)
        if not setting.fits
    ]


def match_scene(scene: bpy.types.Scene, record: Mapping[str, Any], *, first_frame: int | None = None) -> list[str]:
    """Give a scene the plate's size, rate and frame range, and colours that come out as they go in.

    Args:
        first_frame: the scene frame of the plate's first picture; None: the plate's own number.

    Returns:
        Sentences on what the scene could not take, such as a view transform that its OCIO config lacks.
    """
    notes = []
    for setting in _settings(scene, record, first_frame):
        if not setting.fits and not setting.apply():
            notes.append(f"{setting.name} stays {setting.now}: this Blender's colour management has no other.")
    return notes + colour.space_notes()


def pivot_point(record: Mapping[str, Any]) -> np.ndarray:
    """The point (3,) in source camera coordinates (OpenCV axes) that camera moves turn about."""
    return np.array([0.0, 0.0, float(record["pivot"])])
