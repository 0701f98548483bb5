# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue: cancel, retry, clear."""

from typing import TYPE_CHECKING

import bpy
from bpy.props import StringProperty

from .. import error_dialog, job_list, left_jobs, timer
from ..localisation import localised
from .common import OperatorResult, report_errors


class _OnJob:
    """An operator on one job."""

    if TYPE_CHECKING:
        job: str
    else:
        job: StringProperty(options={"SKIP_SAVE", "HIDDEN"})


class EX4D_OT_cancel_job(_OnJob, bpy.types.Operator):
    bl_idname = "ex4d.cancel_job"
    bl_label = "Cancel"
    bl_description = "Stop this job; finished stages are kept, the same job later goes on from there"
    bl_options = {"REGISTER"}

    @report_errors
    def execute(self, _context: bpy.types.Context) -> OperatorResult:
        jobs = job_list.current()
        # By default the one that is being done.
        running = jobs.running()
        job = self.job or (running.id if running else "")
        if not job:
            return {"CANCELLED"}
        jobs.link.client.cancel(job)
        jobs.mirror()
        timer.wake()
        return {"FINISHED"}


class EX4D_OT_cancel_all(bpy.types.Operator):
    bl_idname = "ex4d.cancel_all"
    bl_label = "Cancel All"
    bl_description = "Stop the running job and clear the queue"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return bool(job_list.current().link.client.unfinished)

    @report_errors
    def execute(self, _context: bpy.types.Context) -> OperatorResult:
        jobs = job_list.current()
        # The waiting ones first, or the next would begin in between.
        for job in sorted(jobs.link.client.unfinished, key=lambda job: job.state != "queued"):
            jobs.link.client.cancel(job.id)
        jobs.mirror()
        timer.wake()
        return {"FINISHED"}


class EX4D_OT_retry_job(_OnJob, bpy.types.Operator):
    bl_idname = "ex4d.retry_job"
    bl_label = "Retry"
    bl_description = "Ask for this job again; it goes on from its last finished stage"
    bl_options = {"REGISTER"}

    @report_errors
    def execute(self, _context: bpy.types.Context) -> OperatorResult:
        jobs = job_list.current()
        again = jobs.retry(self.job)
        if again is None:
            self.report({"WARNING"}, localised("This job's request is no longer known; start it again from its panel."))
            return {"CANCELLED"}
        if bpy.app.background:
            jobs.wait(again)
        timer.wake()
        return {"FINISHED"}


class EX4D_OT_clear_jobs(bpy.types.Operator):
    bl_idname = "ex4d.clear_jobs"
    bl_label = "Clear Finished"
    bl_description = "Take jobs that have ended off the list"
    bl_options = {"REGISTER"}

    def execute(self, _context: bpy.types.Context) -> OperatorResult:
        jobs = job_list.current()
        for job in [job.id for job in jobs.link.client.jobs.values() if job.is_final]:
            jobs.link.client.forget(job)
        jobs.mirror()
        return {"FINISHED"}


class EX4D_OT_job_error(_OnJob, bpy.types.Operator):
    bl_idname = "ex4d.job_error"
    bl_label = "Show Error"
    bl_description = "Show why this job has failed"
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> OperatorResult:
        job = job_list.current().link.client.jobs.get(self.job)
        if job is None or not job.error:
            return {"CANCELLED"}
        error_dialog.show_error(job.error.error(), window=context.window)
        return {"FINISHED"}


class EX4D_OT_forget_cut_off(bpy.types.Operator):
    bl_idname = "ex4d.forget_cut_off"
    bl_label = "Understood"
    bl_description = "Take the jobs that were cut off by quitting off the list; the file no longer waits for them"
    bl_options = {"REGISTER"}

    def execute(self, _context: bpy.types.Context) -> OperatorResult:
        job_list.current().forget_cut_off()
        return {"FINISHED"}


class EX4D_OT_forget_left_jobs(bpy.types.Operator):
    bl_idname = "ex4d.forget_left_jobs"
    bl_label = "Say No More of Them"
    bl_description = "Take the jobs of closed files off the display; they go on, and their files find the results"
    bl_options = {"REGISTER"}

    def execute(self, _context: bpy.types.Context) -> OperatorResult:
        left_jobs.put_away()
        return {"FINISHED"}


CLASSES = (
    EX4D_OT_cancel_job,
    EX4D_OT_cancel_all,
    EX4D_OT_retry_job,
    EX4D_OT_clear_jobs,
    EX4D_OT_job_error,
    EX4D_OT_forget_cut_off,
    EX4D_OT_forget_left_jobs,
)
