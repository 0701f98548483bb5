# SPDX-License-Identifier: Apache-2.0
"""Why pixels of a take had to be filled: the move looks behind something, or where no frame of the plate has looked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera
from ex4d.fill import PixelOrigin
from ex4d.raster.coverage import never_covered


def hole_shares(
    mask: NDArray[np.uint8],
    origin: NDArray[np.uint8],
    z: NDArray[np.float32],
    camera: Camera,
    source: Camera,
    others: Sequence[Camera],
) -> dict[str, float]:
    """Shares of a frame of a take.

    Args:
        mask: (H, W), 255 = the frame's own pixel.
        origin: (h, w) ``PixelOrigin`` codes, at any size.
        z: (H, W) z-depth in the take camera of whatever stands there, NaN = nothing.
        camera: of the take.
        source: the plate's, of this frame.
        others: of other frames.

    Returns:
        ``generated``: of the pixels, that the frame does not show itself. Of these: ``of_it_from_other_frames``, taken
        from other frames; of the rest ``of_it_revealed``, hidden behind something in the view of the plate, and
        ``of_it_never_covered``, outside the views of all frames.
    """
    holes = origin < PixelOrigin.MEASURED
    other = float((origin == PixelOrigin.OTHER_FRAME).sum()) / max(int(holes.sum()), 1)
    shares = {"generated": round(float((mask == 0).mean()), 6), "of_it_from_other_frames": round(other, 6)}
    invented = origin == PixelOrigin.INVENTED
    never = (1 - other) * never_covered(invented, mask > 0, z, camera, source, others)
    revealed = 1 - shares["of_it_from_other_frames"] - round(never, 6) if holes.any() else 0.0
    return {**shares, "of_it_revealed": round(max(revealed, 0.0), 6), "of_it_never_covered": round(never, 6)}


def fill_note(frames: Iterable[Mapping[str, float]]) -> str:
    """One sentence on what was filled in a take, from its frames' ``hole_shares``; "" where nothing was."""
    shares = list(frames)
    total = sum(frame["generated"] for frame in shares)
    if total == 0:
        return ""
    parts = {
        name: sum(frame["generated"] * frame[name] for frame in shares) / total
        for name in ("of_it_from_other_frames", "of_it_revealed", "of_it_never_covered")
    }
    other, revealed, never = parts.values()
    return (
        f"Of the filled pixels {other:.0%} come from other frames, {revealed:.0%} were hidden behind something, and "
        f"{never:.0%} lie outside the views of all frames."
    )
