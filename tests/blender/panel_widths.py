# SPDX-License-Identifier: GPL-3.0-or-later
"""How wide the texts of the panels are, and how much room Blender gives each: labels, buttons, names of properties.

Blender lays out in windows alone, so its rules are followed here: a row shares its width between its parts by their
natural widths, a form gives names two fifths, boxes and icons take their part. Sizes are those of scale 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import blf
import bpy

#: A button's height, and an icon's width.
UNIT = 20
#: Of a sidebar: its tabs, and the margins of a panel.
TABS, MARGINS = 20, 24
#: What a text keeps clear in a button at both its ends together, as drawn; and what Blender reckons with.
TIGHT, NATURAL = 10, 30
BOX = 12
#: The share of a form that names have.
NAMES = 0.4
FONT_SIZE = 11


def text_width(text: str) -> float:
    """Pixels of a text in Blender's font."""
    blf.size(0, FONT_SIZE)
    return float(blf.dimensions(0, text)[0])


@dataclass
class Overflow:
    """A text that is cut: what it needs and what it has, pixels."""

    text: str
    needs: float
    has: float

    def __str__(self) -> str:
        return f"«{self.text}» needs {self.needs:.0f} px and has {self.has:.0f}"


@dataclass
class _Part:
    """A text with what is drawn beside it; ``text`` "" for what is as wide as an icon."""

    text: str = ""
    extra: float = 0.0
    #: Of a property in a form: its name stands left of it.
    name: str = ""

    @property
    def needs(self) -> float:
        return text_width(self.text) + TIGHT + self.extra if self.text else self.extra

    @property
    def natural(self) -> float:
        return text_width(self.text) + NATURAL + self.extra if self.text else self.extra

    @property
    def is_fixed(self) -> bool:
        return not self.text

    def look(self, width: float, found: list[Overflow]) -> None:
        if self.name:
            # At its right end it keeps clear of the value.
            needs = text_width(self.name) + TIGHT / 2
            if needs > NAMES * width:
                found.append(Overflow(self.name, needs, NAMES * width))
            width *= 1 - NAMES
        if self.text and self.needs > width + 0.5:
            found.append(Overflow(self.text, self.needs, width))


