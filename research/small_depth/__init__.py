# SPDX-License-Identifier: GPL-3.0-or-later
"""Making the depth estimator `small`: scenes to learn from, their frames, the network, its training."""
