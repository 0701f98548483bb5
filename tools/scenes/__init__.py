# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes that Blender renders: the sample clip, and sets with known truth."""
