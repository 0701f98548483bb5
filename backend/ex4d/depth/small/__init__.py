# SPDX-License-Identifier: Apache-2.0
"""The learned depth that comes with the package: a small network on the CPU, and what makes its frames agree."""
