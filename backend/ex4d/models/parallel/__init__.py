# SPDX-License-Identifier: Apache-2.0
"""One generation on several devices of a host: a process a device, which all hold the whole model."""
