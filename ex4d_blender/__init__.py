# SPDX-License-Identifier: GPL-3.0-or-later
"""EX-4D for Blender: re-shoot a video with a new camera."""
