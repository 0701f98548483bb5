# SPDX-License-Identifier: Apache-2.0
"""The shot: a folder that holds one plate and all that is made from it."""
