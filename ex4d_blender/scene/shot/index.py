# SPDX-License-Identifier: GPL-3.0-or-later
"""The shots of each scene as they were when one of our own objects last changed: what panels and buttons read.

A scene is looked through when it is first asked for, and again when Blender says that something has changed which may
be ours. What others' objects do, and frames that change, cost no look.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import bpy

from .. import scan
from .finding import SceneShots, Take, look_through
from .tags import PROPERTY, is_take, role

#: What is read of a root's custom property.
_ROOT_KEYS = ("role", "shot", "first_frame", "record", "version", "mesh", "source")


@dataclass(frozen=True)
class _Look:
    """One look through a scene.

    Attributes:
        shots: what was found.
        own: our objects, and the cameras of takes.
        uids: ``session_uid`` of each of ``own``.
        collections: ``session_uid`` of those that hold roots and cameras of takes.
        missing: cameras of takes that are in the file and not in the scene, by ``session_uid``.
        unlisted: cameras of takes of these shots that are in no list.
        removed: cameras of takes of these shots whose take was removed.
        state: what ``_state_of`` said then.
    """

    shots: SceneShots
    own: tuple[bpy.types.Object, ...]
    uids: frozenset[int]
    collections: frozenset[int]
    missing: frozenset[int]
    unlisted: tuple[bpy.types.Object, ...]
    removed: tuple[bpy.types.Object, ...]
    state: tuple[Any, ...]


#: By the scene's ``session_uid``, which survives undo and renaming.
_looks: dict[int, _Look] = {}


def known(scene: bpy.types.Scene) -> SceneShots:
    """The shots of a scene, without looking through its objects again."""
    return _look(scene).shots


def camera_state(scene: bpy.types.Scene, take: Take) -> str:
    """Which camera a take has: ``own``, ``scene`` for the scene's as markers switch it, ``missing`` where its own is
    gone, from the file or from the scene."""
    if take.use_scene_camera:
        return "scene"
    return "missing" if take.camera is None or take.camera.session_uid in _look(scene).missing else "own"


def unlisted(scene: bpy.types.Scene) -> tuple[bpy.types.Object, ...]:
    """Cameras of takes of a scene's shots that are in no list of takes: they were appended, or duplicated. Those whose
    take was removed are not."""
    return _look(scene).unlisted


def removed(scene: bpy.types.Scene) -> tuple[bpy.types.Object, ...]:
    """Cameras of takes of a scene's shots whose take was removed from the list."""
    return _look(scene).removed


def forget() -> None:
    """Look anew when asked: another file is open, or a step was undone."""
    _looks.clear()


def renew() -> None:
    """Look again at all scenes that were ever asked for: what Blender does not tell of was just changed."""
    for uid, look in list(_looks.items()):
        _renew(uid, look)


def notice(scene: bpy.types.Scene, updated: Iterable[bpy.types.ID | None]) -> None:
    """Look again at scenes whose own objects have changed.

    Args:
        scene: that Blender has evaluated.
        updated: its data-blocks, as evaluated, that Blender has just evaluated again: all, where its
            relations were built anew.
    """
    tagged = {
        original.session_uid
        for obj in updated
        if isinstance(obj, bpy.types.Object) and obj.get(PROPERTY) is not None and (original := obj.original)
    }
    for uid, look in list(_looks.items()):
        is_known = uid != scene.session_uid or tagged <= look.uids
        if is_known and not _has_changed(look):
            continue
        _renew(uid, look)


def _renew(uid: int, look: _Look) -> None:
    try:
        _looks[uid] = _look_again(look.shots.scene)
    except ReferenceError:
        # The scene is gone.
        del _looks[uid]


def _look(scene: bpy.types.Scene) -> _Look:
    look = _looks.get(scene.session_uid)
    if look is None or not _is_alive(look):
        look = _looks[scene.session_uid] = _look_again(scene)
    return look


def _has_changed(look: _Look) -> bool:
    try:
        return _state_of(look.shots.scene, look.own, look.collections) != look.state
    except ReferenceError:
        # One of the objects is gone.
        return True


def _is_alive(look: _Look) -> bool:
    """Whether scene and roots still exist; asked for one that was deleted, Blender raises."""
    try:
        return bool(look.shots.scene.name) and all(shot.root.name for shot in look.shots.shots)
    except ReferenceError:
        return False


def _look_again(scene: bpy.types.Scene) -> _Look:
    objects = scan.scene_objects(scene)
    shots = look_through(scene, objects)
    tagged = [obj for obj in objects if role(obj) is not None]
    cameras = list(dict.fromkeys(_take_cameras(scene)))
    own = tuple(dict.fromkeys([*tagged, *cameras]))
    holders = [shot.collection for shot in shots.shots] + [held for obj in cameras for held in scan.collections_of(obj)]
    collections = frozenset(collection.session_uid for collection in holders)
    there = {obj.session_uid for obj in objects if obj.type == "CAMERA"}
    missing = frozenset(camera.session_uid for camera in cameras) - there
    uids = frozenset(obj.session_uid for obj in own)
    unlisted = tuple(obj for obj in tagged if is_take(obj) and obj not in cameras and _is_of(shots, obj))
    left = [obj for obj in tagged if obj.type == "CAMERA" and role(obj) == "take" and not is_take(obj)]
    removed = tuple(obj for obj in left if obj not in cameras and _is_of(shots, obj))
    return _Look(shots, own, uids, collections, missing, unlisted, removed, _state_of(scene, own, collections))


def _is_of(shots: SceneShots, obj: bpy.types.Object) -> bool:
    parent = obj.parent
    while parent is not None and shots.of_root(parent) is None:
        parent = parent.parent
    return parent is not None


def _take_cameras(scene: bpy.types.Scene) -> Iterator[bpy.types.Object]:
    state = getattr(scene, "ex4d", None)
    for take in state.takes if state is not None else ():
        if take.camera is not None:
            yield take.camera


def _state_of(
    scene: bpy.types.Scene, own: tuple[bpy.types.Object, ...], collections: frozenset[int]
) -> tuple[Any, ...]:
    """What tells that a look is out of date: by how many our objects are held, what they are, whose children; the
    cameras of takes; which of our collections the scene has."""
    objects = tuple((obj.users, obj.type, obj.parent, role(obj)) for obj in own)
    roots = tuple(tuple(obj[PROPERTY].get(key) for key in _ROOT_KEYS) for obj in own if role(obj) == "root")
    linked = {scene.collection.session_uid, *(item.session_uid for item in scene.collection.children_recursive)}
    return objects, roots, tuple(_take_cameras(scene)), linked & collections
