# SPDX-License-Identifier: Apache-2.0
"""One background for every take: what other frames of a shot show of the world that stands still."""
