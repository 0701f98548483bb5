# SPDX-License-Identifier: Apache-2.0
"""A generator of somebody else's, as ``test_generators`` adds it: this folder, and one line in the list."""
