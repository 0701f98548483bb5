# SPDX-License-Identifier: Apache-2.0
"""z-depth as 16-bit codes."""

from __future__ import annotations

import math

import numpy as np

#: z-depth of the codes 1 and 65535, metres.
NEAREST, FARTHEST = 0.01, 1000.0


def encode_z(z: np.ndarray) -> np.ndarray:
    """(H, W) uint16 codes of z-depth in metres; inf = sky."""
    span = math.log(FARTHEST / NEAREST)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.log(np.clip(z, NEAREST, FARTHEST) / NEAREST) / span
    return np.where(z < FARTHEST, 1 + np.rint(65534 * share), 0).astype(np.uint16)


def decode_z(codes: np.ndarray) -> np.ndarray:
    """The reverse; float32."""
    z = NEAREST * np.exp((codes.astype(np.float64) - 1) / 65534 * math.log(FARTHEST / NEAREST))
    return np.where(codes > 0, z, np.inf).astype(np.float32)
