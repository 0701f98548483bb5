# SPDX-License-Identifier: GPL-3.0-or-later
"""The shots of a scene: which there are, which is worked on, which a take is of, and why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import bpy

from ex4d.protocol.errors import BadInputError

from ...core import records
from ...core.shot_folders import same_path
from .. import scan
from .objects import ShotObjects, collect, is_readable
from .tags import PROPERTY, is_local, role


class Take(Protocol):
    """What is read of a take of ``scene.ex4d.takes``.

    Attributes:
        name: as the list shows it.
        camera: its own, None where it has none or it was deleted.
        use_scene_camera: it follows the scene's camera instead.
        shot: the root of the shot that it was made of.
    """

    name: str
    camera: bpy.types.Object | None
    use_scene_camera: bool
    shot: bpy.types.Object | None


@dataclass(frozen=True)
class SceneShots:
    """What was found in a scene when it was looked through. Do not keep it across an undo or a file load.

    Attributes:
        scene: where.
        shots: those that can be worked with, in the order of their objects' names.
        problem: why a shot that is there cannot be read, None where all can.
        instances: whether collections are there as instances.
        instanced: the names of a shot's root and of the collection by whose instance alone it is there.
    """

    scene: bpy.types.Scene
    shots: tuple[ShotObjects, ...]
    problem: BadInputError | None
    instances: bool
    instanced: tuple[str, str] | None

    def check_version(self) -> None:
        """Raise BadInputError for a scene with records that a newer version has written, or that are damaged."""
        state = getattr(self.scene, "ex4d", None)
        if state is not None and records.is_newer(state.version):
            raise records.newer_error(f"What the scene «{self.scene.name}» knows of its takes")
        if self.problem is not None:
            raise BadInputError(self.problem.message, self.problem.hint)

    def check(self) -> None:
        """Raise BadInputError for a scene that cannot be worked in: see ``check_version``; or linked from a file."""
        library = self.scene.library
        if library is not None:
            raise BadInputError(
                f"The scene «{self.scene.name}» is linked from {bpy.path.basename(library.filepath)}.",
                "Work in a scene of this file, with the shot's collection linked or appended.",
            )
        self.check_version()

    def find(self, folder: str | None = None) -> ShotObjects | None:
        """The shot of that folder; without one the shot that the active object belongs to, else the scene's first."""
        if folder is not None:
            return next((shot for shot in self.shots if same_path(shot.folder, folder)), None)
        active = self.scene.view_layers[0].objects.active if self.scene.view_layers else None
        chosen = self.of_root(_root_above(active)) if active is not None else None
        return chosen or next(iter(self.shots), None)

    def of_root(self, root: bpy.types.Object | None) -> ShotObjects | None:
        """The shot of that root, None where it is not one of the scene's."""
        return next((shot for shot in self.shots if shot.root == root), None)

    def of_take(self, take: Take) -> ShotObjects:
        """The shot that a take is of: the one that its camera stands in, else the one written down.

        Raises:
            BadInputError: the scene has none, or none that is the take's.
        """
        self.check_version()
        if not self.shots:
            raise self.no_shot_error()
        known = {shot.root: shot for shot in self.shots}
        parent = take.camera
        while parent is not None:
            if parent in known:
                return known[parent]
            parent = parent.parent
        if take.shot is not None and take.shot in known:
            return known[take.shot]
        # No other shot takes its place, were it the scene's only one: that would be another plate.
        names = ", ".join(shot.root.name for shot in self.shots)
        raise BadInputError(
            f"The shot of the take «{take.name}» is not in the scene, which has: {names}.",
            "Choose its shot in the list.",
        )

    def no_shot_error(self) -> BadInputError:
        """The error for a scene without a shot; says so where there is one that only looks as if."""
        if self.instanced is None:
            return BadInputError("The scene has no shot.", "Open a plate and reconstruct it first.")
        shot, collection = self.instanced
        return BadInputError(
            f"The shot «{shot}» is in this scene only as an instance of the collection «{collection}».",
            "Make a library override of the instance, or append or link the collection itself into the scene.",
        )


def look_through(scene: bpy.types.Scene, objects: list[bpy.types.Object] | None = None) -> SceneShots:
    """Look through a scene for shots.

    Args:
        objects: of the scene, where they were just listed; None: lists them.
    """
    if objects is None:
        objects = scan.scene_objects(scene)
    roots = [obj for obj in objects if role(obj) == "root"]
    inside = [obj.instance_collection for obj in objects if obj.instance_type == "COLLECTION"]
    # What a newer version has written is left alone; ``check_version`` says so.
    shots = tuple(collect(root) for root in roots if is_readable(root))
    instanced = None if shots else _instanced(inside)
    return SceneShots(scene, shots, _problem(roots), bool(inside), instanced)


def _problem(roots: list[bpy.types.Object]) -> BadInputError | None:
    for root in roots:
        if is_readable(root):
            continue
        if records.is_newer(root[PROPERTY].get("version", 0)):
            return records.newer_error(f"The shot «{root.name}»")
        return BadInputError(
            f"What the shot «{root.name}» says of itself in its custom properties is damaged.",
            "Undo what changed them, or delete that Empty and reconstruct the plate: its files stay and are used.",
        )
    return None


def _instanced(collections: list[bpy.types.Collection | None]) -> tuple[str, str] | None:
    for collection in collections:
        inside = scan.collection_objects(collection) if collection is not None else []
        root = next((obj for obj in inside if role(obj) == "root"), None)
        if root is not None and collection is not None:
            return root.name, collection.name
    return None


def _root_above(obj: bpy.types.Object) -> bpy.types.Object | None:
    """The root among an object and its parents."""
    current: bpy.types.Object | None = obj
    while current is not None and role(current) != "root":
        current = current.parent
    return current


def check_local(shot: ShotObjects) -> None:
    """Raise BadInputError for a shot that is linked from another file: it cannot be renewed from here."""
    if is_local(shot.root):
        return
    override = shot.root.override_library
    reference = override.reference if override is not None and override.reference is not None else shot.root
    library = bpy.path.basename(reference.library.filepath) if reference.library else "another file"
    raise BadInputError(
        f"The shot «{shot.root.name}» is linked from {library}.",
        "Change it there and reload the library, or append the shot instead of linking it.",
    )


def check_scene(scene: bpy.types.Scene) -> None:
    """Raise BadInputError for a scene that cannot be worked in: of a newer version, or linked from another file."""
    look_through(scene).check()


def find_shots(scene: bpy.types.Scene) -> list[ShotObjects]:
    """All shots in a scene, in the order of their objects' names."""
    return list(look_through(scene).shots)


def find_shot(scene: bpy.types.Scene, folder: str | None = None) -> ShotObjects | None:
    """The shot of that folder; without one the shot that the active object belongs to, else the scene's first."""
    return look_through(scene).find(folder)


def chosen_shot(scene: bpy.types.Scene) -> ShotObjects:
    """The shot that is worked on, the active object's or the first.

    Raises:
        BadInputError: the scene has none.
    """
    found = look_through(scene)
    shot = found.find()
    if shot is None:
        raise found.no_shot_error()
    return shot


def shot_of(obj: bpy.types.Object) -> ShotObjects | None:
    """The shot that an object is part of: the one whose root is among its parents."""
    root = _root_above(obj)
    return collect(root) if root is not None and is_readable(root) and scan.collections_of(root) else None


def take_shot(scene: bpy.types.Scene, take: Take) -> ShotObjects:
    """The shot that a take of ``scene.ex4d.takes`` is of.

    Raises:
        BadInputError: the scene has none, or none that is the take's.
    """
    return look_through(scene).of_take(take)
