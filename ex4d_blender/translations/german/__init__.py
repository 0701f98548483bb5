# SPDX-License-Identifier: GPL-3.0-or-later
"""German, as film and VFX people speak it: plate, take and shot stay; Blender's own words where it has them."""

from . import backend, core, operators, panels, scene

#: English -> German, see ``core.translation``.
TABLE = {key: text for area in (panels, operators, core, scene, backend) for key, text in area.TEXTS.items()}
