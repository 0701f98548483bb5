# SPDX-License-Identifier: Apache-2.0
"""What all stages share: the cache of their sealed outputs and reading from it."""
