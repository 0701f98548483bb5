# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on in other languages, through Blender's own translations.

Blender translates what it shows as it stands: labels, tooltips, items. Texts that are put together, and those that
Blender takes as they are (reports, wrapped lines), go through ``localised``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import bpy

from .core.translation import PLACE, TRANSLATION_CONTEXT, Translation
from .translations import LANGUAGES

#: Where Blender looks: for what belongs to classes and properties, see ``scene.hooks``; for words of a layout alone;
#: for buttons of Blender's own operators.
_CONTEXTS = (TRANSLATION_CONTEXT, "*", "Operator")


def table_of(locale: str, *, translates: bool) -> Translation | None:
    """The table of a language; None for English and what there is no table for.

    Args:
        locale: as Blender names it: "de_DE", "sr_RS@latin"; "" for its own.
        translates: whether Blender's preferences want the interface translated.
    """
    return LANGUAGES.get(locale.partition("_")[0].partition("@")[0]) if translates else None


def current() -> Translation | None:
    """What Blender's preferences ask for."""
    view = bpy.context.preferences.view if bpy.context.preferences is not None else None
    return table_of(bpy.app.translations.locale, translates=view is not None and view.use_translate_interface)


def localised(text: str) -> str:
    """A text in the language of Blender's interface, as a person is to read it."""
    translation = current()
    return translation.of(text) if translation is not None else text


def _property_texts(cls: Any) -> Iterator[str]:
    """What Blender shows of a registered class's properties: names, tooltips, items of menus that are written out."""
    for prop in cls.bl_rna.properties:
        yield from (prop.name, prop.description)
        for item in prop.enum_items_static if prop.type == "ENUM" else ():
            yield from (item.name, item.description)


def _looked_up(translation: Translation, classes: Iterable[type]) -> dict[tuple[str, str], str]:
    """What Blender looks up by itself: texts without places, and those of properties that were put together."""
    texts = {key: text for key, text in translation.table.items() if PLACE not in key}
    for text in (text for cls in classes if hasattr(cls, "bl_rna") for text in _property_texts(cls)):
        if (said := translation.of(text)) != text:
            texts[text] = said
    return {(context, key): text for key, text in texts.items() for context in _CONTEXTS}


def register(classes: Iterable[type]) -> None:
    """Give Blender what it looks up by itself.

    Args:
        classes: the add-on's, registered.
    """
    own = [*classes]
    # The stand-in for Blender's types knows no contexts.
    translations: Any = bpy.app.translations
    translations.register(
        __package__, {language: _looked_up(translation, own) for language, translation in LANGUAGES.items()}
    )


def unregister() -> None:
    """Take it away."""
    bpy.app.translations.unregister(__package__)
