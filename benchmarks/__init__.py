# SPDX-License-Identifier: Apache-2.0
"""Times, memory and quality, measured."""
