# SPDX-License-Identifier: Apache-2.0
"""Which side of a hole flows in. A hole opens behind something, so what stands farther off belongs in it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: Radius of the neighbourhood whose deepest surface counts as the far side, as a share of the longer side.
REACH = 1 / 8
#: Sharpness of the choice: a surface at 3/4 of the far side's depth keeps a tenth of the weight.
NEAR_EXPONENT = 8
#: Over larger distances deeper surfaces still have more say, but gently.
SAY_EXPONENT = 4
#: Weight that near surfaces keep, for holes that nothing far borders on.
FLOOR = 1e-6
#: Only what borders on a hole flows into it: weights fall by e over this share of the longer side.
BORDER = 1 / 40
#: The search for the far side works on pictures this much smaller.
SHRINK = 8


def far_side_weights(z: Float | None, known: Bool) -> tuple[Float, Float]:
    """Weight and say for ``pull_push``.

    Args:
        z: (H, W) float32 z-depth; None where it is unknown, then all known pixels count alike.
        known: (H, W) bool.

    Returns:
        Two (H, W) float32 in 0..1.
    """
    height, width = known.shape
    inland = cv2.distanceTransform(known.astype(np.uint8), cv2.DIST_L2, 3)
    weight = known * np.maximum(np.exp(inland / np.float32(-BORDER * max(known.shape))), np.float32(FLOOR))
    if z is None or not known.any():
        return weight, known.astype(np.float32)
    depth = np.where(known & np.isfinite(z), z, 0).astype(np.float32)
    small = cv2.resize(depth, (-(-width // SHRINK), -(-height // SHRINK)), interpolation=cv2.INTER_NEAREST)
    size = 2 * round(REACH * max(width, height) / SHRINK) + 1
    deepest = cv2.blur(cv2.dilate(small, np.ones((size, size), np.uint8)), (3, 3))
    deepest = cv2.resize(deepest, (width, height), interpolation=cv2.INTER_LINEAR)
    ratio = np.clip(depth / np.maximum(deepest, np.finfo(np.float32).tiny), 0, 1)
    far = max(float(np.percentile(depth[known], 95)), float(np.finfo(np.float32).tiny))
    say = np.clip(depth / np.float32(far), 0, 1) ** SAY_EXPONENT
    return weight * np.maximum(ratio**NEAR_EXPONENT, FLOOR), np.maximum(say, np.float32(FLOOR)).astype(np.float32)
