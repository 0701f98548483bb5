# SPDX-License-Identifier: GPL-3.0-or-later
"""How what belongs to a shot hangs from its root (``core.axes``)."""

from __future__ import annotations

import bpy


def parent_plainly(child: bpy.types.Object, parent: bpy.types.Object | None) -> None:
    """Make ``child`` a child of ``parent`` with no parent inverse: its channels are then in the parent's space."""
    child.parent = parent
    child.parent_type = "OBJECT"
    child.matrix_parent_inverse.identity()
