# SPDX-License-Identifier: Apache-2.0
# gui_test's inner part, in a mount and process namespace of its own: mounts, virtual screen, Blender, screenshots.
#   _gui_session.sh ROOT OUT PLATE LAST_STEP PYTHON_FOLDER MOVING_PLATE SCREEN [PARTS]
set -euo pipefail
folder=$(realpath "$1")
out=$2 plate=$3 until=$4 python_folder=$5 moving=$6 screen=$7 only=${8:-}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
limit=1500 # seconds for Blender as a whole

# This system as it is, for the backend; first, so that it does not hold the mounts that follow.
mkdir -p "$folder/host"
mount --rbind / "$folder/host"
mount -t proc proc "$folder/proc"
mount --rbind /dev "$folder/dev"
mount -t tmpfs tmpfs "$folder/tmp"
# German for the add-on's own texts: the root has no translations of Blender's, whose catalogue is therefore empty.
mkdir -p "$folder/usr/share/locale"
mount -t tmpfs tmpfs "$folder/usr/share/locale"
mkdir -p "$folder/usr/share/locale/de/LC_MESSAGES"
printf '0:Automatic (Automatic):DEFAULT:100%%\n1:English (English):en_US:100%%\n5:German (Deutsch):de:100%%\n' >"$folder/usr/share/locale/languages"
"$root/.venv/bin/python" - "$folder/usr/share/locale/de/LC_MESSAGES/blender.mo" <<'CATALOGUE'
import struct
import sys
from pathlib import Path

