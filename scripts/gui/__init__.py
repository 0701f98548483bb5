# SPDX-License-Identifier: GPL-3.0-or-later
"""What scripts/gui_drive.py does in Blender, by subject."""
