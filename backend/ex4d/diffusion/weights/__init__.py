# SPDX-License-Identifier: Apache-2.0
"""The model's files: what they are, whether they are whole, and the components made of them."""
