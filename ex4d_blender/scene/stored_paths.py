# SPDX-License-Identifier: GPL-3.0-or-later
"""The places of the open file that name files and folders: Blender's own, wherever they are, and ours.

Which of Blender's properties are paths is asked of Blender, so that nothing has to be listed kind by kind.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, cast

import bpy

from . import scan
from .sequencer import all_strips

#: Kinds of text properties that are paths, and how those of folders are called.
_FOLDER = "DIR_PATH"
_PATHS = ("FILE_PATH", _FOLDER)
#: It says the same as ``filepath``, and loads nothing again when it is set.
_TWICE = {"filepath_raw"}
#: Custom properties of ours begin so.
_OURS = "ex4d"


@dataclass(frozen=True)
class StoredPath:
    """A property of Blender's that names a file or a folder.

    Attributes:
        owner: that has it.
        name: of the property.
        is_folder: what it names.
    """

    owner: Any
    name: str
    is_folder: bool

    @property
    def text(self) -> str:
        """What is stored."""
        return str(getattr(self.owner, self.name))

    @property
    def is_local(self) -> bool:
        """Whether it is of this file, not of a linked one."""
        block = self.owner.id_data
        return block is None or block.library is None


@dataclass(frozen=True)
class StoredText:
    """A text of ours that may name files and folders: a property of the scene's takes and plate, or one in a custom
    property.

    Attributes:
        text: what is stored: a path, or JSON with paths in it, or something else.
        write: stores another one.
    """

    text: str
    write: Callable[[str], None]


def blender_paths() -> Iterator[StoredPath]:
    """All paths that Blender's own data have: pictures, clips, sounds, caches, modifiers, nodes, strips, renders, those
    of linked data too; none that is empty."""
    for block in scan.file_blocks():
        if isinstance(block, bpy.types.Library) and block.parent is not None:
            # Where a library's own libraries are is that file's matter.
            continue
        for owner in _parts(block):
            kind: Any = type(owner)
            for name, is_folder in _path_names(kind):
                if getattr(owner, name):
                    yield StoredPath(owner, name, is_folder)


@cache
def _path_names(kind: Hashable) -> tuple[tuple[str, bool], ...]:
    """The properties of a kind of data that name files and may be set, and whether they name folders."""
    return tuple(
        (item.identifier, item.subtype == _FOLDER)
        for item in cast(Any, kind).bl_rna.properties
        if item.type == "STRING" and item.subtype in _PATHS and not item.is_readonly and item.identifier not in _TWICE
    )


def _parts(block: Any) -> Iterator[Any]:
    """A data-block, and what is in it that may name files."""
    yield block
    for modifier in getattr(block, "modifiers", ()):
        yield modifier
        yield from getattr(modifier, "bakes", ())
    tree = block if isinstance(block, bpy.types.NodeTree) else getattr(block, "node_tree", None)
    for node in tree.nodes if tree is not None else ():
        yield node
        yield from node.inputs
    if isinstance(block, bpy.types.Scene):
        yield block.render
        yield block.render.bake
        for strip in all_strips(block):
            yield strip
            if getattr(strip, "proxy", None) is not None:
                yield strip.proxy


def our_texts() -> Iterator[StoredText]:
    """All texts that the add-on keeps in the file's own data."""
    for block in scan.file_blocks():
        if block.library is not None:
            continue
        yield from _custom_texts(block)
        if isinstance(block, bpy.types.Scene):
            for strip in all_strips(block):
                yield from _custom_texts(strip)
            if (state := getattr(block, _OURS, None)) is not None:
                yield from _property_texts(state)


def _custom_texts(owner: Any) -> Iterator[StoredText]:
    # Some kinds have none.
    names = list(owner.keys()) if hasattr(owner, "keys") else []
    for key in names:
        # Blender 4 keeps a scene's properties beside its custom ones.
        if key.startswith(_OURS) and not hasattr(type(owner), key):
            yield from _entry_texts(owner, key)


def _entry_texts(owner: Any, key: str) -> Iterator[StoredText]:
    value = owner[key]
    if isinstance(value, str):
        yield StoredText(value, partial(operator.setitem, owner, key))
    elif hasattr(value, "keys") and not isinstance(value, bpy.types.ID):
        names = list(value.keys())
        for inner in names:
            yield from _entry_texts(value, inner)


def _property_texts(group: Any) -> Iterator[StoredText]:
    for item in group.bl_rna.properties:
        name = item.identifier
        if item.type == "STRING" and not item.is_readonly:
            yield StoredText(getattr(group, name), partial(setattr, group, name))
        elif item.type == "COLLECTION":
            for row in getattr(group, name):
                yield from _property_texts(row)
