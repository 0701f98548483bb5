# SPDX-License-Identifier: Apache-2.0
"""The jobs: what command line, service and Python programs can have done."""
