# SPDX-License-Identifier: GPL-3.0-or-later
"""What people read of what a computer can do."""

from __future__ import annotations

from ex4d.protocol.results import DoctorResult, Finding

from .texts import without_user

#: Headings of the areas, in their order.
AREAS = {
    "machine": "This Computer",
    "raster": "Rendering",
    "depth": "Depth",
    "fill": "Fill",
    "movie": "Movies",
}


def is_restricted(finding: Finding) -> bool:
    """Whether its licence forbids work that is sold."""
    said = finding.licence.lower()
    return any(word in said for word in ("research", "no commercial", "non-commercial"))


def rows(found: DoctorResult) -> list[tuple[str, list[Finding]]]:
    """Findings by area, in the order of ``AREAS``; in each what works first."""
    areas = dict.fromkeys([*AREAS, *(finding.area for finding in found.findings)])
    by_area = [(area, [one for one in found.findings if one.area == area]) for area in areas]
    return [(area, sorted(found, key=lambda one: not one.works)) for area, found in by_area if found]


def as_text(found: DoctorResult, heading: str) -> str:
    """All of it, to be passed on, without the user's name.

    Args:
        found: by the backend.
        heading: its first line.
    """
    lines = [heading]
    for area, findings in rows(found):
        lines += ["", AREAS.get(area, area.capitalize())]
        for finding in findings:
            licence = f" [{finding.licence}]" if finding.licence else ""
            lines.append(
                f"  {'+' if finding.works else '-'} {finding.title or finding.name}: {finding.detail}{licence}"
            )
            if finding.hint:
                lines.append(f"      {finding.hint}")
    return without_user("\n".join(lines))
