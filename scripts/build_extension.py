#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Build the Blender extension: python scripts/build_extension.py --output-dir DIR (``tools.extension.build``)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.extension.build import main

if __name__ == "__main__":
    sys.exit(main())
