# SPDX-License-Identifier: Apache-2.0
# Sourced by gui_test: makes a folder with a small Debian that has Blender with a window, and keeps it.

gui_packages=blender,libgl1-mesa-dri,libegl1,xvfb,xdotool,imagemagick
# Blender's Python there finds these through PYTHONPATH: Debian's Blender comes without them.
gui_python=/opt/blender-python
gui_stamp=.ex4d-gui-root

skip() {
    echo "The GUI test was NOT RUN: $1" >&2
    exit 77
}

# The Debian archive that this machine itself uses.
debian_archive() {
    apt-get indextargets --no-release-info --format '$(REPO_URI)' 2>/dev/null | grep -m1 -E '/debian/?$'
}

# gui_root ROOT [ARCHIVE]: makes the root where needed; exits with 77 where it cannot be made.
gui_root() {
    local folder=$1 archive=$2 stamp abi
    stamp=$(cat "$root/constraints-gui.txt" <(echo "$gui_packages") | cksum)
    [ "$(cat "$folder/$gui_stamp" 2>/dev/null)" != "$stamp" ] || return 0
    command -v mmdebstrap >/dev/null || skip "mmdebstrap is not installed; on Debian: apt install mmdebstrap"
    [ -n "$archive" ] || archive=$(debian_archive) || skip "apt names no Debian archive here; give one with --archive URL"
    if [ -e "$folder" ] && [ ! -e "$folder/$gui_stamp" ] && [ -n "$(ls -A "$folder")" ]; then
        skip "$folder holds something that is not such a root; name another folder with --root"
    fi
    echo "Making a Debian root with Blender in $folder (about 1.2 GB) ..." >&2
    rm -rf "$folder"
    mkdir -p "$(dirname "$folder")"
    # A mirror that stands still has a Release file past its date; its signature is checked all the same.
    mmdebstrap --quiet --variant=minbase --include="$gui_packages" --aptopt='Acquire::Check-Valid-Until "false"' \
        --aptopt='Acquire::Languages "none"' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        sid "$folder" "deb $archive sid main" >&2 || {
        rm -rf "$folder"
        skip "the Debian archive did not give a root with Blender; mmdebstrap says why above"
    }
    abi=$(chroot "$folder" python3 -I -c 'import sys; print("{0}.{1}".format(*sys.version_info))')
    python -I -m pip install --quiet --disable-pip-version-check --target "$folder$gui_python" --only-binary=:all: \
        --python-version "$abi" --implementation cp --abi "cp${abi/./}" --abi abi3 --abi none \
        --platform "manylinux_2_28_$(uname -m)" --platform "manylinux2014_$(uname -m)" \
        --requirement "$root/constraints-gui.txt" >&2 || {
        rm -rf "$folder"
        skip "the packages in constraints-gui.txt could not be installed for Debian's Python $abi; pip says why above"
    }
    echo "$stamp" >"$folder/$gui_stamp"
}
