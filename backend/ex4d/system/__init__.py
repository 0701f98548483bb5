# SPDX-License-Identifier: Apache-2.0
"""The machine below everything: files, memory, processes, threads, and how long work tells where it is."""
