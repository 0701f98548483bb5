# SPDX-License-Identifier: Apache-2.0
"""For all tests."""

import signal

# A shell starts background jobs with SIGINT ignored, and so would be every process that the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