class Measuring:
    """A layout that keeps what is drawn, to be measured. It takes what ``panel_drawing.Layout`` takes."""

    def __init__(self, context: Any, translate: Any, kind: str = "column", margin: float = 0.0) -> None:
        own = self.__dict__
        own["_context"], own["_translate"], own["kind"], own["margin"] = context, translate, kind, margin
        own["parts"], own["factor"], own["alignment"] = [], 0.0, "EXPAND"
        own["use_property_split"], own["ui_units_x"] = False, 0

    def _add(self, kind: str, margin: float = 0.0, factor: float = 0.0) -> Measuring:
        inner = Measuring(self._context, self._translate, kind, margin)
        inner.factor, inner.use_property_split = factor, self.use_property_split
        self.parts.append(inner)
        return inner

    def row(self, **_options: Any) -> Measuring:
        return self._add("row")

    def column(self, **_options: Any) -> Measuring:
        return self._add("column")

    def box(self, **_options: Any) -> Measuring:
        return self._add("column", BOX)

    def split(self, *, factor: float = 0.0, **_options: Any) -> Measuring:
        return self._add("split", factor=factor)

    def grid_flow(self, *, columns: int = 1, **_options: Any) -> Measuring:
        return self._add("grid", factor=1 / max(columns, 1))

    def panel(self, _name: str, **_options: Any) -> tuple[Measuring, Measuring]:
        header = self._add("row", UNIT)
        return header, self._add("column")

    def panel_prop(self, owner: Any, name: str) -> tuple[Measuring, Measuring]:
        return self.panel(name)

    def separator(self, **_options: Any) -> None:
        pass

    def _say(self, text: str, icon: str, *, translate: bool = True, extra: float = 0.0, name: str = "") -> None:
        said = self._translate(text) if translate else text
        self.parts.append(_Part(said, extra + (UNIT if icon != "NONE" or not said else 0), name))

    def label(self, *, text: str = "", icon: str = "NONE", translate: bool = True, **_options: Any) -> None:
        # A label has no frame, so its text reaches to its ends.
        self._say(text, icon, translate=translate, extra=-TIGHT / 2 if text else 0)

    def progress(self, *, text: str = "", **_options: Any) -> None:
        self._say(text, "NONE")

    def template_icon(self, **_options: Any) -> None:
        pass

    def template_list(self, *_values: Any, **_options: Any) -> None:
        # Names of the artist's own.
        pass

    def menu(self, name: str, *, text: str = "", icon: str = "NONE", **_options: Any) -> None:
        self._say(text or getattr(bpy.types, name).bl_label, icon, extra=UNIT)

    def operator(
        self, name: str, *, text: str | None = None, icon: str = "NONE", translate: bool = True, **_options: Any
    ) -> SimpleNamespace:
        module, _, function = name.partition(".")
        label = getattr(getattr(bpy.ops, module), function).get_rna_type().name if text is None else text
        self._say(label, icon, translate=translate)
        return SimpleNamespace()

    def operator_menu_enum(
        self, name: str, _prop: str, *, text: str = "", icon: str = "NONE", **_options: Any
    ) -> SimpleNamespace:
        self._say(text, icon, extra=UNIT / 2)
        return SimpleNamespace()

    def prop(
        self,
        owner: Any,
        name: str,
        *,
        text: str | None = None,
        icon: str = "NONE",
        toggle: Any = False,
        **_options: Any,
    ) -> None:
        prop = owner.bl_rna.properties[name]
        label = self._translate(prop.name if text is None else text)
        if prop.type == "BOOLEAN" and not toggle and icon == "NONE":
            # The tick stands before the name, in a form on its right side.
            part = _Part(label, UNIT - TIGHT / 2)
            self.parts.append(_Part(part.text, part.extra, " ") if self.use_property_split else part)
        elif self.use_property_split and label:
            # Beside a menu's value stands its arrow.
            values = [self._translate(item.name) for item in prop.enum_items_static] if prop.type == "ENUM" else []
            self.parts.append(_Part(max(values, key=text_width, default=""), UNIT / 2, label))
        elif prop.type in ("FLOAT", "INT"):
            # The number stands in the same field.
            self._say(label, icon, translate=False, extra=text_width("0.000"))
        else:
            self._say(label, icon, translate=False)

    # Sizes

    @property
    def natural(self) -> float:
        """The width that Blender would give it."""
        widths = [part.natural for part in self.parts]
        return self.margin + (sum(widths) if self.kind == "row" else max(widths, default=0.0))

    @property
    def is_fixed(self) -> bool:
        return bool(self.parts) and all(part.is_fixed for part in self.parts)

    def look(self, width: float, found: list[Overflow]) -> None:
        """Note the texts that have less room than they need in so many pixels."""
        width -= self.margin
        if self.kind == "column":
            for part in self.parts:
                part.look(width, found)
        elif self.kind == "grid":
            for part in self.parts:
                part.look(width * self.factor, found)
        elif self.kind == "split":
            shares = [self.factor or 1 / max(len(self.parts), 1)]
            rest = (1 - shares[0]) / max(len(self.parts) - 1, 1)
            for index, part in enumerate(self.parts):
                part.look(width * (shares[0] if index == 0 else rest), found)
        else:
            fixed = sum(part.natural for part in self.parts if part.is_fixed)
            free = [part for part in self.parts if not part.is_fixed]
            wanted = sum(part.natural for part in free) or 1.0
            for part in free:
                share = part.natural / wanted * max(width - fixed, 0.0)
                # Parts at one side are as wide as they like while there is room.
                part.look(share if wanted > width - fixed or self.alignment == "EXPAND" else part.natural, found)


def overflows(scene: Any, context_of: Any, translate: Any, width: int) -> list[Overflow]:
    """The texts of all panels that are cut in a sidebar of so many pixels."""
    from ex4d_blender.ui import panels

    found: list[Overflow] = []
    for panel in panels.CLASSES:
        context = context_of(scene, panel.bl_space_type)
        layout = Measuring(context, translate)
        panel.draw(SimpleNamespace(layout=layout), context)
        layout.look(width - TABS - MARGINS, found)
    return found
