#!/usr/bin/env bash
# Makes a virtual environment for each tool that benchmarks/throughput.py and dedup.py compare with.
#
#   scripts/peer_venvs.sh [FOLDER]        default .venv-peers here; FOLDER/curator and so on
#
# They clash with each other and with us, hence one folder each. PYTHON names another
# interpreter. A venv that is there already is left alone.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
FOLDER=${1:-$ROOT/.venv-peers}

venv() {
    local home=$FOLDER/$1 && shift
    if [ -e "$home/.made" ]; then return; fi
    "${PYTHON:-python3}" -m venv "$home"
    "$home/bin/pip" install --quiet "$@"
    touch "$home/.made"
}

venv curator bespokelabs-curator==0.1.31
venv distilabel "distilabel[openai]==1.5.3" requests  # which it imports and does not name
venv data-designer data-designer==0.9.6
# benchmarks/dedup.py
venv datatrove "datatrove[io,processing]==0.10.1" spacy
venv semhash semhash==0.5.0
