# SPDX-License-Identifier: Apache-2.0
"""The stages of the pipeline, run on scenes with known truth: what ``bench_quality`` does."""
