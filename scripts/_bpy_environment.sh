# SPDX-License-Identifier: Apache-2.0
# Sourced after _environment.sh: environments with Blender as a Python module, .venv-bpy-4.5 and the like, one for each
# Blender version. They hold what Blender's own Python has, and not the packages of the backend. Each is made anew only
# when its pins or the Python change.

# The last release of each, and the numpy that Blender of that version comes with.
bpy_pins() {
    case "$1" in
        4.2) echo "bpy==4.2.23 numpy==1.24.3" ;;
        4.5) echo "bpy==4.5.15 numpy==1.26.4" ;;
        5.0) echo "bpy==5.0.1 numpy==1.26.4" ;;
    esac
}

# The bpy packages are for Python 3.11 alone.
find_python311() {
    local name
    for name in ${EX4D_PYTHON311:-python3.11 python3 "$HOME"/.pyenv/versions/3.11*/bin/python3.11 /usr/bin/python3.11}; do
        if "$name" -I -c 'import ensurepip, sys, venv; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            "$name" -I -c 'import sys; print(sys.executable)'
            return
        fi
    done
    return 1
}

# bpy_environment VERSION: makes .venv-bpy-VERSION where needed. When that cannot be, bpy_problem says why and the
# status is 1.
bpy_environment() {
    local version=$1 folder="$root/.venv-bpy-$1" python311 pins stamp
    bpy_problem=""
    pins=$(bpy_pins "$version")
    if ! python311=$(find_python311); then
        bpy_problem="no Python 3.11 with venv was found, and bpy is for no other; install one or set EX4D_PYTHON311"
        return 1
    fi
    stamp=$(cat "$root/constraints-bpy.txt" <(echo "$pins") <("$python311" -VV) | cksum)
    if [ "$(cat "$folder/ready" 2>/dev/null)" != "$stamp" ]; then
        echo "Setting up .venv-bpy-$version (about 350 MB to download) ..." >&2
        rm -rf "$folder"
        # shellcheck disable=SC2086  # the pins are several words
        if ! "$python311" -I -m venv "$folder" >&2 || ! "$folder/bin/python" -I -m pip install --quiet \
            --disable-pip-version-check --only-binary=:all: -c "$root/constraints-bpy.txt" \
            $pins pytest hypothesis pyzmq >&2; then
            bpy_problem="bpy could not be installed; pip says why above (there are packages for x86-64 and macOS on Arm)"
            return 1
        fi
        if ! "$folder/bin/python" -I -c 'import bpy' >&2; then
            bpy_problem="bpy does not start; on Debian and Ubuntu: apt install libx11-6 libxi6 libxfixes3 libxrender1"
            bpy_problem+=" libxkbcommon0 libsm6 libgl1 libegl1"
            return 1
        fi
        echo "$stamp" >"$folder/ready"
    fi
}
