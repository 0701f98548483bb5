# SPDX-License-Identifier: GPL-3.0-or-later
"""CG in the plate: the view layers and nodes that put both together."""

#: Custom property of what is ours; the artist may rename it, or have the name before.
MARK = "ex4d_cg"
