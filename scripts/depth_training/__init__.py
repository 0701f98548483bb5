# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``train_depth.py`` is made of: scenes to learn from, their frames, the network, its training."""
