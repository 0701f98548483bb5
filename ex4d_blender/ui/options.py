# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a take's generator, drawn by their kinds."""

from __future__ import annotations

from typing import Any

import bpy

from ex4d.protocol.capabilities import GeneratorInfo

from .. import take_options
from ..take_options import VALUE_PROPERTIES


def draw_options(layout: bpy.types.UILayout, take: Any, generator: GeneratorInfo) -> None:
    """A line for each option: a tick that says whether it is given, and its value; without it the generator decides.

    Args:
        layout: where.
        take: ``props.EX4D_PG_take``.
        generator: as the backend offers it.
    """
    for option, row in take_options.rows(take, generator):
        line = layout.row(align=True)
        line.prop(row, "given", text="")
        value = line.row(align=True)
        value.active = row.given
        value.prop(row, "choice" if option.kind == "choice" else VALUE_PROPERTIES[option.kind], text=option.label)
    if take_options.lacks_rows(take, generator):
        # Drawing may not write into the file.
        layout.operator("ex4d.show_options", icon="OPTIONS")
