# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender shows of the registered classes is in the German table, and the table reaches Blender."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from inspect import get_annotations
from pathlib import Path
from typing import Any

import bpy
import pytest
from ex4d_blender import localisation, registration
from ex4d_blender.core.translation import TRANSLATION_CONTEXT
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
    own = {name for base in cls.__mro__ for name in get_annotations(base)}
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
def test_blenders_own_catalogue_does_not_come_before_ours() -> None:
    """Blender looks into its own catalogue first. In 5.2's German one 53 of these words are said otherwise."""
    for cls in registration.CLASSES:
        if issubclass(cls, bpy.types.Operator | bpy.types.Panel | bpy.types.Menu):
            assert cls.bl_rna.translation_context == TRANSLATION_CONTEXT, cls
        # A group's name is Blender's own.
        own = {name for base in cls.__mro__ for name in get_annotations(base)} - {"name"}
        others = {
            prop.identifier
            for prop in cls.bl_rna.properties
            if prop.identifier in own and prop.translation_context != TRANSLATION_CONTEXT
        }
        assert others == set(), cls
    looked_up = localisation._looked_up(LANGUAGES["de"], registration.CLASSES)
    assert looked_up[TRANSLATION_CONTEXT, "Fast"] == "Schnell"
    assert looked_up[TRANSLATION_CONTEXT, "Field of View"] == "Bildwinkel"


#: Words of ours that Blender 5.2's German catalogue has with another translation, in the context of all words.
OTHERWISE = {
    "Amount", "Comment", "Compression", "Default", "Denoising", "Distance", "Ease In", "Ease In and Out",
    "Ease Out", "Easing", "Encoding", "Fast", "Field of View", "Fill", "First", "Flip", "Frame",
    "Frame Range", "Frames", "Generate", "Generated", "Handles", "Hold", "Holdout", "Last", "Layer", "Lens",
    "Line", "Locked", "Map", "Mask Strip", "Mesh", "Move", "Movie Clip", "None", "Note", "Open", "Pan",
    "Passes", "Path", "Pick", "Pixel Aspect", "Scale", "Shading", "Solve", "Sound", "Start Frame", "Stretch",
    "Strip", "Tilt", "Tracks", "Turns", "Zoom Out",
}  # fmt: skip


def test_words_of_a_layout_alone_are_none_of_those() -> None:
    """A label has no class whose context counts; what goes through ``localised`` is looked up by nobody else."""
    found = {}
    for path in Path(localisation.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("label", "progress"):
                texts = {item.value.value for item in node.keywords if isinstance(item.value, ast.Constant)}
                if texts & OTHERWISE:
                    found[path.name] = texts & OTHERWISE
    assert found == {}


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
