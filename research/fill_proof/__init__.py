# SPDX-License-Identifier: Apache-2.0
"""The proof that adapter training works, at small scale: python -m research.fill_proof."""
