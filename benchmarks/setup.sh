#!/usr/bin/env bash
# Makes the Python environment of the PyTorch side, about 6 GB. Needs Python 3.11 or later with venv;
# torch.compile also needs a C++ compiler.
#
#   BENCH_VENV   where to make it; default: benchmarks/.venv
#   PYTHON       which Python to make it from; default: python3
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${BENCH_VENV:-$here/.venv}

"${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/pip" install --disable-pip-version-check --requirement "$here/requirements.txt"
"$venv/bin/python" -c 'import torch; print(f"torch {torch.__version__}, CUDA available: {torch.cuda.is_available()}")'
