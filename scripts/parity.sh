#!/usr/bin/env bash
# Compares our numbers with Hugging Face transformers: logits of small random models of every family that we read, logits
# of runs of ours in the form that we write, and the perplexity of one of them. Installs transformers and torch
# from PyPI in a folder of its own, about 6 GB (torch brings CUDA's libraries; nothing here uses them).
#
# Environment: TRAINER (target/debug/trainer), PARITY_VENV (~/.cache/prope/parity-venv), PARITY_LOG (a file for the table).
set -euo pipefail
cd "$(dirname "$0")/.."

trainer=$(realpath "${TRAINER:-${CARGO_TARGET_DIR:-target}/debug/trainer}")
venv=${PARITY_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/prope/parity-venv}
if ! "$venv/bin/python" -c 'import torch, transformers' 2>/dev/null; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement scripts/parity/requirements.txt
fi
TRANSFORMERS_VERBOSITY=error HF_HUB_OFFLINE=1 "$venv/bin/python" scripts/parity/compare.py "$trainer" ${PARITY_LOG:+--log "$PARITY_LOG"}
