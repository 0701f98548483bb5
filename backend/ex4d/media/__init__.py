# SPDX-License-Identifier: Apache-2.0
"""Reading and writing media files: images, image sequences, movies and OpenEXR depth. No stage logic."""
