# SPDX-License-Identifier: GPL-3.0-or-later
"""Panels, lists, the status bar, the coverage bar."""
