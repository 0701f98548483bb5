# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the source camera of each family is in the middle of the clip, and what it looks at."""

from __future__ import annotations

from mathutils import Vector

TABLE = Vector((0, -2.0, 1.3)), Vector((0, 0, 0.95))
STAGE = Vector((0, -3.4, 1.45)), Vector((0, 0, 0.95))
GARDEN = Vector((0, -2.9, 1.25)), Vector((0, 0, 0.85))
ROAD = Vector((0, -3.0, 1.6)), Vector((0, 5.0, 1.35))
