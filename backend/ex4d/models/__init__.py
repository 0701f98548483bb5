# SPDX-License-Identifier: Apache-2.0
"""The model store and the runtime below the stages: files of weights, devices, memory."""
