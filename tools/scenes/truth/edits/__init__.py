# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to plates between the camera and the artist, done to rendered clips: their truth goes along."""

from tools.scenes.truth.edits.clip import Clip, read, write
from tools.scenes.truth.edits.table import EDITS, Edit, parse

__all__ = ["EDITS", "Clip", "Edit", "parse", "read", "write"]
