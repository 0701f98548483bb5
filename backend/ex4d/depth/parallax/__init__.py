# SPDX-License-Identifier: Apache-2.0
"""Depth measured from the parallax of a camera that moves and was solved.

Each frame is compared with earlier and later ones on planes of constant depth (``sweep``), a surface is chosen for each
pixel (``semi_global``), and kept where other frames see it too (``agreement``). What moves by itself (``movers``) and
what could not be measured (``gaps``) takes its depth from an estimator, fitted to what was measured round it.
"""
