# SPDX-License-Identifier: Apache-2.0
"""What the Blender side and the backend share; imports nothing but numpy and the standard library."""
