# SPDX-License-Identifier: GPL-3.0-or-later
"""What this computer can do, as a table: whether it works, what it is, what to do about it."""

from __future__ import annotations

from typing import Any

from ex4d.protocol.results import DoctorResult, Finding

from .. import model_downloads
from ..core.diagnosis_texts import AREAS, is_restricted, rows
from ..core.model_texts import needs_text
from ..core.texts import wrapped
from ..localisation import localised

#: Of the width: the name; the rest is what was found.
_SPLIT = 0.3


def draw_diagnosis(layout: Any, found: DoctorResult, columns: int) -> None:
    """A row for each finding under the heading of its area.

    Args:
        layout: of Blender.
        found: by the backend.
        columns: characters of a line over the whole width.
    """
    wide = int(columns * (1 - _SPLIT))
    for area, findings in rows(found):
        column = layout.column(align=True)
        column.label(text=AREAS.get(area, area.capitalize()))
        for finding in findings:
            _draw_finding(column, finding, wide)


def _icon(finding: Finding) -> str:
    # Research-only parts stand out: nobody should find out after delivery.
    if finding.works and is_restricted(finding):
        return "ERROR"
    return "CHECKMARK" if finding.works else "X"


def _hint(finding: Finding) -> str:
    """What to do: the backend speaks of commands, here there are buttons."""
    info = model_downloads.find(finding.model) if not finding.works and finding.model else None
    if info is None or info.state == "here":
        return finding.hint
    return f"{'Resume' if info.state == 'begun' else 'Get'} {info.title} in the list of models above."


def _draw_finding(layout: Any, finding: Finding, columns: int) -> None:
    split = layout.split(factor=_SPLIT)
    split.label(text=finding.title or finding.name, icon=_icon(finding))
    column = split.column(align=True)
    licence = localised(f" Licence: {finding.licence}.") if finding.licence else ""
    for line in wrapped(f"{localised(finding.detail).rstrip('.')}.{licence}", columns):
        column.label(text=line)
    info = model_downloads.find(finding.model) if finding.model else None
    for line in wrapped(localised(needs_text(info, finding.name)), columns) if info is not None else ():
        column.label(text=line)
    for index, line in enumerate(wrapped(localised(_hint(finding)), columns)):
        column.label(text=line, icon="FORWARD" if index == 0 else "BLANK1")
