# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripts: makes the project's own virtual environment in .venv and puts it first on PATH.
# -I and -P wherever Python runs: else it looks for modules in the caller's current folder first.
# It is made anew only when pyproject.toml, constraints.txt or the Python changes.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

fail() {
    echo "error: $1" >&2
    echo "       $2" >&2
    exit 20
}

find_python() {
    local name
    for name in ${EX4D_PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if "$name" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    fail "No Python 3.11 or newer was found." "Install one, or name it: EX4D_PYTHON=/path/to/python3 $0"
}

python=$(find_python) || exit $?
stamp=$(cat "$root/pyproject.toml" "$root/constraints.txt" <("$python" -VV) | cksum)

if [ "$(cat "$root/.venv/ready" 2>/dev/null)" != "$stamp" ]; then
    echo "Setting up .venv with $("$python" -V) ..." >&2
    rm -rf "$root/.venv"
    "$python" -I -m venv "$root/.venv" >&2 ||
        fail "Python cannot make a virtual environment." "On Debian and Ubuntu: apt install python3-venv"
    "$root/.venv/bin/python" -I -m pip install --quiet --disable-pip-version-check \
        -c "$root/constraints.txt" -e "$root[dev]" >&2 ||
        fail "The packages could not be installed; pip says why above." "Run the command again when that is mended."
    echo "$stamp" >"$root/.venv/ready"
fi
export PATH="$root/.venv/bin:$PATH"
unset PYTHONPATH PYTHONHOME
