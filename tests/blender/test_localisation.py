# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender shows of the registered classes is in the German table, and the table reaches Blender."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy
import pytest
from ex4d_blender import localisation, registration
from ex4d_blender.translations import LANGUAGES, german

#: Blender's own, and what only operators and records need.
UNSEEN = {
    "Name",
    "Unique name used in the code and scripting",
    "The generator's other options, JSON",
    "What the action needs besides the result, JSON",
}

pytest_plugins = ["addon_fixtures"]


def shown_texts(cls: Any) -> Iterator[str]:
    """Label, tooltip, and those of the properties and their items."""
    # Classes of lists and gizmos have no label of their own.
    if issubclass(cls, bpy.types.Operator | bpy.types.Panel | bpy.types.Menu):
        yield cls.bl_label
        yield getattr(cls, "bl_description", "")
    own = {name for base in cls.__mro__ for name in vars(base).get("__annotations__", {})}
    for prop in cls.bl_rna.properties:
        if prop.identifier not in own or prop.is_hidden:
            continue
        yield prop.name
        yield prop.description
        for item in prop.enum_items_static if prop.type == "ENUM" else ():
            yield item.name
            yield item.description


@pytest.mark.usefixtures("addon")
def test_every_text_of_the_classes_is_in_the_table() -> None:
    missing = {
        (cls.__name__, text)
        for cls in registration.CLASSES
        for text in shown_texts(cls)
        if text
        and text not in UNSEEN | set(german.TABLE)
        and LANGUAGES["de"].of(text) == text
        and not is_same_everywhere(text)
    }
    assert sorted(missing) == []


def is_translated(text: str) -> bool:
    """Whether the table has it, or it needs none."""
    in_table = text in german.TABLE or LANGUAGES["de"].of(text) != text
    return in_table or text in UNSEEN or is_same_everywhere(text)


def is_same_everywhere(text: str) -> bool:
    """Identifiers of what has no name, axes, formats, and the released camera paths."""
    is_word = " " not in text.strip() and (text.islower() or text.isupper())
    return is_word or not any(map(str.isalpha, text)) or text.startswith("EX-4D")


@pytest.mark.usefixtures("addon")
def test_a_language_is_chosen_by_blenders_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    assert localisation.localised("Generate Take 01") == "Generate Take 01"
    monkeypatch.setattr(localisation, "current", lambda: LANGUAGES["de"])
    assert localisation.localised("Generate Take 01") == "Take 01 generieren"


@pytest.mark.parametrize(
    ("locale", "translates", "language"),
    [("de_DE", True, "de"), ("de", True, "de"), ("de_DE", False, None), ("fr_FR", True, None), ("", True, None)],
)
def test_the_locale_names_the_table(locale: str, translates: bool, language: str | None) -> None:
    assert localisation.table_of(locale, translates=translates) is (LANGUAGES[language] if language else None)
