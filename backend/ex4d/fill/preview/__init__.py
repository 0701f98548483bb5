# SPDX-License-Identifier: Apache-2.0
"""The preview fill: no model, seconds, any machine."""
