# SPDX-License-Identifier: Apache-2.0
"""Training of the adapter from ordinary videos: simulated masks, data, trainer.

The released EX-4D has no such part; it is written from descriptions, with the source beside each figure. ``masking``
and ``data`` need no torch.
"""
