# SPDX-License-Identifier: Apache-2.0
"""Tools of the project's own: they make what is kept here, and look at it."""
