# SPDX-License-Identifier: GPL-3.0-or-later
"""The delivered versions of a take, and what is known of the chosen one."""

from pathlib import Path
from typing import Any

from ... import props
from ...core.texts import moment
from ...localisation import localised
from ...scene import version_strips
from ..layout import draw_text, form_of, section


def draw_versions(layout: Any, take: Any) -> None:
    """Versions, the newest first; nothing where there are none."""
    if not len(take.versions):
        return
    row = layout.row()
    row.template_list("EX4D_UL_versions", "", take, "versions", take, "active_version", rows=2, sort_reverse=True)
    version = props.active_version(take)
    if version is None:
        return
    row.operator("ex4d.open_folder", text="", icon="FILE_FOLDER").folder = version.folder
    column = layout.column(align=True)
    made = [version.name, moment(version.created), version.move]
    draw_text(column, ", ".join(filter(None, made)), "SEQUENCE")
    filled = f"{version.generated_mean:.0f} % filled by {version.label or version.profile}"
    draw_text(column, filled if version.seed < 0 else f"{filled}, seed {version.seed}", "BLANK1")
    if version.prompt:
        draw_text(column, f"Prompt: {version.prompt}", "BLANK1")
    if version.filled:
        draw_text(column, version.filled, "BLANK1")
    _draw_extras(column, version)
    form_of(layout.column()).prop(version, "comment")
    if version_strips.is_placed(take.id_data, version.folder):
        if version.note:
            draw_text(layout.column(), version.note, "ERROR")
    else:
        column = layout.column()
        column.operator_context = "EXEC_DEFAULT"
        column.operator("ex4d.import_take", text="Put into Sequencer", icon="IMPORT").directory = version.folder
    layout.operator("ex4d.project_take", icon="MOD_UVPROJECT")
    if version.told and (body := section(layout, "ex4d_version_notes", "Notes")) is not None:
        draw_text(body, version.told)


def _draw_extras(layout: Any, version: Any) -> None:
    """Where the files of a version are that Blender does not show by itself."""
    if version.passes:
        row = layout.row(align=True)
        row.label(text=localised(f"AOV files: {version.passes}"), icon="RENDERLAYERS")
        folder = str(Path(version.folder) / version.passes)
        row.operator("ex4d.open_folder", text="", icon="FILE_FOLDER", emboss=False).folder = folder
    if version.movie:
        layout.label(text=localised(f"Movie: {version.movie}"), icon="FILE_MOVIE")
