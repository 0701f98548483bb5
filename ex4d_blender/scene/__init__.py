# SPDX-License-Identifier: GPL-3.0-or-later
"""Adapters between shots and Blender's data: cameras, meshes, materials, sequencer. Needs bpy; no UI, no sockets."""
