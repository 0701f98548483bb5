# SPDX-License-Identifier: Apache-2.0
"""Colour spaces of plates, the working curve, and the tags of files. No OCIO is imported until a transform is made."""
