# SPDX-License-Identifier: GPL-3.0-or-later
"""Take cameras and their moves, which stay ordinary keyframes."""

from .acting import acting_besides
from .cameras import add_moving_camera, add_take_camera
from .choosing import select_move
from .fingerprint import comparable, take_fingerprint
from .handheld import HANDHELD_PATHS, add_handheld, has_handheld, remove_handheld
from .moves import apply_preset, clear_move, move_of

__all__ = [
    "HANDHELD_PATHS",
    "acting_besides",
    "add_handheld",
    "add_moving_camera",
    "add_take_camera",
    "apply_preset",
    "clear_move",
    "comparable",
    "has_handheld",
    "move_of",
    "remove_handheld",
    "select_move",
    "take_fingerprint",
]
