# SPDX-License-Identifier: Apache-2.0
"""``python -m ex4d``."""

import sys

from ex4d.cli import main

sys.exit(main())
