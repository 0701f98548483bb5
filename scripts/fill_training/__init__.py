# SPDX-License-Identifier: Apache-2.0
"""The proof that adapter training works, at small scale: scripts/prove_training.py."""
