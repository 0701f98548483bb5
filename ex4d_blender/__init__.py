# SPDX-License-Identifier: GPL-3.0-or-later
"""EX-4D for Blender: re-shoot a video with a new camera."""


def register() -> None:
    """Called by Blender when the extension is enabled."""
    # Imported here: the bpy-free part of the package can be used without Blender.
    from . import registration

    registration.register()


def unregister() -> None:
    """Called by Blender when the extension is disabled."""
    from . import registration

    registration.unregister()
