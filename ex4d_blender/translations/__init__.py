# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's texts in other languages, a module or package each. No Blender in here."""

from ..core.translation import Translation
from . import german

#: By language, as Blender's locales begin.
LANGUAGES = {"de": Translation(german.TABLE)}