# One entry, the catalogue's own description, as every .mo has.
text = b"Content-Type: text/plain; charset=UTF-8\n"
head = struct.pack("<7I", 0x950412DE, 0, 1, 28, 36, 0, 44)
Path(sys.argv[1]).write_bytes(head + struct.pack("<4I", 0, 44, len(text), 45) + b"\0" + text + b"\0")
CATALOGUE
# mounts a folder of this system at the same path in the root
share() {
    mkdir -p "$folder$1"
    mount --bind "$1" "$folder$1"
}
share "$root"
case "$out" in "$root"/*) ;; *) share "$out" ;; esac

# Models are downloaded by a backend that has what they run with.
backend=$root/.venv/bin/python
if [ "$only" = models ] && [ -x "$root/.venv-model/bin/python" ]; then backend=$root/.venv-model/bin/python; fi

mkdir -p "$out/home" "$out/user" "$out/tmp" "$out/requests"
# The backend reads Blender's own colour configuration, which must have the same path on both sides.
cp -r "$folder/usr/share/blender/datafiles" "$out/datafiles"
cat >"$out/backend-python" <<WRAPPER
#!/bin/sh
# Steps back into the root that the backend's environment was made for; the process keeps its id.
unset DISPLAY
exec chroot /host "$backend" "\$@"
WRAPPER
chmod +x "$out/backend-python"

# TMPDIR: the root's /tmp is not this system's, and both sides must mean the same file by a path.
inside() {
    env -i PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin LANG=C.UTF-8 HOME="$out/home" TMPDIR="$out/tmp" \
        PYTHONPATH="$python_folder" PYTHONUNBUFFERED=1 BLENDER_USER_RESOURCES="$out/user" LIBGL_ALWAYS_SOFTWARE=1 \
        BLENDER_SYSTEM_DATAFILES="$out/datafiles" EX4D_BACKEND_PYTHON="$out/backend-python" DISPLAY="${display:-}" chroot "$folder" "$@"
}

if ! inside blender --python-use-system-env --command extension install-file -r user_default --enable \
    "$out/extension.zip" >"$out/install.log" 2>&1; then
    cat "$out/install.log" >&2
    echo "error: Blender did not install the extension; it says why above." >&2
    exit 1
fi

mkfifo "$out/tmp/display"
inside Xvfb -displayfd 5 -screen 0 "${screen}x24" -nolisten tcp 5<>"$out/tmp/display" >"$out/xvfb.log" 2>&1 &
if ! read -r -t 20 number <"$out/tmp/display"; then
    cat "$out/xvfb.log" >&2
    echo "error: the virtual screen did not come up." >&2
    exit 1
fi
display=:$number

# It writes what it has measured when Blender quits.
inside env EX4D_BLENDER_TIMES="$out/times.txt" timeout -k 10 "$limit" blender --python-use-system-env --python-exit-code 3 \
    --window-geometry 0 0 "${screen%x*}" "${screen#*x}" --python "$root/scripts/gui_drive.py" \
    -- --out "$out" --plate "$plate" --moving-plate "$moving" --until "$until" ${only:+--only "$only"} >"$out/blender.log" 2>&1 &
blender=$!

# What the driver cannot do from inside: screenshots of the whole screen, and the mouse.
serve() {
    local word first second third fourth
    read -r word first second third fourth <"$1" || return 0
    case "$word" in
        shot) inside import -window root "$out/$first.png" ;;
        # one after the other: Blender reads the modifier when the wheel's event comes
        wheel) inside xdotool mousemove "$first" "$second" sleep 0.2 keydown ctrl sleep 0.2 click 5 sleep 0.2 keyup ctrl ;;
        key) inside xdotool key "$first" ;;
        rest) inside xdotool mousemove "$first" "$second" ;;
        click) inside xdotool mousemove "$first" "$second" sleep 0.2 click 1 ;;
        # in two steps: what is dragged is found by the mouse that comes to rest on it, and dragged once it has moved
        drag) inside xdotool mousemove "$first" "$second" sleep 1 mousedown 1 sleep 0.3 mousemove_relative -- 8 0 sleep 0.3 \
            mousemove "$third" "$fourth" sleep 0.5 mouseup 1 ;;
        key) inside xdotool key "$first" ;;
    esac
}
while kill -0 "$blender" 2>/dev/null; do
    for request in "$out"/requests/*.request; do
        [ -e "$request" ] || continue
        serve "$request" || echo "warning: $(cat "$request") did not work" >&2
        mv "$request" "${request%.request}.done"
    done
    sleep 0.1
done
status=0
wait "$blender" || status=$?

grep -hE '^(the steps|part [a-z]+): [0-9]+ s$' "$out/blender.log" || true
cat "$out/result.txt" 2>/dev/null || true
if [ -e "$out/times.txt" ]; then
    echo "Blender's main thread in the extension, the longest calls first (! more than 0.25 s; all are in $out/times.txt):"
    head -25 "$out/times.txt"
fi
if [ "$status" != 0 ] || ! grep -qx passed "$out/result.txt" 2>/dev/null; then
    tail -30 "$out/blender.log" >&2
    echo "error: the run in Blender failed (status $status); its log is $out/blender.log" >&2
    exit 1
fi
# The backend belongs to the Blender that started it, and goes with it.
# By the output, not by the status: that is an error's whenever a process ends while grep looks at it.
backends() { grep -lazFx "$backend" /proc/[0-9]*/cmdline 2>/dev/null || true; }
for _ in $(seq 200); do
    [ -n "$(backends)" ] || break
    sleep 0.1
done
left=$(backends)
if [ -n "$left" ]; then
    for process in $left; do tr '\0' ' ' <"$process" || true; done >&2
    echo "error: a backend process was still alive 20 s after Blender had quit; see above." >&2
    exit 1
fi
# The same work from the command line, on the file that was saved.
if [ "$until" = generate ] && [ -z "$only" ]; then
    if ! inside timeout 300 blender -b "$out/gui.blend" --python-use-system-env --command ex4d generate \
        --move orbit:10 --frames 1001-1004 --json >"$out/command.log" 2>&1 ||
        ! grep -q '"event": "done"' "$out/command.log"; then
        tail -20 "$out/command.log" >&2
        echo "error: the command ex4d failed in background mode; its output is above." >&2
        exit 1
    fi
    echo "command ex4d generate: done"
fi
