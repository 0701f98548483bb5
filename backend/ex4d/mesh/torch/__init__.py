# SPDX-License-Identifier: Apache-2.0
"""The DW-Mesh built in torch, on the GPU where it is drawn."""
