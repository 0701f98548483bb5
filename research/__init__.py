# SPDX-License-Identifier: Apache-2.0
"""What was trained and proved with own small networks."""
