# SPDX-License-Identifier: Apache-2.0
"""Time and memory of the model at full size, with random weights: python -m benchmarks.bench_gpu."""
