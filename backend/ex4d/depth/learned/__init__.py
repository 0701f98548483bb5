# SPDX-License-Identifier: Apache-2.0
"""Learned estimators of depth: which there are, where their weights lie, how their output becomes z-depth.

They need the extra ``ex4d[gpu]``. Of the modules here only those named ``*_network`` import torch, and they are
imported when an estimator runs.
"""
