# SPDX-License-Identifier: Apache-2.0
"""Building the Blender extension's zips; scripts/build_extension.py is the command."""
