#!/usr/bin/env bash
# Makes the virtual environments in which tests/test_trainers.py has trainers read our shards.
#
#   scripts/trainer_venvs.sh [FOLDER [NAME…]]    default .venv-trainers here; current, older, swift
#
# They clash with each other, hence one folder each, 5 GB in all. Every version is pinned in
# scripts/trainer_venvs/NAME.txt, and pip resolves nothing: what a trainer's training doesn't
# import (servers, hubs, plots) is left out on purpose. PYTHON names another interpreter, 3.11 or
# later. A venv whose list is still the same is left alone.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
FOLDER=${1:-$ROOT/.venv-trainers}
shift || true
[ $# -gt 0 ] || set -- current older swift

make_one() {
    local list=$ROOT/scripts/trainer_venvs/$1.txt home=$FOLDER/$1
    if cmp -s "$list" "$home/made.txt"; then return; fi
    rm -rf "$home"
    "${PYTHON:-python3}" -m venv "$home"
    # torch first and by the constraints, so that no other package chooses its build.
    "$home/bin/pip" install --quiet --constraint "$ROOT/constraints.txt" torch
    "$home/bin/pip" install --quiet --no-deps --requirement "$list"
    cp "$list" "$home/made.txt"
}

# All at once: most of the time goes into waiting for downloads.
jobs=()
for name in "$@"; do
    make_one "$name" &
    jobs+=($!)
done
for job in "${jobs[@]}"; do wait "$job"; done
