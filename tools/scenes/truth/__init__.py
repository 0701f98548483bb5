# SPDX-License-Identifier: GPL-3.0-or-later
"""Procedural scenes with known truth: what ``make_groundtruth.py`` renders. Everything but ``pictures`` and ``edits``
needs bpy."""
