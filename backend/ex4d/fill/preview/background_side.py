# SPDX-License-Identifier: Apache-2.0
"""Which side of a hole flows in. A hole opens behind something, so what stands farther off belongs in it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: How far the far side is looked for, as shares of the longer side: across a hole inside the picture, along one that
#: the picture's border cuts (there the surface at hand goes on, it is not hidden), and beside a hole.
ACROSS, ALONG, BESIDE = 1 / 3, 1 / 16, 1 / 8
#: Sharpness of the choice: a surface at 3/4 of the far side's depth keeps a tenth of the weight. On scenes with known
#: truth softer choices have up to half a decibel less error (grey is never far wrong), but a bright subject then glows
#: into the dark behind it.
NEAR_EXPONENT = 8
#: Over larger distances deeper surfaces still have more say, but gently.
SAY_EXPONENT = 2
#: Beyond this many median depths everything is equally far: a bit of sky must not flood the hole beside a wall.
DEEPEST_MEDIANS = 2.0
#: Weight that near surfaces keep, for holes that nothing far borders on.
FLOOR = 1e-6
#: Only what borders on a hole flows into it: weights fall by e over this share of the longer side.
BORDER = 1 / 40
#: The search for the far side works on pictures this much smaller.
SHRINK = 8


def _through_holes(depth: Float, across: int, along: int) -> Float:
    """Depth (h, w) is 0 in holes; gives it there the deepest surface within so many steps, and 0 elsewhere."""
    hole = depth == 0
    _, label = cv2.connectedComponents(hole.astype(np.uint8))
    cut = np.isin(label, np.concatenate([label[0], label[-1], label[:, 0], label[:, -1]]))
    square = np.ones((3, 3), np.uint8)
    for step in range(across):
        into = hole if step < along else hole & ~cut
        if not into.any():
            break
        depth = np.where(into, cv2.dilate(depth, square), depth).astype(np.float32)
    return np.where(hole, depth, 0).astype(np.float32)


def far_side_weights(z: Float | None, known: Bool) -> tuple[Float, Float]:
    """Weight and say for ``pull_push``.

    Args:
        z: (H, W) float32 z-depth; None where it is unknown, then all known pixels count alike.
        known: (H, W) bool.

    Returns:
        Two (H, W) float32 in 0..1.
    """
    height, width = known.shape
    # Without any hole OpenCV gives distances near the largest float.
    inland = np.minimum(cv2.distanceTransform(known.astype(np.uint8), cv2.DIST_L2, 3), np.float32(max(known.shape)))
    fading = np.exp(inland / np.float32(-BORDER * max(known.shape)))
    weight = np.where(known, np.maximum(fading, FLOOR), 0).astype(np.float32)
    if z is None or not known.any():
        return weight, known.astype(np.float32)
    measured = known & np.isfinite(z)
    limit = DEEPEST_MEDIANS * float(np.median(z[measured])) if measured.any() else 0.0
    depth = np.where(measured, np.minimum(z, limit), 0).astype(np.float32)
    small_size = (-(-width // SHRINK), -(-height // SHRINK))
    small = np.asarray(cv2.resize(depth, small_size, interpolation=cv2.INTER_NEAREST), dtype=np.float32)
    reach = max(width, height) / SHRINK
    size = 2 * round(BESIDE * reach) + 1
    deepest = cv2.dilate(_through_holes(small, round(ACROSS * reach), round(ALONG * reach)), np.ones((size, size)))
    deepest = cv2.resize(deepest, (width, height), interpolation=cv2.INTER_LINEAR)
    ratio = depth / np.maximum(np.maximum(deepest, depth), np.finfo(np.float32).tiny)
    far = max(float(np.percentile(depth[known], 95)), float(np.finfo(np.float32).tiny))
    say = np.clip(depth / np.float32(far), 0, 1) ** SAY_EXPONENT
    weight = np.asarray(weight * np.maximum(ratio**NEAR_EXPONENT, FLOOR), dtype=np.float32)
    return weight, np.maximum(say, np.float32(FLOOR)).astype(np.float32)
