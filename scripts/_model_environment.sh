# SPDX-License-Identifier: Apache-2.0
# Sourced after _environment.sh: .venv-model, an environment with the packages of ex4d[train] and of research/ for tests
# of the model. It is another one than .venv, whose tests prove that everything else works without torch. Made anew only
# when pyproject.toml, a constraints or requirements file or the Python changes.

# model_environment: makes .venv-model where needed. When that cannot be, model_problem says why and the status is 1.
model_environment() {
    local folder="$root/.venv-model" stamp
    model_problem=""
    stamp=$(cat "$root/pyproject.toml" "$root"/constraints{,-model}.txt "$root/research/small_depth/requirements.txt" \
        <("$python" -VV) | cksum)
    if [ "$(cat "$folder/ready" 2>/dev/null)" != "$stamp" ]; then
        echo "Setting up .venv-model with torch (about 350 MB to download) ..." >&2
        rm -rf "$folder"
        if ! "$python" -I -m venv "$folder" >&2 || ! "$folder/bin/python" -I -m pip install --quiet \
            --disable-pip-version-check -c "$root/constraints.txt" -c "$root/constraints-model.txt" \
            -r "$root/research/small_depth/requirements.txt" -e "$root[dev,train]" >&2; then
            model_problem="the packages could not be installed; pip says why above"
            return 1
        fi
        echo "$stamp" >"$folder/ready"
    fi
}
