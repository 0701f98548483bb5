# SPDX-License-Identifier: Apache-2.0
"""A job's progress as the worker reports it: stage, step, of, share, eta, notes, thumbnails."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ex4d.protocol.errors import CancelledError, Ex4dError
from ex4d.protocol.runtime import open_private
from ex4d.system.files import atomic_path
from ex4d.system.progress import OpenStage, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Seconds between two reports of one stage.
REPORT_SECONDS = 0.1

#: Longer side of a thumbnail of what is being made, pixels.
THUMBNAIL_SIDE = 320

#: Notes of a job, and characters of one.
MAX_NOTES, MAX_NOTE = 100, 1000


class JobProgress(Progress):
    """``Progress`` of one job of the service.

    Args:
        send: takes what changed, fields of ``JobSnapshot``.
        cancelled: asked at every step; when it says so the work ends with ``CancelledError``.
        thumbnails: path of the thumbnails of what is being made, without suffix; each has a number of its own, and only
            the last one stays. None = none are kept.
    """

    def __init__(
        self, send: Callable[[dict[str, Any]], None], cancelled: Callable[[], bool], thumbnails: Path | None = None
    ) -> None:
        super().__init__()
        self._send, self._cancelled, self._thumbnails = send, cancelled, thumbnails
        self._notes: list[str] = []
        self._thumbnail: Path | None = None
        self._thumbnail_count = 0
        self._reported = 0.0

    def on_begin(self, stage: OpenStage) -> None:
        """See ``Progress``."""
        self._report(stage)
        self.check()

    def on_step(self, stage: OpenStage) -> None:
        """See ``Progress``."""
        if time.monotonic() - self._reported >= REPORT_SECONDS or stage.step == stage.of:
            self._report(stage)
        self.check()

    def on_end(self, stage: OpenStage, *, cached: bool) -> None:
        """See ``Progress``."""
        self.check()

    def check(self) -> None:
        """See ``Progress``."""
        if self._cancelled():
            raise CancelledError

    def note(self, text: str) -> None:
        """See ``Progress``."""
        text = text if len(text) <= MAX_NOTE else f"{text[: MAX_NOTE - 2]} …"
        if text not in self._notes and len(self._notes) < MAX_NOTES:
            self._notes.append(text)
            self._send({"notes": list(self._notes)})

    def thumbnail(self, picture: NDArray[np.uint8]) -> None:
        """See ``Progress``."""
        if self._thumbnails is None:
            return
        import cv2

        height, width = picture.shape[:2]
        scale = min(1.0, THUMBNAIL_SIDE / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        _, data = cv2.imencode(".jpg", cv2.resize(picture, size, interpolation=cv2.INTER_AREA)[..., ::-1])
        self._thumbnail_count += 1
        path = self._thumbnails.with_name(f"{self._thumbnails.name}-{self._thumbnail_count}.jpg")
        # It is a courtesy: a full disk is the work's own business.
        with suppress(Ex4dError, OSError):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            with (
                atomic_path(path) as temporary,
                # Unlike shots it lies in the runtime folder, which is the user's alone.
                os.fdopen(open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file,
            ):
                file.write(data.tobytes())
            self._send({"thumbnail": str(path)})
            self.forget_thumbnail()
            self._thumbnail = path

    def forget_thumbnail(self) -> None:
        """Delete the last thumbnail."""
        if self._thumbnail is not None:
            self._thumbnail.unlink(missing_ok=True)

    def _report(self, stage: OpenStage) -> None:
        self._reported = time.monotonic()
        self._send(
            {
                "stage": stage.name,
                "stage_index": self.place,
                "stage_count": max(len(self.plan), 1),
                "step": stage.step,
                "of": stage.of or 0,
                "share": round(self.share, 6),
                "eta": stage.eta(self._reported),
            }
        )
