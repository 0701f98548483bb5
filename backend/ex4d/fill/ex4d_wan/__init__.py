# SPDX-License-Identifier: Apache-2.0
"""EX-4D on Wan 2.1 I2V 14B: conditioning, quirks, geometry encoder, adapter, profiles."""
