# SPDX-License-Identifier: Apache-2.0
"""Wan 2.1: its layers, its autoencoder, its attention, 8 bits."""
