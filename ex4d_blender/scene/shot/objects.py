# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of one shot: its root, the mesh, the source camera, the solved points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy

from ex4d.camera import Trajectory

from ...core import records
from ...core.shot_rules import ShotTiming, is_whole_record, parsed_record
from ...core.shot_source import source_trajectory
from .. import scan
from ..at_home import ALIGNED
from .tags import PROPERTY, is_local, role


@dataclass(frozen=True)
class ShotObjects:
    """The objects of a shot in a scene. Do not keep it across an undo or a file load: look the shot up again.

    Attributes:
        root: the Empty whose local space is the shot world.
        mesh: the animated mesh, or None when it was deleted.
        source_camera: the camera that matches the plate, or None when it was deleted.
        points: the solved points, or None where there are none.
        collection: holds them all.
        folder: the shot's folder, as in its record.
        first_frame: the scene frame of the plate's first picture.
    """

    root: bpy.types.Object
    mesh: bpy.types.Object | None
    source_camera: bpy.types.Object | None
    points: bpy.types.Object | None
    collection: bpy.types.Collection
    folder: str
    first_frame: int

    @property
    def record(self) -> dict[str, Any]:
        """The shot record it was imported from."""
        return dict(parsed_record(self.root[PROPERTY]["record"]))

    @property
    def numbers(self) -> list[int]:
        """The plate's frame numbers."""
        return list(self.record["plate"]["numbers"])

    @property
    def timing(self) -> ShotTiming:
        """Which scene frame shows which frame of the plate."""
        return ShotTiming(self.first_frame, tuple(parsed_record(self.root[PROPERTY]["record"])["plate"]["numbers"]))

    @property
    def frames(self) -> range:
        """The scene frames of the plate's pictures."""
        return self.timing.frames

    def number_at(self, frame: int) -> int:
        """The plate's frame number that is shown at a scene frame."""
        return self.timing.number_at(frame)

    def frame_of(self, number: int) -> int:
        """The scene frame that shows the plate's frame number."""
        return self.timing.frame_of(number)

    @property
    def aligned_scale(self) -> float | None:
        """How many Blender units one unit of the shot is where an alignment has placed it; None where none has."""
        return float(self.root.matrix_world.median_scale) if self.root.get(ALIGNED) else None

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
            for obj in scan.descendants(self.root)
            if role(obj) == "take" and obj.type == "CAMERA" and scan.collections_of(obj)
        )
        return sorted(found, key=lambda obj: obj.name)

    @property
    def local_collection(self) -> bpy.types.Collection | None:
        """The shot's collection where objects can be put into it; None for a linked or overridden one."""
        return self.collection if is_local(self.collection) else None


def is_readable(root: bpy.types.Object) -> bool:
    """Whether a root has all that is read of it: one that lacks something would stop every panel and every job."""
    known = root[PROPERTY]
    if records.is_newer(known.get("version", 0)):
        return False
    texts = known.get("shot"), known.get("record")
    return (
        all(isinstance(text, str) for text in texts)
        and isinstance(known.get("first_frame"), int)
        and is_whole_record(texts[1])
    )


def _child(root: bpy.types.Object, wanted: str, kind: str) -> bpy.types.Object | None:
    # What was deleted from the scene stays in the file while anything points to it.
    found = [
        obj for obj in scan.children(root) if role(obj) == wanted and obj.type == kind and scan.collections_of(obj)
    ]
    known = root[PROPERTY].get(wanted)
    if isinstance(known, bpy.types.Object):
        # A copy that the artist made is tagged like it, and may come first by its name.
        return known if known in found else None
    return next(iter(found), None)


def collect(root: bpy.types.Object) -> ShotObjects:
    """The objects of the shot with that root, which must be readable and in a collection."""
    return ShotObjects(
        root,
        _child(root, "mesh", "MESH"),
        _child(root, "source", "CAMERA"),
        _child(root, "points", "MESH"),
        scan.collections_of(root)[0],
        str(root[PROPERTY]["shot"]),
        int(root[PROPERTY]["first_frame"]),
    )
