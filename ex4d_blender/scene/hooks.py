# SPDX-License-Identifier: GPL-3.0-or-later
"""All that Blender calls of the add-on goes in here: classes, timers, handlers, drawing. So every call can be measured,
see ``core.call_times``, and none is forgotten: no other module registers anything with Blender."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import get_annotations
from types import FunctionType
from typing import Any, TypeAlias

import bpy

from ..core import call_times
from ..core.call_times import timed
from ..core.translation import TRANSLATION_CONTEXT

#: What gave way to something measured, to be put back: whose it was (a class's, or a property's keywords'), its name,
#: and what it was, None where it was inherited.
_Replaced: TypeAlias = tuple[Any, str, Any]
_replaced: dict[type, list[_Replaced]] = {}
#: The add-on's own, whatever Blender calls it.
_PACKAGE = __name__.rpartition(".scene.")[0]


def add_class(cls: type) -> None:
    """Register a class with Blender."""
    _keep_words_apart(cls)
    _replaced[cls] = list(_replace(cls))
    bpy.utils.register_class(cls)


def _keep_words_apart(cls: type) -> None:
    """Let Blender look up a class's texts in a context of the add-on's own: its own catalogue comes first, and has
    other meanings of the same words: «Fast» is «Einfügen» there, «Field of View» a command."""
    if issubclass(cls, bpy.types.Operator | bpy.types.Panel | bpy.types.Menu):
        named: Any = cls
        named.bl_translation_context = TRANSLATION_CONTEXT
    for _, keywords in _properties(cls):
        keywords["translation_context"] = TRANSLATION_CONTEXT


def _properties(cls: type) -> Iterator[tuple[str, dict[str, Any]]]:
    """The properties that a class of the add-on and its bases write down, and the keywords that each is made with.

    They are annotations. Those of a module that postpones these are read here for good: read again they would be made
    anew, and Blender would not see what was changed in their keywords.
    """
    for owner in (item for item in cls.__mro__ if _is_ours(item)):
        read = get_annotations(owner, eval_str=True)
        named: Any = owner
        named.__annotations__ = read
        for name, written in read.items():
            if hasattr(written, "keywords"):
                yield name, written.keywords


def remove_class(cls: type) -> None:
    """Take a class away from Blender.

    Raises:
        RuntimeError: it is not registered.
    """
    try:
        bpy.utils.unregister_class(cls)
    finally:
        for owner, name, former in reversed(_replaced.pop(cls, [])):
            if isinstance(owner, dict):
                owner[name] = former
            elif former is None:
                delattr(owner, name)
            else:
                setattr(owner, name, former)


def callbacks(cls: type) -> list[str]:
    """The names of a class's methods that Blender calls."""
    # That of Blender's own class: a class that was registered before has one of its own still, which is freed.
    rna: Any = next(owner for owner in cls.__mro__ if issubclass(owner, bpy.types.bpy_struct) and not _is_ours(owner))
    names = [item.identifier for item in rna.bl_rna.functions if item.is_registered or item.is_registered_optional]
    # Blender's own panels call that of preferences.
    return [name for name in dict.fromkeys([*names, "draw"]) if _method(cls, name) is not None]


def property_callbacks(cls: type) -> Iterator[tuple[str, dict[str, Any], str]]:
    """What Blender calls of a class's properties: the property, its keywords, and the keyword of the function."""
    for name, keywords in _properties(cls):
        for keyword, value in list(keywords.items()):
            if isinstance(value, FunctionType):
                yield name, keywords, keyword


def _is_ours(cls: type) -> bool:
    return cls.__module__.startswith(_PACKAGE)


def _method(cls: type, name: str) -> Any:
    """A method of the add-on's own, as it is written down; None where it is Blender's or there is none."""
    for owner in cls.__mro__:
        if name in vars(owner):
            found = vars(owner)[name]
            plain = getattr(found, "__func__", found)
            return found if isinstance(plain, FunctionType) and _is_ours(owner) else None
    return None


def _replace(cls: type) -> Iterator[_Replaced]:
    if not call_times.is_on():
        return
    for name in callbacks(cls):
        found = _method(cls, name)
        replacement = timed(getattr(found, "__func__", found), f"{cls.__name__}.{name}")
        yield cls, name, vars(cls).get(name)
        setattr(cls, name, type(found)(replacement) if hasattr(found, "__func__") else replacement)
    for name, keywords, keyword in property_callbacks(cls):
        yield keywords, keyword, keywords[keyword]
        keywords[keyword] = timed(keywords[keyword], f"{cls.__name__}.{name}.{keyword}")


def add_timer(function: Callable[[], float | None], *, after: float, persistent: bool = False) -> None:
    """Let Blender call a function after so many seconds, and again after what it returns; ``persistent``: another file
    that is opened does not end that."""
    bpy.app.timers.register(timed(function), first_interval=after, persistent=persistent)


def has_timer(function: Callable[[], float | None]) -> bool:
    """Whether Blender is going to call it."""
    return bpy.app.timers.is_registered(timed(function))


def remove_timer(function: Callable[[], float | None]) -> None:
    """Let Blender call it no more."""
    if has_timer(function):
        bpy.app.timers.unregister(timed(function))


def add_handler(event: str, function: Callable[..., None]) -> None:
    """Let Blender call a function at an event of ``bpy.app.handlers``; not where this Blender has none such."""
    found = getattr(bpy.app.handlers, event, None)
    if found is not None and timed(function) not in found:
        found.append(timed(function))


def remove_handler(event: str, function: Callable[..., None]) -> None:
    """Let Blender call it no more."""
    found = getattr(bpy.app.handlers, event, None)
    if found is not None and timed(function) in found:
        found.remove(timed(function))


def add_to_layout(name: str, draw: Callable[[Any, bpy.types.Context], None]) -> None:
    """Let a function draw into one of Blender's own menus, headers or panels, ``TOPBAR_MT_file_import``."""
    getattr(bpy.types, name).append(timed(draw))


def remove_from_layout(name: str, draw: Callable[[Any, bpy.types.Context], None]) -> None:
    """Let it draw there no more."""
    getattr(bpy.types, name).remove(timed(draw))


def add_to_viewports(draw: Callable[[], None]) -> Any:
    """Let a function draw over 3D viewports; returns what ``remove_from_viewports`` takes."""
    return bpy.types.SpaceView3D.draw_handler_add(timed(draw), (), "WINDOW", "POST_PIXEL")


def remove_from_viewports(handle: Any) -> None:
    """Let it draw there no more."""
    bpy.types.SpaceView3D.draw_handler_remove(handle, "WINDOW")
