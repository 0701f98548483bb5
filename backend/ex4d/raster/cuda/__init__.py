# SPDX-License-Identifier: Apache-2.0
"""Meshes of many frames at once, and what is seen of them, in torch: everything stays on the GPU.

The same rules as in ``ex4d.mesh`` and ``raster.shading``, which are the reference; tests/model compares the two. Only
this package and ``raster.nvdiffrast`` import torch.
"""
