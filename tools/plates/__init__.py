# SPDX-License-Identifier: Apache-2.0
"""Plates of the kinds that film people have, with their truth; see ``make``."""
