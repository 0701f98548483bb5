# SPDX-License-Identifier: Apache-2.0
"""What the preview fill is called, and under which licence."""

from __future__ import annotations

from ex4d.protocol.capabilities import GeneratorInfo

INFO = GeneratorInfo(
    "preview",
    "preview fill: other frames' background and soft colour, no generative model",
    "Apache-2.0",
    generative=False,
)
