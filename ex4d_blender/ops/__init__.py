# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators: thin, one family a file."""
