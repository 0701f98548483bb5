# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences: the backend, its installation, what the machine can do and under which licences."""

from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from ex4d import __version__
from ex4d.protocol.errors import Ex4dError

from . import backend_link, installation, model_downloads
from .core.model_texts import moge_text, packages_text
from .core.texts import gpu_lines, wrapped
from .core.versions import protocol_difference, version_difference
from .localisation import localised
from .model_table import draw_models
from .scene.data import manager_of
from .ui.diagnosis import draw_diagnosis

COLUMNS = 90


def _draw_difference(box: Any, difference: Ex4dError) -> None:
    """Which of extension and backend is to be updated."""
    for line in wrapped(localised(f"{difference.message} {difference.hint}"), COLUMNS):
        box.label(text=line, icon="ERROR")


class EX4D_AP_preferences(bpy.types.AddonPreferences):
    bl_idname = __package__

    if TYPE_CHECKING:
        environment_folder: str
        extra: str
        wheels_folder: str
        base_python: str
        show_advanced: bool
        models_folder: str
        distill_lora: str
        gpus: str
    else:
        environment_folder: StringProperty(
            name="Folder",
            subtype="DIR_PATH",
            description="Where the backend is installed: an environment of its own; "
            "empty for the extension's own folder",
        )
        extra: EnumProperty(
            name="For",
            items=[
                (
                    "CPU",
                    "Any Computer",
                    "Reconstruction, rendering and preview fill; 130 MB to download, 420 MB on disk",
                ),
                (
                    "GPU",
                    "NVIDIA GPU",
                    f"With PyTorch and what models need besides; {packages_text()} more to download, about twice "
                    "that on disk",
                ),
                (
                    "MOGE",
                    "NVIDIA GPU, with MoGe",
                    f"The same, and what MoGe-2 needs besides; {moge_text()} more to download",
                ),
            ],
            description="What is installed",
        )
        wheels_folder: StringProperty(
            name="Wheels",
            subtype="DIR_PATH",
            description="Folder of wheels to install from without network; empty to use the package index",
        )
        base_python: StringProperty(
            name="Python",
            subtype="FILE_PATH",
            description="Python 3.11 or newer that the environment is made with; empty for Blender's own",
        )

        show_advanced: BoolProperty(name="Advanced", description="Folder, wheels and Python of the installation")

        models_folder: StringProperty(
            name="Models",
            subtype="DIR_PATH",
            description=(
                "Where the EX-4D model's files are, in any layout; empty for the folder that `ex4d models download` "
                "fills. Counts when the backend starts"
            ),
        )
        distill_lora: StringProperty(
            name="Step LoRA",
            subtype="FILE_PATH",
            description="LoRA of Wan 2.1 that distils steps, for the profile Draft. Counts when the backend starts",
        )

        gpus: StringProperty(
            name="GPUs",
            description=(
                "Where there are several: all, how many (2) or their numbers (0,2); each does a job of its own at the "
                "same time. Empty for one job at a time. Counts when the backend starts"
            ),
        )

    def draw(self, _context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        if installation.found().missing:
            # Nothing else works before.
            self._draw_install(layout.box())
            self._draw_state(layout.box())
            self._draw_models(layout.box())
        else:
            self._draw_state(layout.box())
            self._draw_models(layout.box())
            self._draw_install(layout.box())
        self._draw_diagnosis(layout.box())

    def _draw_state(self, box: Any) -> None:
        link = backend_link.current()
        welcome = link.client.welcome
        if link.refused is not None:
            box.label(
                text=localised(f"A backend of another version runs (process {link.refused.pid})."), icon="RADIOBUT_ON"
            )
            _draw_difference(box, protocol_difference(link.refused.protocol, backend_link.PROTOCOL))
        elif welcome is None:
            text = "The backend does not run; the first job starts it."
            text = "The backend is starting." if link.starting else installation.missing() or text
            box.label(text=localised(text), icon="RADIOBUT_OFF")
        else:
            box.label(text=localised(f"Backend {welcome.version} runs (process {welcome.pid})."), icon="RADIOBUT_ON")
            if (difference := version_difference(welcome.version, __version__)) is not None:
                _draw_difference(box, difference)
            memory = welcome.memory_gib
            column = box.column(align=True)
            column.label(text=localised(f"Renders on: {welcome.device or 'starting'}"), icon="BLANK1")
            column.label(text=localised(f"Memory: {memory} GiB" if memory else "Memory: unknown"), icon="BLANK1")
            for line in gpu_lines(welcome):
                column.label(text=localised(line), icon="BLANK1")
        box.prop(self, "gpus")
        row = box.row(align=True)
        row.operator("ex4d.start_backend", icon="PLAY")
        row.operator("ex4d.stop_backend", icon="PAUSE")
        row.operator("ex4d.free_memory", icon="TRASH")
        row.operator("ex4d.open_log", icon="TEXT")

    def _draw_install(self, box: Any) -> None:
        box.label(text=localised(installation.found().installed), icon="PACKAGE")
        column = box.column()
        column.enabled = not installation.is_running()
        column.prop(self, "extra")
        if not bpy.app.online_access and not self.wheels_folder:
            text = "Blender may not go online: allow it in System, Network, or choose a folder of wheels."
            box.label(text=text, icon="INTERNET_OFFLINE")
        if installation.is_running():
            found = installation.state()
            if found is not None:
                factor = found.step / max(found.of, 1)
                box.progress(factor=factor, text=f"{localised(found.stage)}: {found.line[:80]}", type="BAR")
            box.operator("ex4d.cancel_install", icon="CANCEL")
        else:
            row = box.row()
            row.scale_y = 1.4
            row.operator("ex4d.install_backend", icon="IMPORT")
        self._draw_advanced(box)
        manager = manager_of(bpy.context).ex4d
        if len(manager.install_lines):
            box.template_list(
                "EX4D_UL_lines", "install", manager, "install_lines", manager, "active_install_line", rows=5
            )

    def _draw_advanced(self, box: Any) -> None:
        icon = "DOWNARROW_HLT" if self.show_advanced else "RIGHTARROW"
        row = box.row()
        row.alignment = "LEFT"
        row.prop(self, "show_advanced", icon=icon, emboss=False)
        if self.show_advanced:
            column = box.column()
            column.enabled = not installation.is_running()
            column.prop(self, "environment_folder")
            column.prop(self, "wheels_folder")
            column.prop(self, "base_python")

    def _draw_models(self, box: Any) -> None:
        row = box.row()
        row.label(text="Depth and fill models", icon="FILE_FOLDER")
        known = model_downloads.known()
        if not installation.found().missing:
            row.operator("ex4d.list_models", text="Look Again" if known else "Look for Models", icon="FILE_REFRESH")
            model_downloads.want()
        if known:
            draw_models(box, known, COLUMNS)
        else:
            text = "Better depth and the EX-4D model come from here. The backend tells what there is."
            box.label(text=text, icon="BLANK1")
        box.prop(self, "models_folder")
        box.prop(self, "distill_lora")

    def _draw_diagnosis(self, box: Any) -> None:
        row = box.row()
        row.label(text="What this computer can do, and the licence of each part", icon="INFO")
        row.operator("ex4d.diagnose", icon="VIEWZOOM")
        found = backend_link.current().doctor
        if found is None:
            box.label(text="Press Diagnose to look.", icon="BLANK1")
            return
        row.operator("ex4d.copy_diagnosis", icon="COPYDOWN")
        draw_diagnosis(box, found, COLUMNS)


CLASSES = (EX4D_AP_preferences,)
