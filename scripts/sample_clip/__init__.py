# SPDX-License-Identifier: GPL-3.0-or-later
"""The toy train scene of the sample clip."""
