# SPDX-License-Identifier: Apache-2.0
"""The backend as a service: a front process that talks and a worker process that computes."""
