# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend: installing, starting, stopping, looking at it."""

import bpy

from ex4d import __version__
from ex4d.protocol.requests import DoctorRequest, FreeMemoryRequest

from .. import backend_link, installation, job_list, timer
from ..core.diagnosis_texts import as_text
from ..localisation import localised
from ..scene.data import manager_of, scene_of
from .common import JobOperator, OperatorResult, report_errors


class EX4D_OT_install_backend(bpy.types.Operator):
    bl_idname = "ex4d.install_backend"
    bl_label = "Install Backend"
    bl_description = (
        "Install the backend into an environment of its own, or bring it up to date. "
        "A stopped installation goes on where it was"
    )
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if not installation.is_running():
            return True
        cls.poll_message_set(localised("An installation is under way"))
        return False

    @report_errors
    def execute(self, _context: bpy.types.Context) -> OperatorResult:
        plan = installation.make_plan()
        plan.check()
        installation.start(plan)
        if bpy.app.background:
            installation.wait()
        return {"FINISHED"}


class EX4D_OT_cancel_install(bpy.types.Operator):
    bl_idname = "ex4d.cancel_install"
    bl_label = "Stop Installing"
    bl_description = "Stop the installation; pressing Install again goes on"
    bl_options = {"REGISTER"}

    @report_errors
    def execute(self, _context: bpy.types.Context) -> OperatorResult:
        installation.cancel()
        self.report({"INFO"}, localised("The installation is stopped; Install Backend goes on where it was"))
        return {"FINISHED"}


class EX4D_OT_start_backend(bpy.types.Operator):
    bl_idname = "ex4d.start_backend"
    bl_label = "Start"
    bl_description = "Start the backend now, so that the first job finds it warm"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        problem = installation.missing()
        if problem:
            cls.poll_message_set(localised(problem.rstrip(".")))
        return not problem

    @report_errors
    def execute(self, _context: bpy.types.Context) -> OperatorResult:
        backend_link.current().connect(block=bpy.app.background)
        timer.wake()
        return {"FINISHED"}


class EX4D_OT_stop_backend(bpy.types.Operator):
    bl_idname = "ex4d.stop_backend"
    bl_label = "Stop"
    bl_description = "End the backend. Running jobs are cancelled; their finished stages are kept"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        link = backend_link.current()
        if link.client.is_open or link.refused is not None:
            return True
        cls.poll_message_set(localised("The backend does not run"))
        return False

    @report_errors
    def execute(self, _context: bpy.types.Context) -> OperatorResult:
        backend_link.current().stop()
        job_list.current().mirror()
        return {"FINISHED"}


class EX4D_OT_diagnose(JobOperator, bpy.types.Operator):
    bl_idname = "ex4d.diagnose"
    bl_label = "Diagnose"
    bl_description = "Tell what this machine can do and why not more, with the licence of each part"
    bl_options = {"REGISTER"}

    def begin(self, context: bpy.types.Context, *, block: bool) -> str:
        return job_list.current().submit(
            scene_of(context), DoctorRequest(), action="doctor", title="Diagnose", block=block
        )


class EX4D_OT_copy_diagnosis(bpy.types.Operator):
    bl_idname = "ex4d.copy_diagnosis"
    bl_label = "Copy"
    bl_description = "Copy what was found, without your name, to the clipboard"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if backend_link.current().doctor is not None:
            return True
        cls.poll_message_set(localised("Press Diagnose first"))
        return False

    def execute(self, context: bpy.types.Context) -> OperatorResult:
        link = backend_link.current()
        if link.doctor is None:
            return {"CANCELLED"}
        backend = link.version() or "not connected"
        heading = f"EX-4D {__version__} in Blender {bpy.app.version_string}, backend {backend}"
        manager_of(context).clipboard = as_text(link.doctor, heading)
        self.report({"INFO"}, localised("The diagnosis is in the clipboard"))
        return {"FINISHED"}


class EX4D_OT_free_memory(JobOperator, bpy.types.Operator):
    bl_idname = "ex4d.free_memory"
    bl_label = "Free Memory"
    bl_description = "Give back all memory that the backend holds on computer and graphics card, after the running job"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if backend_link.current().is_connected():
            return True
        cls.poll_message_set(localised("The backend does not run, so it holds no memory"))
        return False

    def begin(self, context: bpy.types.Context, *, block: bool) -> str:
        return job_list.current().submit(
            scene_of(context), FreeMemoryRequest(), action="nothing", title="Free memory", block=block
        )


CLASSES = (
    EX4D_OT_install_backend,
    EX4D_OT_cancel_install,
    EX4D_OT_start_backend,
    EX4D_OT_stop_backend,
    EX4D_OT_diagnose,
    EX4D_OT_copy_diagnosis,
    EX4D_OT_free_memory,
)
