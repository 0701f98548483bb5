# SPDX-License-Identifier: Apache-2.0
"""Measures of quality, and what they need: scenes with known truth, and scores of results against them."""
