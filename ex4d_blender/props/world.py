# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of the place that a shot was filmed in."""

from typing import TYPE_CHECKING

from bpy.props import FloatProperty


class WorldProperties:
    """Lengths of the place, in Blender units: the interface shows them in the scene's."""

    if TYPE_CHECKING:
        known_length: float
        camera_height: float
    else:
        known_length: FloatProperty(
            name="Length",
            default=1.0,
            min=1e-6,
            soft_max=1000.0,
            unit="LENGTH",
            description="A length that is known, such as a person's height or a door's; then pick its two ends",
        )
        camera_height: FloatProperty(
            name="Camera Height",
            default=1.6,
            min=1e-6,
            soft_max=1000.0,
            unit="LENGTH",
            description="How high above the floor the source camera stood at this frame",
        )
