# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension's logic without Blender: client, jobs, backend process, installer. Nothing here imports bpy."""
