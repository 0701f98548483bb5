# SPDX-License-Identifier: GPL-3.0-or-later
"""What an installation says when it fails."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from installations import install, make_script, plan_in, posix

from ex4d.protocol.errors import BadInputError, Ex4dError, ResourceError, TransientError


@posix
@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        (
            "WARNING: Retrying after connection broken by NewConnectionError('[Errno 13] Permission denied')\n"
            "ERROR: No matching distribution found for numpy>=1.26",
            TransientError,
            "index cannot be reached",
        ),
        ("ERROR: HTTP error 403 while getting https://mirror.invalid/a.whl", TransientError, "cannot be reached"),
        ("ERROR: No matching distribution found for numpy>=1.26", ResourceError, "There is no numpy>=1.26 for"),
        ("OSError: [Errno 28] No space left on device", TransientError, "The disk is full"),
        ("Error: [Errno 13] Permission denied: '/env'", BadInputError, "cannot be written"),
        ("PermissionError: [WinError 5] Access is denied: 'x.pyd'", BadInputError, "cannot be written"),
        ("ERROR: Wheel 'torch' located at /x.whl is invalid.", TransientError, "torch is damaged"),
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. Someone may have tampered.\n"
            "    numpy==2.4.6 from https://a.invalid/b/numpy-2.4.6-cp311.whl#sha256=x (from -r base.txt (line 9)):\n"
            "        Expected sha256 x\n             Got        y",
            BadInputError,
            "numpy-2.4.6-cp311.whl is not the file that this extension was tested with",
        ),
        ("ERROR: Package 'ex4d' requires a different Python: 3.10", ResourceError, "does not run with Python"),
        ("ERROR: ResolutionImpossible: for help visit", BadInputError, "do not fit together"),
        ("nothing known", TransientError, "Making the environment has failed"),
    ],
)
def test_what_pip_says_becomes_a_sentence(tmp_path: Path, said: str, error: type[Ex4dError], words: str) -> None:
    python = make_script(tmp_path / "python", f"cat <<'END'\n{said}\nEND\nexit 1")
    plan = plan_in(tmp_path, base_python=python, wheels=None)
    with pytest.raises(error, match=re.escape(words)) as caught:
        install(plan)
    assert f"The log says more: {plan.folder / 'install.log'}" in caught.value.hint
