# SPDX-License-Identifier: Apache-2.0
"""What Blender and the backend say to each other: messages, jobs, errors, the handshake file. Standard library only."""
